"""What a page shows when it opens."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from charlm.interpret.activations import Activations
from charlm.interpret.viewer.listed_units import ListedUnit

SCREEN_CHARS = 600  # about half of what a screen shows


def choose_initial_view(
    activations: Activations, unit_results: Sequence[ListedUnit], start: int | None
) -> dict[str, Any]:
    """The "layer", "unit" and "signal" that are shown, and "at", the marked character.

    Args:
      activations: on the text.
      unit_results: the best first; without any it is the unit of the top layer that
        moves most.
      start: the marked character; None for one where the unit varies most.
    """
    if unit_results:
        best = unit_results[0]
        layer, unit, signal = best.layer, best.unit, best.signal
    else:
        layer = activations.layers - 1
        signal = "tanh_c" if activations.cell == "lstm" else "h"
        h = np.asarray(activations.signals[f"layer_{layer}/h"])
        unit = int(h.std(axis=0, dtype=np.float32).argmax())
    if start is None:
        # The activations need not have the gates; h stands for them.
        name = "c" if signal in ("tanh_c", "c") else "h"
        values = activations.get_values(f"layer_{layer}/{name}", unit)
        start = find_active_position(np.tanh(values) if name == "c" else values)
    return {"layer": layer, "unit": unit, "signal": signal, "at": start}


def find_active_position(values: np.ndarray) -> int:
    """The position of a jump, early in the SCREEN_CHARS values[t] that vary most.

    Early, because a page shows twice as much after the marked character as before it;
    the first SCREEN_CHARS, of all whose variance is within a tenth of the largest.
    """
    width = min(SCREEN_CHARS, len(values))
    sums = np.cumsum(np.stack([values, values**2]), axis=1, dtype=np.float64)
    sums = np.pad(sums, ((0, 0), (1, 0)))
    mean, square = (sums[:, width:] - sums[:, :-width]) / width
    variance = square - mean**2
    begin = int(np.argmax(variance >= 0.9 * variance.max()))
    early = values[begin : begin + max(1, width // 3)]
    return begin + int(np.argmax(np.abs(np.diff(early, prepend=early[:1]))))
