"""Spans of a text between an opener and a closer: quotations, links, tags.

Only what was read so far decides. So a span begins with the last character of its
opener and ends before the last character of its closer. A span without a closer ends
with its line, or at a blank line. Lines end in \\n alone.
"""

import re
from typing import NamedTuple

import numpy as np

from charlm.interpret.labels.patterns import BLANK_LINE, SINGLE_QUOTED, SPEAKER

QUOTE = re.compile(  # not that of a C character '"', nor \"
    rf"(?<![\s(,=\[]')(?<!\\)\"|&quot;|[“”„«»]|``|''|(?P<blank>{BLANK_LINE})|\n"
)
CLOSERS = {
    '"': '"',
    "&quot;": "&quot;",
    "“": "”",
    "„": "“",
    "«": "»",
    "``": "''",
}
LINK = re.compile(r"(?P<open>\[\[)|(?P<close>\]\])|(?=\n)")
TEMPLATE = re.compile(rf"(?P<open>\{{\{{)|(?P<close>\}}\}})|{BLANK_LINE}")
ITALICS = re.compile(
    r"'(?P<body>'[^'\n]*+(?:'(?!')[^'\n]*+)*+(?:'(?='))?)(?P<close>')?"
)
SINGLE_QUOTES = re.compile(  # two apostrophes close nothing: they are a wiki's italics
    rf"(?<![\w'.,;!?)\]}}\\$`])(?P<body>'{SINGLE_QUOTED})(?P<close>(?<!')')?"
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
SPEAKER_LINE = re.compile(
    r"(?:\A|(?<=\n\n)|(?<=\n \n))"
    rf"(?P<body>{SPEAKER}{{0,40}}+:?)(?P<close>(?<=:)(?= ?\n))?"
)


class Spans(NamedTuple):
    """Spans of a text.

    Attributes:
      starts: the first character inside each span.
      ends: the first character after it.
      closed: whether its closer, or the end of the text, ended it.
    """

    starts: list[int]
    ends: list[int]
    closed: list[bool]

    def add(self, start: int, end: int, closed: bool = True) -> None:
        """Appends a span."""
        self.starts.append(start)
        self.ends.append(end)
        self.closed.append(closed)

    @property
    def closed_share(self) -> float:
        """The share of the spans that are closed; 1 of none."""
        return sum(self.closed) / len(self.closed) if self.closed else 1.0

    def compute_depth(self, length: int) -> np.ndarray:
        """Returns int[t]: how many spans of a text of that length t is in."""
        steps = np.zeros(length + 1, np.int64)
        np.add.at(steps, self.starts, 1)
        np.add.at(steps, self.ends, -1)
        return np.cumsum(steps[:-1])

    def compute_position(self, length: int) -> np.ndarray:
        """Returns int[t]: characters since the last start; meaningless outside."""
        steps = np.zeros(length, np.int64)
        steps[self.starts] = self.starts
        return np.arange(length) - np.maximum.accumulate(steps)


def merge_spans(*parts: Spans) -> Spans:
    """Returns all spans of several Spans."""
    return Spans(*(sum(column, []) for column in zip(*parts, strict=True)))


def find_matches(text: str, pattern: re.Pattern) -> Spans:
    """Returns the bodies of a pattern's matches.

    If the pattern has a group "close", a body is closed where that group matched.
    """
    spans = Spans([], [], [])
    has_closer = "close" in pattern.groupindex
    for match in pattern.finditer(text):
        start, end = match.span("body")
        closed = not has_closer or match["close"] is not None or end == len(text)
        spans.add(start, end, closed)
    return spans


def find_nested(text: str, pattern: re.Pattern) -> Spans:
    """Returns the outermost spans from "open" to "close"; other matches end them."""
    spans = Spans([], [], [])
    depth = start = 0
    for match in pattern.finditer(text):
        if match["open"]:
            start = start if depth else match.end() - 1
            depth += 1
        elif match["close"]:
            if depth == 1:
                spans.add(start, match.end() - 1)
            depth = max(depth - 1, 0)
        elif depth:
            spans.add(start, match.end(), False)
            depth = 0
    if depth:
        spans.add(start, len(text))
    return spans


def find_quotations(text: str) -> Spans:
    """Returns quotations in straight, curly or TeX's double quotes or &quot;.

    They end at a blank line at the latest. Straight quotes toggle. Those that are
    escaped end with their line, for there a paragraph is a line. Single quotes are
    apostrophes.
    """
    spans = Spans([], [], [])
    opener, start = "", 0
    for match in QUOTE.finditer(text):
        quote, last = match[0], match.end() - 1
        if not opener:
            if quote in CLOSERS:
                opener, start = quote, last
            continue
        if quote == CLOSERS[opener] or quote == opener == "``":
            spans.add(start, last)
        elif opener == "&quot;" and quote[0] == "\n":
            spans.add(start, match.start(), False)
        elif match["blank"]:
            spans.add(start, match.end(), False)
        else:
            continue
        opener = ""
    if opener:
        spans.add(start, len(text))
    return spans
