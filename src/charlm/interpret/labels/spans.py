"""Stretches of a text between what opens and what closes: quotations, links, formulas.

All are decided by what was read so far. So a stretch begins with the last character of
what opens it, ends before the last character of what closes it, and one that nothing
closes goes on to where it is given up: the end of its line, or a blank line. The texts
have lines that end in \\n alone.
"""

import re
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

BLANK = r"(?P<blank>\n[ \t]*(?=\n))"  # all but the last character of it
QUOTE = re.compile(  # not that of a C character '"', nor \"
    rf"(?<![\s(,=\[]')(?<!\\)\"|&quot;|[“”„«»]|``|''|{BLANK}|\n"
)
CLOSER = {
    '"': '"',
    "&quot;": "&quot;",
    "“": "”",
    "„": "“",
    "«": "»",
    "``": "''",
}
LINK = re.compile(r"(?P<open>\[\[)|(?P<close>\]\])|(?=\n)")
TEMPLATE = re.compile(rf"(?P<open>\{{\{{)|(?P<close>\}}\}})|{BLANK}")
ITALICS = re.compile(
    r"'(?P<body>'[^'\n]*+(?:'(?!')[^'\n]*+)*+(?:'(?='))?)(?P<close>')?"
)
SINGLE = re.compile(  # two apostrophes close nothing: they are a wiki's italics
    r"(?<![\w'.,;!?)\]}\\$`])(?P<body>'(?:[^'\\\n]|\\[\s\S]?)*+)(?P<close>(?<!')')?"
)
# Escaped, as in a wiki's dump, or not.
URL = re.compile(
    r"\b(?:(?:https?|ftp):/(?=/)|www(?=\.))"
    r"(?P<body>[/.](?:[^\s\]|<>\"{}&]|&(?!(?:lt|gt|quot);))*+(?:&(?:lt|gt|quot)(?=;))?)"
)
TAG = re.compile(
    r"(?:<|(?<=&lt);)"
    r"(?P<body>[A-Za-z/!?](?:[^<>&\n]|&(?![lg]t;))*+(?:&[lg]t(?=;))?)"
    r"(?P<close>>|(?<=&gt);)?"
)
SPEAKER = re.compile(
    r"(?:\A|(?<=\n\n)|(?<=\n \n))"
    r"(?P<body>[A-Z][\w .,'&/-]{0,40}+:?)(?P<close>(?<=:)(?= ?\n))?"
)
MATHS = re.compile(
    rf"\\[\\$]|(?P<open>\\[\[(])|(?P<close>\\[\])])|(?P<sign>\$)|{BLANK}"
)
ENVIRONMENT = re.compile(
    r"\\(?P<side>begin|end)\{(?P<name>[^{}\n]*)\}|\\(?:sub)*section\*?\{"
)
REACH = 50  # how far down a closer looks for what it closes


class Spans(NamedTuple):
    """Stretches of a text, in their order, none inside another.

    Attributes:
      starts: of each, the first character inside.
      ends: the first character after it.
      closed: whether each ended with what closes it, or with the text.
    """

    starts: list[int]
    ends: list[int]
    closed: list[bool]

    def add(self, start: int, end: int, closed: bool = True) -> None:
        """Put one more at the end."""
        self.starts.append(start)
        self.ends.append(end)
        self.closed.append(closed)

    def inside(self, length: int) -> np.ndarray:
        """bool[t] of a text of that length."""
        steps = np.zeros(length + 1, np.int32)
        np.add.at(steps, self.starts, 1)
        np.add.at(steps, self.ends, -1)
        return np.cumsum(steps[:-1]) > 0

    def position(self, length: int) -> np.ndarray:
        """int[t]: characters since what opened it; of no meaning outside."""
        steps = np.zeros(length, np.int64)
        steps[self.starts] = self.starts
        return np.arange(length) - np.maximum.accumulate(steps)


def sound_of(kinds: Iterable[Spans]) -> float:
    """The share of all that ended with what closes them; 1 where there are none."""
    closed = [each for spans in kinds for each in spans.closed]
    return sum(closed) / len(closed) if closed else 1.0


def new_spans() -> Spans:
    """Spans of which there are none yet."""
    return Spans([], [], [])


def matches(text: str, pattern: re.Pattern) -> Spans:
    """The bodies of the matches, closed if the group "close" found something."""
    spans = new_spans()
    closes = "close" in pattern.groupindex
    for found in pattern.finditer(text):
        start, end = found.span("body")
        closed = not closes or found["close"] is not None or end == len(text)
        spans.add(start, end, closed)
    return spans


def nested(text: str, pattern: re.Pattern) -> Spans:
    """Stretches in at least one pair of "open" and "close"; other matches end all."""
    spans = new_spans()
    depth = start = 0
    for found in pattern.finditer(text):
        if found["open"]:
            start = start if depth else found.end() - 1
            depth += 1
        elif found["close"]:
            if depth == 1:
                spans.add(start, found.end() - 1)
            depth = max(depth - 1, 0)
        elif depth:
            spans.add(start, found.end(), False)
            depth = 0
    if depth:
        spans.add(start, len(text))
    return spans


def quotations(text: str) -> Spans:
    """Quotations in straight, curly or TeX's marks or &quot;, to a blank line at most.

    Straight marks toggle. Those that are escaped end with their line, for there a
    paragraph is a line. Single quotes are apostrophes.
    """
    spans = new_spans()
    mark = ""
    start = 0
    for found in QUOTE.finditer(text):
        place = found.end() - 1
        if not mark:
            if found[0] in CLOSER:
                mark, start = found[0], place
        elif found[0] == CLOSER[mark] or found[0] == mark == "``":
            spans.add(start, place)
            mark = ""
        elif mark == "&quot;" and found[0][0] == "\n":
            spans.add(start, found.start(), False)
            mark = ""
        elif found["blank"]:
            spans.add(start, found.end(), False)
            mark = ""
    if mark:
        spans.add(start, len(text))
    return spans


def formulas(text: str) -> Spans:
    r"""TeX's formulas: $ $, $$ $$, \( \) and \[ \], to a blank line at most.

    A $ after white space closes none: it begins another, or is a price.
    """
    spans = new_spans()
    mark = ""
    start = sign = -2  # where the formula began, and where the last $ in it was
    for found in MATHS.finditer(text):
        place = found.end() - 1
        if not mark:
            if found["sign"] or found["open"]:
                mark, start, sign = found[0], place, place
        elif found["blank"]:
            spans.add(start, found.end(), False)
            mark = ""
        elif found["close"] and mark[0] == "\\":
            spans.add(start, place)
            mark = ""
        elif found["sign"] and mark == "$":
            if place == start + 1:
                mark, sign = "$$", -2
            elif text[place - 1].isspace():
                spans.add(start, place, False)
                start = place
            else:
                spans.add(start, place)
                mark = ""
        elif found["sign"] and mark == "$$":
            if place == sign + 1:
                spans.add(start, place)
                mark = ""
            sign = place
    if mark:
        spans.add(start, len(text))
    return spans


def environment_depth(text: str) -> np.ndarray:
    r"""int[t]: how many \begin are open; a \section closes all.

    That of the document is not counted.
    """
    depth = np.zeros(len(text) + 1, np.int64)
    names: list[str] = []
    for found in ENVIRONMENT.finditer(text):
        before = len(names)
        if not found["side"]:
            names.clear()
        elif found["side"] == "begin" and found["name"] != "document":
            names.append(found["name"])
        elif found["name"] in names[-REACH:]:
            while names.pop() != found["name"]:
                pass
        depth[found.end() - 1] = len(names) - before
    return np.cumsum(depth[:-1])
