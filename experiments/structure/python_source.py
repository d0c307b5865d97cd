"""Python: brackets and strings that are closed, functions that parse."""

import ast
import re
import warnings
from collections.abc import Iterator

from experiments.structure.bracket_matching import Judged, Mark, bracket, judge

BRACKETS, STRINGS, FUNCTIONS = ROWS = (
    "brackets closed in order",
    "strings closed",
    "functions that parse",
)
# Where there is no telling whether a text begins in a string, it is read from here on.
BEGINNING = re.compile(
    r"^[ \t]*(?:(?:async[ \t]+)?def[ \t]+\w+[ \t]*\(|class[ \t]+\w+[(:])"
    r"|^(?:import[ \t]+\w|from[ \t]+[\w.]+[ \t]+import\b)",
    re.MULTILINE,
)
TOKEN = re.compile(
    r"""
    \#[^\n]*
    | (?P<quotes>\"{3}|'{3})(?:(?!(?P=quotes))(?:\\[\s\S]|[^\\]))*
      (?P<long>(?P=quotes)(?!\w)|(?=(?P=quotes))|\\?\Z)
    | "(?:[^"\\\n]|\\[\s\S])*(?P<double>"|\n|\\?\Z)
    | '(?:[^'\\\n]|\\[\s\S])*(?P<single>'|\n|\\?\Z)
    # Words that begin a statement and nothing else, so never a line in a bracket.
    | (?P<statement>^[ \t]*(?:async[ \t]+def|assert|break|class|continue|def|del|elif
      |except|finally|global|import|nonlocal|pass|raise|return|try|while|with|@)\b)
    | (?P<bracket>[()\[\]{}])
    """,
    re.VERBOSE | re.MULTILINE,
)
HEAD = re.compile(r"(?:async[ \t]+)?def[ \t]+\w+[ \t]*\(")


def read_python(text: str) -> Iterator[Judged]:
    """Each bracket, string and function of a text, from its first def, class or import.

    No bracket may be open where a line begins with a word that only statements begin
    with. A string ends with its line; one in three quotes is not closed if a word
    follows the quotes that end it, for these must then begin another.

    A function is a line that begins with def and those below it that are empty, deeper,
    or begin with a closing bracket; it is left out if the text ends with them, and
    those within it are not counted again. It is judged by Python's ast.
    """
    begins = BEGINNING.search(text)
    if begins:
        yield from _judged(text[begins.start() :])


def _judged(text: str) -> Iterator[Judged]:
    yield from judge(_marks(text))
    bare = [*text]  # the text, x in place of its strings, blanks in that of comments
    for token in TOKEN.finditer(text):
        start, end = token.span()
        kind = token.lastgroup
        if kind in ("long", "double", "single"):
            closed = token[kind] in (token["quotes"], '"', "'")
            if closed or end < len(text):
                yield Judged(STRINGS, closed)
            end -= token[kind] == "\n"
            bare[start:end] = "x" * (end - start)
        elif kind is None:
            bare[start:end] = " " * (end - start)
    for start, end, indented in _functions("".join(bare)):
        yield Judged(FUNCTIONS, _parses("if 1:\n" * indented + text[start:end]))


def _marks(text: str) -> Iterator[Mark]:
    for token in TOKEN.finditer(text):
        if token.lastgroup == "statement":
            yield Mark(token.start(), "fresh")
        elif token.lastgroup == "bracket":
            yield bracket(token.start(), token[0], BRACKETS)


def _functions(bare: str) -> Iterator[tuple[int, int, bool]]:
    """(start, end, whether it is indented) of each function that a text holds whole.

    Args:
      bare: a text that has no new lines in its strings, and no comments.
    """
    start, margin, place = -1, 0, 0
    for line in bare.split("\n"):
        words = line.strip()
        if words:
            indent = len(line) - len(line.lstrip())
            if start >= 0 and indent <= margin and words[0] not in ")]}":
                yield start, place, margin > 0
                start = -1
            if start < 0 and HEAD.match(words):
                start, margin = place, indent
        place += len(line) + 1


def _parses(source: str) -> bool:
    """Whether Python reads a source; it runs none of it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            ast.parse(source)
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            return False
    return True
