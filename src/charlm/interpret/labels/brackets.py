"""Brackets of a text, and the conditions of its ifs.

Texts are cut anywhere, and brackets may lack their partners. So a closer without an
opener is ignored, a } closes what was opened inside its {, a ) or ] closes nothing
outside the innermost {, a blank line closes ( and [, and a brace in the first column,
or two blank lines, close all.
"""

import re

from charlm.interpret.labels.spans import BLANK_LINE, Span

# A closer looks for its opener among so many open brackets. Real texts nest less than
# half as deep; with the limit, the work is linear in the text.
MAX_NESTING = 50
TOKEN = re.compile(
    rf"""
    (?P<first_column>^[{{}}])
    | (?P<condition>\bif[ \t]*\()
    | (?P<if>^[ \t]*(?:el)?if[ \t]+(?=[^\s(]))   # Python's
    | (?P<blank>{BLANK_LINE})
    | [()\[\]{{}}:\n]
    """,
    re.VERBOSE | re.MULTILINE,
)
CONDITION, BARE_CONDITION = "i", "?"  # openers of an if: with brackets, and without
OPENERS = {")": "(" + CONDITION, "]": "["}


def match_brackets(code: str) -> dict[str, list[Span]]:
    """Returns the spans of each opener: ( [ { CONDITION and BARE_CONDITION.

    The condition of an if is in the brackets after it or, as in Python, goes to the
    colon at the end of the line. A span is closed if its own closer or the end of the
    text ended it.

    Args:
      code: a text; its comments and strings hold no brackets.
    """
    spans: dict[str, list[Span]] = {o: [] for o in "([{" + CONDITION + BARE_CONDITION}
    # The openers and starts of what is open, in a frame for each open brace, which
    # comes first in it. The first frame has no brace.
    frames: list[list[tuple[str, int]]] = [[]]

    def close(frame: list[tuple[str, int]], depth: int, end: int, closed=False):
        """Closes all of a frame but the outermost `depth`; `closed` is of the first."""
        for opener, start in frame[depth:]:
            spans[opener].append((start, end, closed))
            closed = False
        del frame[depth:]

    last_blank = -1  # where the last blank line ended
    for match in TOKEN.finditer(code):
        last, token = match.end() - 1, match[0][-1]
        if match["first_column"] or (match["blank"] and last_blank == match.start()):
            for frame in frames:
                close(frame, 0, match.end() if match["blank"] else last)
            del frames[1:]
        frame = frames[-1]
        has_bare = bool(frame) and frame[-1][0] == BARE_CONDITION
        if match["blank"]:
            if has_bare:
                close(frame, len(frame) - 1, match.start())
            last_blank = match.end()
            close(frame, min(len(frames) - 1, 1), last_blank)
        elif match["if"]:
            frame.append((BARE_CONDITION, match.end()))
        elif token in "([":
            frame.append((CONDITION if match["condition"] else token, last))
        elif token == "{":
            frames.append([(token, last)])
        elif token == "}":
            if len(frames) > 1:
                close(frames.pop(), 0, last, True)
        elif token in ":\n":
            if has_bare:
                close(frame, len(frame) - 1, last, token == ":")
        else:
            for n in range(len(frame) - 1, max(len(frame) - MAX_NESTING, 0) - 1, -1):
                if frame[n][0] in OPENERS[token]:
                    close(frame, n, last, True)
                    break
    for opener, start in sum(frames, []):
        spans[opener].append((start, len(code), True))
    return spans
