"""Whether a text repeats itself: earlier stretches, and loops that never end."""

from typing import NamedTuple

import numpy as np

STRETCH = 20  # characters of a stretch that is no coincidence
TIMES = 3  # that a loop comes round before it is called one
LEAST = 60  # characters of a loop, all its rounds together


class Loop(NamedTuple):
    """The end of a text that only repeats: from `start`, every `period` characters."""

    start: int
    period: int


def loop_of(text: str) -> Loop | None:
    """The loop in which a text ends, of the shortest period; None if it does not."""
    codes = np.asarray([ord(c) for c in text])
    for period in range(1, len(codes) // TIMES + 1):
        differs = np.flatnonzero(codes[period:] != codes[:-period])
        start = int(differs[-1]) + 1 if len(differs) else 0
        if len(codes) - start >= max(TIMES * period, LEAST):
            return Loop(start, period)
    return None


def repeated(text: str, stretch: int = STRETCH) -> float:
    """The share of characters in a stretch that begins earlier in the text too."""
    seen, again = set(), np.zeros(len(text), bool)
    for begin in range(len(text) - stretch + 1):
        piece = text[begin : begin + stretch]
        if piece in seen:
            again[begin : begin + stretch] = True
        seen.add(piece)
    return float(again.mean()) if len(text) else 0.0
