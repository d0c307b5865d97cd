"""Positions of each character of a text in its line, word and sentence.

A function that takes a text, whose lines end in \\n alone, returns values[t] for the
point just after character t was read. The others are array verbs: events[t] says where
something happens.
"""

import re
from collections.abc import Callable

import numpy as np

from charlm.interpret.labels.spans import BLANK_LINE

TAB_WIDTH = 8  # columns
# A full stop after a title or an initial ends no sentence.
SENTENCE_END = re.compile(
    r"(?<!\bMr)(?<!\bMs)(?<!\bDr)(?<!\bSt)(?<!\bMrs)(?<!\b[A-Z])"
    rf"[.!?][\"'”’)\]]*(?=\s)|{BLANK_LINE}"
)


def get_codes(text: str) -> np.ndarray:
    """Returns the code point of each character."""
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), "<u4")


def find_characters(text: str, characters: str) -> np.ndarray:
    """Returns bool[t]: whether t is one of some characters."""
    return np.isin(get_codes(text), get_codes(characters))


def find_class(text: str, predicate: Callable[[str], bool]) -> np.ndarray:
    """Returns bool[t]: whether a predicate, such as str.isupper, holds of t."""
    alphabet, ids = np.unique(get_codes(text), return_inverse=True)
    return np.array([predicate(chr(code)) for code in alphabet], bool)[ids]


def last_event(events: np.ndarray) -> np.ndarray:
    """Returns int[t]: the index of the last event up to t, or -1."""
    indices = np.where(events, np.arange(len(events)), -1)
    return np.maximum.accumulate(indices) if len(indices) else indices


def since_event(events: np.ndarray) -> np.ndarray:
    """Returns int[t]: characters since the last event or the text's beginning."""
    return np.arange(len(events)) - last_event(events)


def until_event(events: np.ndarray) -> np.ndarray:
    """Returns int[t]: characters from t to the next event; the text's end is one."""
    ahead = np.append(events[1:], True)[: len(events)]
    return since_event(ahead[::-1])[::-1] + 1


def count_events(events: np.ndarray, origin: np.ndarray) -> np.ndarray:
    """Returns int[t]: events after the index origin[t], which may be -1, up to t."""
    total = np.concatenate([[0], np.cumsum(events)])
    return total[1:] - total[origin + 1]


def is_before(text: str, characters: str, n: int) -> np.ndarray:
    """Returns bool[t]: whether one of some characters is among the next n."""
    ahead = until_event(find_characters(text, characters))
    return (ahead <= n) & (np.arange(len(text)) + ahead < len(text))


def is_indentation(text: str) -> np.ndarray:
    """Returns bool[t]: whether t is in the white space with which its line begins."""
    solid = last_event(~find_characters(text, " \t\n"))
    newline = last_event(find_characters(text, "\n"))
    return find_characters(text, " \t") & (solid <= newline)


def indentation(text: str) -> np.ndarray:
    """Returns the columns of indentation of t's line up to t."""
    widths = np.where(find_characters(text, "\t"), TAB_WIDTH, 1) * is_indentation(text)
    return count_events(widths, last_event(find_characters(text, "\n")))


def line_of_paragraph(text: str) -> np.ndarray:
    """Returns the lines since the last blank one: 0 in the first."""
    newline = find_characters(text, "\n")
    solid = last_event(~find_characters(text, " \t\n"))
    line_start = np.concatenate([[-1], last_event(newline)])[:-1]
    return count_events(newline, last_event(newline & (solid <= line_start)))


def line_begins_with(text: str, characters: str) -> np.ndarray:
    """Returns bool[t]: whether t's line begins with one of some characters.

    A newline belongs to no line.
    """
    newline = find_characters(text, "\n")
    start = np.minimum(last_event(newline) + 1, max(len(text) - 1, 0))
    return find_characters(text, characters)[start] & ~newline


def is_heading(text: str) -> np.ndarray:
    """Returns bool[t]: whether t's line begins with two signs =, from the second on."""
    doubled = find_characters(text, "=")
    doubled[1:] &= doubled[:-1]
    doubled[:1] = False
    newline = find_characters(text, "\n")
    return last_event(doubled & (since_event(newline) == 2)) > last_event(newline)


def is_word(text: str) -> np.ndarray:
    """Returns bool[t]: whether t is a letter, a digit or _."""
    return find_class(text, lambda character: character.isalnum() or character == "_")


def is_capitalized(text: str) -> np.ndarray:
    """Returns bool[t]: whether t's word begins with a capital."""
    word = is_word(text)
    start = np.minimum(last_event(~word) + 1, max(len(text) - 1, 0))
    return word & find_class(text, str.isupper)[start]


def is_in_capitals(text: str) -> np.ndarray:
    """Returns bool[t]: whether t's word so far has two capitals, no small letter."""
    word = is_word(text)
    start = last_event(~word)
    capitals = count_events(find_class(text, str.isupper), start)
    small = count_events(find_class(text, str.islower), start)
    return word & (capitals >= 2) & (small == 0)


def position_in_sentence(text: str) -> np.ndarray:
    """Returns the characters since the last end of a sentence or blank line."""
    ends = np.zeros(len(text), bool)
    ends[[match.end() for match in SENTENCE_END.finditer(text)]] = True
    return since_event(ends)
