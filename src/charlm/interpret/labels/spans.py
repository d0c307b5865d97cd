"""Spans of a text between an opener and a closer: quotations, links, tags.

Only what was read so far decides. So a span begins with the last character of its
opener and ends before the last character of its closer. A span without a closer ends
with its line, or at a blank line. Lines end in \\n alone.
"""

import re

import numpy as np

BLANK_LINE = r"\n[ \t]*(?=\n)"  # without its last character
# The inside of a string of one line, which a backslash may continue.
DOUBLE_QUOTED = r'(?:[^"\\\n]|\\[\s\S]?)*+'
SINGLE_QUOTED = r"(?:[^'\\\n]|\\[\s\S]?)*+"
SPEAKER = r"[A-Z][\w .,'&/-]"  # how the name of a play's speaker begins
# The first character inside, the first after it, and whether the closer or the end of
# the text ended it.
Span = tuple[int, int, bool]
QUOTE = re.compile(  # not that of a C character '"', nor \"
    rf"(?<![\s(,=\[]')(?<!\\)\"|&quot;|[“”„«»]|``|''|(?P<blank>{BLANK_LINE})|\n"
)
CLOSERS = {'"': '"', "&quot;": "&quot;", "“": "”", "„": "“", "«": "»", "``": "''"}
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
    r"(?P<close>)"
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


def compute_depth(spans: list[Span], length: int) -> np.ndarray:
    """Returns int[t]: how many spans of a text of that length t is in."""
    steps = np.zeros(length + 1, np.int64)
    for start, end, _ in spans:
        steps[start] += 1
        steps[end] -= 1
    return np.cumsum(steps[:-1])


def compute_position(spans: list[Span], length: int) -> np.ndarray:
    """Returns int[t]: characters since the last start; meaningless outside."""
    starts = np.zeros(length, np.int64)
    for start, _, _ in spans:
        starts[start] = start
    return np.arange(length) - np.maximum.accumulate(starts)


def find_matches(text: str, pattern: re.Pattern) -> list[Span]:
    """Returns the groups "body" of a pattern, closed where "close" matched."""
    spans: list[Span] = []
    for match in pattern.finditer(text):
        start, end = match.span("body")
        spans.append((start, end, match["close"] is not None or end == len(text)))
    return spans


def find_nested(text: str, pattern: re.Pattern) -> list[Span]:
    """Returns the outermost spans from "open" to "close"; other matches end them."""
    spans: list[Span] = []
    depth = start = 0
    for match in pattern.finditer(text):
        if match["open"]:
            start = start if depth else match.end() - 1
            depth += 1
        elif match["close"]:
            if depth == 1:
                spans.append((start, match.end() - 1, True))
            depth = max(depth - 1, 0)
        elif depth:
            spans.append((start, match.end(), False))
            depth = 0
    if depth:
        spans.append((start, len(text), True))
    return spans


def find_quotations(text: str) -> list[Span]:
    """Returns quotations in straight, curly or TeX's double quotes or &quot;.

    They end at a blank line at the latest. Straight quotes toggle. Those that are
    escaped end with their line, for there a paragraph is a line. Single quotes are
    apostrophes.
    """
    spans: list[Span] = []
    opener, start = "", 0
    for match in QUOTE.finditer(text):
        quote, last = match[0], match.end() - 1
        if not opener:
            if quote in CLOSERS:
                opener, start = quote, last
            continue
        if quote == CLOSERS[opener] or quote == opener == "``":
            spans.append((start, last, True))
        elif opener == "&quot;" and quote[0] == "\n":
            spans.append((start, match.start(), False))
        elif match["blank"]:
            spans.append((start, match.end(), False))
        else:
            continue
        opener = ""
    if opener:
        spans.append((start, len(text), True))
    return spans
