"""opening(trace, cells, start): what a page opens with, and where."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from charlm.interpret.activations import Activations

SEEN = 600  # characters: about half of what a screen shows


def opening(
    trace: Activations, cells: Sequence[Mapping[str, Any]], start: int | None
) -> dict[str, Any]:
    """The "layer", "unit" and "signal" that are shown, and "at", the marked character.

    Args:
      trace: of the text.
      cells: the best first; without any it is the unit that moves most at the top.
      start: the character; None for one where what the unit does varies most.
    """
    if cells:
        layer, unit, signal = (cells[0][key] for key in ("layer", "unit", "signal"))
    else:
        layer, signal = trace.layers - 1, "tanh_c" if trace.cell == "lstm" else "h"
        h = np.asarray(trace.signals[f"layer_{layer}/h"])
        unit = int(h.std(axis=0, dtype=np.float32).argmax())
    if start is None:
        # Of a gate, which the page computes, h must do.
        name = "c" if signal in ("tanh_c", "c") else "h"
        real = trace.real(f"layer_{layer}/{name}", unit)
        start = liveliest(np.tanh(real) if name == "c" else real)
    return {"layer": layer, "unit": unit, "signal": signal, "at": start}


def liveliest(values: np.ndarray) -> int:
    """The place of a jump, early in the SEEN values[t] that vary most.

    Early, because a page shows twice as much after the marked character as before it;
    the first SEEN, of all whose variance is within a tenth of the largest.
    """
    width = min(SEEN, len(values))
    sums = np.cumsum(np.stack([values, values**2]), axis=1, dtype=np.float64)
    sums = np.pad(sums, ((0, 0), (1, 0)))
    mean, square = (sums[:, width:] - sums[:, :-width]) / width
    variance = square - mean**2
    begin = int(np.argmax(variance >= 0.9 * variance.max()))
    early = values[begin : begin + max(1, width // 3)]
    return begin + int(np.argmax(np.abs(np.diff(early, prepend=early[:1]))))
