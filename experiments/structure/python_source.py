"""Python: brackets and strings that are closed, functions that parse."""

import ast
import re
import warnings
from collections.abc import Iterator

from charlm.interpret.labels.spans import DOUBLE_QUOTED, SINGLE_QUOTED
from experiments.structure.bracket_matching import Mark, Verdict, judge, make_bracket

BRACKETS, STRINGS, FUNCTIONS = MEASURES = (
    "brackets closed in order",
    "strings closed",
    "functions that parse",
)
# A text may begin in a string, and nothing says so; it is read from here on.
BEGINNING = re.compile(
    r"^[ \t]*(?:(?:async[ \t]+)?def[ \t]+\w+[ \t]*\(|class[ \t]+\w+[(:])"
    r"|^(?:import[ \t]+\w|from[ \t]+[\w.]+[ \t]+import\b)",
    re.MULTILINE,
)
TOKEN = re.compile(
    rf"""
    \#[^\n]*
    | (?P<quotes>\"{{3}}|'{{3}})(?:(?!(?P=quotes))(?:\\[\s\S]|[^\\]))*
      (?P<long>(?P=quotes)(?!\w)|(?=(?P=quotes))|\\?\Z)
    | "{DOUBLE_QUOTED}(?P<double>"|\n|\Z)
    | '{SINGLE_QUOTED}(?P<single>'|\n|\Z)
    # Words that begin a statement and nothing else, so never a line in a bracket.
    | (?P<statement>^[ \t]*(?:async[ \t]+def|assert|break|class|continue|def|del|elif
      |except|finally|global|import|nonlocal|pass|raise|return|try|while|with|@)\b)
    | (?P<bracket>[()\[\]{{}}])
    """,
    re.VERBOSE | re.MULTILINE,
)
HEAD = re.compile(r"(?:async[ \t]+)?def[ \t]+\w+[ \t]*\(")


def read_python(text: str) -> Iterator[Verdict]:
    """Yields a verdict on each bracket, string and function of a text.

    It is read from its first def, class or import. No bracket may be open where a line
    begins with a word that only statements begin with. A string ends with its line; one
    in three quotes is not closed if a word follows the quotes that end it, for these
    must then begin another.

    A function is a line that begins with def and those below it that are empty, deeper,
    or begin with a closing bracket; it is left out if the text ends with them, and
    those within it are not counted again. It is judged by Python's ast.
    """
    beginning = BEGINNING.search(text)
    if not beginning:
        return
    text = text[beginning.start() :]
    yield from judge(_find_marks(text))
    for token in TOKEN.finditer(text):
        if token.lastgroup in ("long", "double", "single"):
            closed = token[token.lastgroup] in (token["quotes"], '"', "'")
            if closed or token.end() < len(text):
                yield Verdict(STRINGS, closed)
    for start, end, is_indented in _find_functions(TOKEN.sub(_blank, text)):
        source = "if 1:\n" * is_indented + text[start:end]
        yield Verdict(FUNCTIONS, _parses(source))


def _blank(token: re.Match[str]) -> str:
    """Returns a token, x in place of a string, blanks in place of a comment."""
    if token.lastgroup in ("statement", "bracket"):
        return token[0]
    if token.lastgroup is None:
        return " " * len(token[0])
    newline = "\n" if token[token.lastgroup] == "\n" else ""
    return "x" * (len(token[0]) - len(newline)) + newline


def _find_marks(text: str) -> Iterator[Mark]:
    for token in TOKEN.finditer(text):
        if token.lastgroup == "statement":
            yield Mark(token.start(), "reset")
        elif token.lastgroup == "bracket":
            yield make_bracket(token.start(), token[0], BRACKETS)


def _find_functions(code: str) -> Iterator[tuple[int, int, bool]]:
    """Yields (start, end, whether it is indented) of each function that is whole.

    Args:
      code: a text that has no new lines in its strings, and no comments.
    """
    function, margin, start = -1, 0, 0
    for line in code.split("\n"):
        words = line.strip()
        if words:
            indent = len(line) - len(line.lstrip())
            if function >= 0 and indent <= margin and words[0] not in ")]}":
                yield function, start, margin > 0
                function = -1
            if function < 0 and HEAD.match(words):
                function, margin = start, indent
        start += len(line) + 1


def _parses(source: str) -> bool:
    """Returns whether Python can parse a source, which is not run."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            ast.parse(source)
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            return False
    return True
