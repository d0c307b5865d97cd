"""Comments and strings of a text that may be a program, in any language.

Only what was read so far decides, and not the language, which the text does not say:
// is a division in one and begins a comment in another, so the characters before it
decide. Lines end in \\n alone.
"""

import re
from typing import NamedTuple

from charlm.interpret.labels.spans import DOUBLE_QUOTED, Span

TOKEN = re.compile(
    rf"""
    (?P<block>(?<![^\s;,(){{}}>])/\*)   # not that of a path, kernel/*.c
    | (?P<slashes>(?<![:/])//)
    | (?P<markup>(?:<|&lt;)!--)
    | (?P<hash>(?<!\S)\#(?=[ !]))     # \# and a name is C's, # and a sign a number's
    | (?P<percent>(?<!\\)%)
    | (?P<string>(?:(?<![\w.!?)\]\\'])|(?<=\b[rbfuLRBFU])|(?<=\b[rbfRBF]{{2}})
        |(?<=\*\)))"{DOUBLE_QUOTED})
    # C's character, or a word: an apostrophe may begin it, so white space ends it.
    | (?P<single>(?<![\w'.,;!?)\]}}\\$`])'
      (?:[^'\\\n]|\\[\s\S]?)?(?:[^'\\\s]|\\[\s\S]?)*+)
    """,
    re.VERBOSE,
)
CLOSERS = {
    "block": re.compile(r"\*/"),
    "markup": re.compile(r"--(?:>|&gt;)"),
    "docstring": re.compile('"""'),
}
MAX_BLOCK_CHARS = 10_000  # of a comment or docstring without a closer
MAX_PREFIX_CHARS = 200  # of a line, before what may begin a comment


class Tokens(NamedTuple):
    """Comments and strings of a text, and the rest."""

    blocks: list[Span]  # comments /* */ and <!-- -->, escaped or not
    lines: list[Span]  # comments to the end of the line, from // or # or TeX's %
    docstrings: list[Span]  # between three double quotes
    strings: list[Span]  # between double quotes, on one line
    # The text with a ~ for each character of them, but for comments from # and %, which
    # are code in other languages.
    code: str


def lex(text: str) -> Tokens:
    """Returns the comments and strings of a text."""
    blocks, lines, docstrings, strings, code = [], [], [], [], []
    position = code_start = 0
    while match := TOKEN.search(text, position):
        start, position, is_code = match.start(), match.end(), False
        match match.lastgroup:
            case "block" | "markup" as name:
                position = add_block(blocks, text, name, position)
            case "hash" | "slashes" | "percent" as name:
                if name != "hash" and not begins_comment(text, start, name):
                    continue
                newline = text.find("\n", position - 1)
                end = newline if newline >= 0 else len(text)
                lines.append((position - (name != "hash"), end, True))
                position, is_code = end, name != "slashes"
            case "string":
                closed = text.startswith('"', position)
                strings.append((start, position, closed or position == len(text)))
                if match[0] == '"' and text.startswith('""', position):
                    position = add_block(docstrings, text, "docstring", position + 2)
                else:
                    position += closed
            case _:
                position += text.startswith("'", position)
        if not is_code:
            code += text[code_start:start], "~" * (position - start)
            code_start = position
    code.append(text[code_start:])
    return Tokens(blocks, lines, docstrings, strings, "".join(code))


def add_block(spans: list[Span], text: str, name: str, start: int) -> int:
    """Adds a block whose opener ends at `start`; returns where the block ends.

    CLOSERS has the closer of the block by its name.
    """
    limit = min(start + MAX_BLOCK_CHARS, len(text))
    closer = CLOSERS[name].search(text, start, limit)
    if closer:
        spans.append((start - 1, closer.end() - 1, True))
        return closer.end()
    spans.append((start - 1, limit, limit == len(text)))
    return limit


def begins_comment(text: str, position: int, name: str) -> bool:
    """Returns whether a // or a % begins a comment, by what precedes it in its line."""
    line = text[max(position - MAX_PREFIX_CHARS, 0) : position].rpartition("\n")[2]
    before = line.rstrip(" \t")
    return not before or before[-1] in (";,{}" if name == "slashes" else "{}")
