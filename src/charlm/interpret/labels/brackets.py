"""How deep in brackets each character of a text stands, and in the condition of an if.

Texts are cut anywhere, and brackets go astray. So a closer that closes nothing is
ignored, a } closes what was opened inside its {, a ) or ] closes nothing outside the
innermost {, a blank line closes ( and [, and a brace in the first column, or two blank
lines, close all.
"""

import re
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from charlm.interpret.labels.spans import REACH

TOKEN = re.compile(
    r"""
    (?P<first>^[{}])                             # in the first column
    | (?P<condition>\bif[ \t]*\()
    | (?P<if>^[ \t]*(?:el)?if[ \t]+(?=[^\s(]))   # Python's
    | (?P<blank>\n[ \t]*(?=\n))
    | [()\[\]{}:\n]
    """,
    re.VERBOSE | re.MULTILINE,
)
CLOSED_BY = {")": "(i", "]": "["}  # i: the bracket of an if's condition


class Depths(NamedTuple):
    """How many are open at each of the t characters of a text.

    Attributes:
      round: int[t], brackets (.
      square: int[t], brackets [.
      curly: int[t], braces {.
      all: int[t], the three together.
      conditions: int[t], conditions of an if.
      sound: the share of the conditions that ended as they should.
    """

    round: np.ndarray
    square: np.ndarray
    curly: np.ndarray
    all: np.ndarray
    conditions: np.ndarray
    sound: float


class Step(NamedTuple):
    """One opened or closed.

    Attributes:
      place: the character with which it is.
      sign: ( [ { or i, the bracket of an if's condition, or ?, a condition without.
      step: 1 or -1.
      own: whether what closed it was its own closer.
    """

    place: int
    sign: str
    step: int
    own: bool = False


def depths(code: str) -> Depths:
    """The depths of a text's brackets; its comments and strings hold none.

    The condition of an if is in the brackets after it, or, as in Python, goes to the
    colon at the end of the line.
    """
    depth = {sign: np.zeros(len(code), np.int64) for sign in "([{i?"}
    begun = ended = owned = 0
    for place, sign, step, own in steps(code):
        depth[sign][place] += step
        if sign in "i?":
            begun += step > 0
            ended += step < 0
            owned += own
    round_, square, curly, bracketed, bare = (np.cumsum(d) for d in depth.values())
    round_ += bracketed
    return Depths(
        round=round_,
        square=square,
        curly=curly,
        all=round_ + square + curly,
        conditions=bracketed + bare,
        sound=(owned + begun - ended) / begun if begun else 1.0,
    )


def steps(code: str) -> Iterator[Step]:
    """What is opened and closed in a text, in its order."""
    frames: list[list[str]] = [[]]  # what is open inside each open brace
    blank = -1  # where the last blank line ended
    for found in TOKEN.finditer(code):
        place, sign = found.end() - 1, found[0][-1]
        if found["first"] or (found["blank"] and blank == found.start()):
            at = found.end() if found["blank"] else place
            yield from (Step(at, each, -1) for each in leave_all(frames))
        if found["blank"]:
            yield from closed(frames, "\n", found.start())
            blank = found.end()
            yield from (Step(blank, each, -1) for each in leave(frames, 0))
        elif found["if"] or sign in "([":
            sign = "?" if found["if"] else "i" if found["condition"] else sign
            frames[-1].append(sign)
            yield Step(found.end() if found["if"] else place, sign, 1)
        elif sign == "{":
            frames.append([])
            yield Step(place, sign, 1)
        else:
            yield from closed(frames, sign, place)


def closed(frames: list[list[str]], sign: str, place: int) -> Iterator[Step]:
    """What a closer closes: its own, and what is open inside that; perhaps nothing."""
    inner = frames[-1]
    if sign == "}":
        if len(frames) > 1:
            yield from (Step(place, each, -1) for each in frames.pop())
            yield Step(place, "{", -1, True)
        return
    if sign in ":\n":
        if inner[-1:] == ["?"]:
            yield Step(place, inner.pop(), -1, sign == ":")
        return
    reach = max(len(inner) - REACH, 0)
    for n in range(len(inner) - 1, reach - 1, -1):
        if inner[n] in CLOSED_BY[sign]:
            own, *others = leave(frames, n)
            yield Step(place, own, -1, True)
            yield from (Step(place, each, -1) for each in others)
            return


def leave(frames: list[list[str]], n: int) -> list[str]:
    """Close all but the n outer ones inside the innermost brace; what was closed."""
    left = frames[-1][n:]
    del frames[-1][n:]
    return left


def leave_all(frames: list[list[str]]) -> list[str]:
    """Close all; what was closed."""
    left = [sign for frame in frames for sign in frame] + ["{"] * (len(frames) - 1)
    frames[:] = [[]]
    return left
