"""The style of all figures: axes, colors and files."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import matplotlib
import matplotlib.pyplot as plt

matplotlib.use("agg")

# Okabe and Ito's colors, which color-blind readers can tell apart.
BLUE, ORANGE, GREEN, PURPLE = "#0072b2", "#d55e00", "#009e73", "#cc79a7"
SKY, AMBER, GRAY, BLACK = "#56b4e9", "#e69f00", "#888888", "#000000"
COLORS = [BLUE, ORANGE, GREEN, PURPLE, SKY, AMBER, GRAY, BLACK]


@contextmanager
def figure(
    path: Path, *, columns: int = 1, width: float = 7, height: float = 4
) -> Iterator[Any]:
    """Yields the axes of a figure, an array for several columns, then writes its file.

    Args:
      path: the file.
      columns: how many axes there are, side by side.
      width: inches.
      height: inches.
    """
    drawing, axes = plt.subplots(
        ncols=columns, figsize=(width, height), layout="constrained"
    )
    for each in drawing.axes:
        each.set_prop_cycle(color=COLORS)
        each.grid(alpha=0.3)
        each.set_axisbelow(True)
        each.spines[["top", "right"]].set_visible(False)
    yield axes
    for each in drawing.axes:
        if each.get_legend_handles_labels()[0]:
            each.legend(frameon=False)
    drawing.savefig(path, dpi=120)
    plt.close(drawing)


def plot_losses(axes, records: list[dict], split: str, **style) -> None:
    """Plots the losses of one split of the text by step.

    Args:
      axes: of the figure.
      records: of metrics.jsonl.
      split: "train", "valid" or "test".
      style: options of axes.plot.
    """
    rows = [record for record in records if record["split"] == split]
    steps = [row["step"] for row in rows]
    axes.plot(steps, [row["nats_per_char"] for row in rows], label=split, **style)


def get_shades(count: int) -> Iterator[tuple]:
    """Yields `count` colors from dark to light, for series that have an order."""
    shades = matplotlib.colormaps["viridis"]
    return (shades(0.9 * n / max(1, count - 1)) for n in range(count))
