"""LaTeX: environments, braces and formulas that are closed in order."""

import re
from collections.abc import Iterator

from experiments.structure.bracket_matching import (
    Mark,
    Verdict,
    judge,
    make_bracket,
    make_mark,
)

ENVIRONMENTS, BRACES, FORMULAS = MEASURES = (
    "environments closed in order",
    "braces closed",
    "formulas closed",
)
# They are in no other environment, so that nothing may be open where one begins.
STATEMENTS = {
    "assumption", "conjecture", "corollary", "definition", "example", "exercise",
    "lemma", "proof", "proposition", "remark", "remarks", "situation", "theorem",
}  # fmt: skip
TOKEN = re.compile(
    r"""
    (?P<verbatim>\\begin\{verbatim\*?\})
      (?:(?!\\end\{verbatim)[\s\S])* (?P<verbatim_end>\\end\{verbatim\*?\}|)
    | \\verb\*?(?P<bar>[^\w\s*])[^\n]*?(?:(?P=bar)|$)
    | \\(?P<side>begin|end)\{(?P<name>[^{}\\\n]*)\}
    | (?P<heading>^\\(?:part|chapter|section|subsection)\b)
    | \\(?P<formula>[\[\]()])
    | \\(?:[A-Za-z]+|[\s\S])          # any other command, also \\ and \{
    | %[^\n]*
    | (?P<dollars>\$\$?)
    | (?P<brace>[{}])
    | (?P<paragraph>\n(?=[ \t]*\n))
    """,
    re.VERBOSE | re.MULTILINE,
)


def read_latex(text: str) -> Iterator[Verdict]:
    """Yields a verdict on each environment, brace and formula of a text.

    Nothing may be open at a heading, or where a statement (lemma, proof, ...) begins,
    and no formula at an empty line. What is commented out, escaped or verbatim does not
    count. Dollars are read from the first empty line on: before it, nothing says which
    of them open.
    """
    return judge(_find_marks(text))


def _find_marks(text: str) -> Iterator[Mark]:
    formula = ""  # the open dollars
    has_paragraph = False
    for token in TOKEN.finditer(text):
        start = token.start()
        match token.lastgroup:
            case "verbatim_end":
                yield Mark(start, "open", "verbatim", ENVIRONMENTS)
                if token["verbatim_end"]:
                    end = token.start("verbatim_end")
                    yield Mark(end, "close", "verbatim", ENVIRONMENTS)
            case "name":
                name, begins = token["name"], token["side"] == "begin"
                if name == "document" or begins and name in STATEMENTS:
                    yield Mark(start, "reset")
                    formula = ""
                if name != "document":
                    yield make_mark(start, begins, name, ENVIRONMENTS)
            case "heading":
                yield Mark(start, "reset")
                formula = ""
            case "formula":
                name = r"\[" if token["formula"] in "[]" else r"\("
                yield make_mark(start, token["formula"] in "[(", name, FORMULAS)
            case "dollars" if has_paragraph:
                # $a$$b$ are two formulas
                signs = token["dollars"] if formula == "$" else [token["dollars"]]
                for n, sign in enumerate(signs):
                    yield make_mark(start + n, not formula, "$", FORMULAS)
                    formula = "" if formula else sign
            case "brace":
                yield make_bracket(start, token["brace"], BRACES)
            case "paragraph":
                has_paragraph, formula = True, ""
                for name in ("$", r"\[", r"\("):
                    yield Mark(start, "cut", name, FORMULAS)
