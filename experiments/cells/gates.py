"""Statistics of gates over a text: how often they saturate, how long units remember.

After A. Karpathy, J. Johnson, L. Fei-Fei, "Visualizing and understanding recurrent
networks", 2015, section 4.2.
"""

import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, Integer

from charlm.interpret.activations import Activations
from experiments.style import COLORS, figure

GATES = {"i": "input", "f": "forget", "o": "output"}
MAX_TIME_SCALE = 254  # characters; the integers of a forget gate tell no longer ones
MARKERS, LINES = "o^", ("-", "--")  # of the first and the second layer


def compute_saturation(
    gate: Integer[np.ndarray, "t h"], scale: float
) -> tuple[Float[np.ndarray, " h"], Float[np.ndarray, " h"]]:
    """Returns (left[h], right[h]): the fractions of time below 0.1 and above 0.9.

    Args:
      gate: integers, as in Activations.
      scale: the value of 1 in them.
    """
    left = (gate < math.ceil(0.1 / scale)).mean(axis=0)
    right = (gate > math.floor(0.9 / scale)).mean(axis=0)
    return left, right


def compute_time_scales(
    f: Integer[np.ndarray, "t h"], scale: float
) -> Float[np.ndarray, " h"]:
    """Returns the time scale of each unit, -1 / mean(log f), in characters.

    c falls by a factor e in that many characters. A gate that rounds to 0 is taken as
    half of the least integer, so that its log is finite. One that never was below 1
    gives inf. A gate that rounds to 1 may forget up to scale / 2 at each character:
    scales beyond 2 / scale characters (254) are of the right order only.

    Args:
      f: forget gates, integers, as in Activations.
      scale: the value of 1 in them.
    """
    highest = max(1, int(f.max()))
    logs = np.log(np.maximum(np.arange(highest + 1), 0.5) * scale)
    counts = np.stack(
        [np.bincount(f[:, u], minlength=highest + 1) for u in range(f.shape[1])]
    )
    mean = counts @ logs / len(f)
    with np.errstate(divide="ignore"):
        return 1 / np.maximum(-mean, 0)


def draw_saturation(path: Path, networks: Mapping[str, Activations]) -> None:
    """Draws how often gates are shut and open: a dot a unit.

    A network has a color, a layer a marker.
    """
    with figure(path, columns=3, width=12, height=3.6) as columns:
        for axes, gate in zip(columns, GATES, strict=True):
            for name, activations, layer, color in _iterate_layers(networks):
                key = f"layer_{layer}/{gate}"
                left, right = compute_saturation(
                    activations.signals[key], activations.scales[key]
                )
                marker = MARKERS[layer]
                axes.plot(left, right, marker, ms=2, alpha=0.5, color=color, label=name)
            axes.plot([0, 1], [1, 0], color="black", linewidth=0.5)
            axes.set(xlabel="share below 0.1", title=f"{GATES[gate]} gate")
        columns[0].set(ylabel="share above 0.9")
        _move_legend(columns, markerscale=3)


def draw_time_scales(path: Path, networks: Mapping[str, Activations]) -> None:
    """Draws the share of units whose time scale is at least so long.

    A network has a color, a layer a line style.
    """
    with figure(path, width=9) as axes:
        for name, activations, layer, color in _iterate_layers(networks):
            key = f"layer_{layer}/f"
            scales = np.sort(
                compute_time_scales(activations.signals[key], activations.scales[key])
            )
            shares = np.linspace(1, 0, len(scales))
            scales = np.minimum(scales, MAX_TIME_SCALE)
            axes.plot(scales, shares, LINES[layer], color=color, label=name)
        axes.set(xscale="log", xlabel="characters, -1 / mean(log f)")
        axes.set(ylabel="share of units that hold as long")
        _move_legend([axes])


def _iterate_layers(
    networks: Mapping[str, Activations],
) -> Iterator[tuple[str, Activations, int, str]]:
    """Yields the name, the activations, the layer and the color of each layer."""
    for color, (name, activations) in zip(COLORS, networks.items(), strict=False):
        for layer in range(activations.layers):
            suffix = f", layer {layer}" if activations.layers > 1 else ""
            yield name + suffix, activations, layer, color


def _move_legend(columns: Any, **options) -> None:
    """Puts one legend of all axes beside them, where it covers no data."""
    handles, names = columns[0].get_legend_handles_labels()
    for axes in columns:
        for line in axes.lines:
            line.set_label("_nolegend_")
    columns[0].figure.legend(
        handles, names, loc="outside right center", frameon=False, **options
    )
