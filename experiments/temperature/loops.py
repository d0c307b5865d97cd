"""Finds repetition in a text: repeated passages, and loops at its end."""

from typing import NamedTuple

import numpy as np

PASSAGE = 20  # characters of a passage that hardly repeats by chance
MIN_ROUNDS = 3  # of a loop
MIN_LENGTH = 60  # characters of all rounds of a loop together


class Loop(NamedTuple):
    """The end of a text that repeats itself.

    Attributes:
      start: the place of its first character.
      period: characters of a round.
    """

    start: int
    period: int


def find_loop(text: str) -> Loop | None:
    """Returns the loop at the end of a text with the shortest period, if there is one.

    Its start is the earliest place from which the text has that period.
    """
    codes = np.asarray([ord(c) for c in text])
    for period in range(1, len(codes) // MIN_ROUNDS + 1):
        differs = np.flatnonzero(codes[period:] != codes[:-period])
        start = int(differs[-1]) + 1 if len(differs) else 0
        if len(codes) - start >= max(MIN_ROUNDS * period, MIN_LENGTH):
            return Loop(start, period)
    return None


def get_repeated_share(text: str, length: int = PASSAGE) -> float:
    """Returns the share of characters in passages that begin earlier in the text too.

    Args:
      text: the text.
      length: characters of a passage.
    """
    earlier, repeats = set(), np.zeros(len(text), bool)
    for start in range(len(text) - length + 1):
        passage = text[start : start + length]
        if passage in earlier:
            repeats[start : start + length] = True
        earlier.add(passage)
    return float(repeats.mean()) if len(text) else 0.0
