"""Where in its line, its word and its sentence each character of a text stands.

Each function takes a text whose lines end in \\n alone and gives values[t], of the
point just after character t was read.
"""

import re

import numpy as np

TAB = 8  # columns
# A full stop after a title or an initial ends no sentence.
SENTENCE = re.compile(
    r"(?<!\bMr)(?<!\bMs)(?<!\bDr)(?<!\bSt)(?<!\bMrs)(?<!\b[A-Z])"
    r"[.!?][\"'”’)\]]*(?=\s)|\n[ \t]*(?=\n)"
)


def codes_of(text: str) -> np.ndarray:
    """codes[t], the code points of a text."""
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), "<u4")


def among(text: str, signs: str) -> np.ndarray:
    """bool[t]: whether the character is one of the signs."""
    return np.isin(codes_of(text), codes_of(signs))


def which(text: str, test) -> np.ndarray:
    """bool[t]: whether the test of a character, as str.isupper, holds."""
    alphabet, ids = np.unique(codes_of(text), return_inverse=True)
    return np.array([test(chr(code)) for code in alphabet], bool)[ids]


def last(events: np.ndarray) -> np.ndarray:
    """int[t]: the place of the last event at t or before; -1 where there was none."""
    places = np.where(events, np.arange(len(events)), -1)
    return np.maximum.accumulate(places) if len(places) else places


def since(events: np.ndarray) -> np.ndarray:
    """int[t]: characters read since the last event, or since the text began."""
    return np.arange(len(events)) - last(events)


def until(events: np.ndarray) -> np.ndarray:
    """int[t]: characters from t to the next event after it; the text's end is one."""
    ahead = np.append(events[1:], True)[: len(events)]
    return since(ahead[::-1])[::-1] + 1


def counted(events: np.ndarray, origin: np.ndarray) -> np.ndarray:
    """int[t]: events after the place origin[t], which may be -1, up to t."""
    total = np.concatenate([[0], np.cumsum(events)])
    return total[1:] - total[origin + 1]


def position_in_line(text: str) -> np.ndarray:
    """Characters read since the newline: 0 just after it."""
    return since(among(text, "\n"))


def left_in_line(text: str) -> np.ndarray:
    """Characters that still stand before the newline; the text's end is one too."""
    return until(among(text, "\n")) - 1


def within(text: str, signs: str, n: int) -> np.ndarray:
    """Whether one of the signs is among the next n characters."""
    total = np.concatenate([[0], np.cumsum(among(text, signs))])
    t = np.arange(len(text))
    return total[np.minimum(t + n, len(text) - 1) + 1] > total[t + 1]


def indenting(text: str) -> np.ndarray:
    """Whether t is in the white space with which its line begins."""
    solid = ~among(text, " \t\n")
    return among(text, " \t") & (last(solid) <= last(among(text, "\n")))


def indentation(text: str) -> np.ndarray:
    """Columns of white space with which the line begins, as far as it was read."""
    width = np.where(among(text, "\t"), TAB, 1) * indenting(text)
    return counted(width, last(among(text, "\n")))


def line_of_paragraph(text: str) -> np.ndarray:
    """Lines since the last blank one: 0 in the first."""
    newline = among(text, "\n")
    solid = last(~among(text, " \t\n"))
    before = np.concatenate([[-1], last(newline)])[:-1]  # where the line began
    return counted(newline, last(newline & (solid <= before)))


def line_beginning(text: str, signs: str) -> np.ndarray:
    """Whether the line begins with one of the signs; its newline is left out."""
    newline = among(text, "\n")
    start = np.minimum(last(newline) + 1, max(len(text) - 1, 0))
    return among(text, signs)[start] & ~newline


def in_heading(text: str) -> np.ndarray:
    """Whether the line begins with two signs =, from the second on."""
    doubled = among(text, "=")
    doubled[1:] &= doubled[:-1]
    doubled[:1] = False
    second = doubled & (position_in_line(text) == 2)
    return last(second) > last(among(text, "\n"))


def word(text: str) -> np.ndarray:
    """Whether the character is a letter, a digit or _."""
    return which(text, lambda sign: sign.isalnum() or sign == "_")


def position_in_word(text: str) -> np.ndarray:
    """Letters of the word so far; 0 outside."""
    return since(~word(text))


def capitalised(text: str) -> np.ndarray:
    """Whether t is in a word that begins with a capital letter."""
    inside = word(text)
    start = np.minimum(last(~inside) + 1, max(len(text) - 1, 0))
    return inside & which(text, str.isupper)[start]


def all_capitals(text: str) -> np.ndarray:
    """Whether t is in a word that had two capitals and no small letter so far."""
    inside = word(text)
    start = last(~inside)
    capitals = counted(which(text, str.isupper), start)
    small = counted(which(text, str.islower), start)
    return inside & (capitals >= 2) & (small == 0)


def in_number(text: str) -> np.ndarray:
    """Whether the character is a digit."""
    return which(text, str.isdecimal)


def position_in_sentence(text: str) -> np.ndarray:
    """Characters since the white space after . ! or ?, or since a blank line."""
    ends = np.zeros(len(text), bool)
    ends[[found.end() for found in SENTENCE.finditer(text)]] = True
    return since(ends)
