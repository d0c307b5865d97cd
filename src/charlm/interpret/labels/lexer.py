"""Comments and strings of a text that may be a program, in any language.

All are decided by what was read so far, and none by the language, which the text does
not say: // is a division in one and begins a comment in another, and it is the
characters before it that tell. The texts have lines that end in \\n alone.
"""

import re
from typing import NamedTuple

from charlm.interpret.labels.spans import Spans, new_spans

TOKEN = re.compile(
    r"""
    (?P<block>(?<![^\s;,(){}>])/\*)   # not that of a path, kernel/*.c
    | (?P<slashes>(?<![:/])//)
    | (?P<markup>(?:<|&lt;)!--)
    | (?P<hash>(?<!\S)\#(?=[ !]))     # \# and a name is C's, # and a sign a number's
    | (?P<percent>(?<!\\)%)
    | (?P<string>(?<![\w.!?)\]\\'])"|(?<=\b[rbfuLRBFU])"|(?<=\b[rbfRBF]{2})"|(?<=\*\))")
    | (?P<single>(?<![\w'.,;!?)\]}\\$`])')
    """,
    re.VERBOSE,
)
STRING = re.compile(r'(?:[^"\\\n]|\\[\s\S]?)*+')
# C's character, or a word: an apostrophe may begin it, so a blank ends it.
SINGLE = re.compile(r"(?:[^'\\\n]|\\[\s\S]?)?(?:[^'\\\s]|\\[\s\S]?)*+")
LONG = 10_000  # characters of a comment that nothing closed, when it is given up
MARKUP_END = re.compile(r"--(?:>|&gt;)")


class Lexed(NamedTuple):
    """What is not code.

    Attributes:
      blocks: comments /* */ and <!-- -->, escaped or not.
      lines: comments to the end of the line, from // or # or TeX's %.
      docstrings: between three double quotes.
      strings: between double quotes, on one line.
      code: the text, a ~ in place of each character of them, but for comments from #
        and %, which are code in other languages.
    """

    blocks: Spans
    lines: Spans
    docstrings: Spans
    strings: Spans
    code: str


def lex(text: str) -> Lexed:
    """The comments and strings of a text, in one reading."""
    blocks, lines, docstrings, strings = (new_spans() for _ in range(4))
    code: list[str] = []
    place = kept = 0
    while found := TOKEN.search(text, place):
        start, hides = found.end() - 1, True
        match found.lastgroup:
            case "block" | "markup" as kind:
                place, end = closing(text, kind, found.end())
                blocks.add(start, end, place > end or end == len(text))
            case "hash" | "slashes" | "percent" as kind:
                if kind != "hash" and not begins_comment(text, found.start(), kind):
                    place = found.end()
                    continue
                newline = text.find("\n", start)
                place = end = newline if newline >= 0 else len(text)
                lines.add(found.end() if kind == "hash" else start, end)
                hides = kind == "slashes"
            case "string":
                end = end_of(STRING, text, start + 1)
                closed = text.startswith('"', end)
                strings.add(start, end, closed or end == len(text))
                place = end + closed
                if text.startswith('""', end) and end == start + 1:
                    start = end + 1
                    place, end = closing(text, "docstring", start + 1)
                    docstrings.add(start, end, place > end or end == len(text))
            case _:
                end = end_of(SINGLE, text, start + 1)
                place = end + text.startswith("'", end)
        if hides:
            code += text[kept : found.start()], "~" * (place - found.start())
            kept = place
    return Lexed(blocks, lines, docstrings, strings, "".join(code) + text[kept:])


def end_of(body: re.Pattern[str], text: str, place: int) -> int:
    """Where what matches from a place on ends; the place itself if nothing does."""
    found = body.match(text, place)
    return found.end() if found else place


def closing(text: str, kind: str, place: int) -> tuple[int, int]:
    """Where what closes the block ends, and its last character; both the same if none.

    Args:
      text: in which it stands.
      kind: of the block.
      place: the first character after what opened it.
    """
    sign = {"block": r"\*/", "markup": MARKUP_END, "docstring": '"""'}[kind]
    limit = min(place + LONG, len(text))
    found = re.compile(sign).search(text, place, limit)
    if found:
        return found.end(), found.end() - 1
    return limit, limit


def begins_comment(text: str, place: int, kind: str) -> bool:
    """Whether a // or a % begins a comment, by what stands before it in its line."""
    line = text[max(place - 200, 0) : place].rpartition("\n")[2]
    before = line.rstrip(" \t")
    return not before or before[-1] in (";,{}" if kind == "slashes" else "{}")
