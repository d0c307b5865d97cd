"""LaTeX: environments, braces and formulas that are closed in order."""

import re
from collections.abc import Iterator

from experiments.structure.bracket_matching import Judged, Mark, bracket, either, judge

ENVIRONMENTS, BRACES, FORMULAS = ROWS = (
    "environments closed in order",
    "braces closed",
    "formulas closed",
)
# They stand in no other environment, so that where one begins nothing may be open.
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


def read_latex(text: str) -> Iterator[Judged]:
    """Each environment, brace and formula of a text.

    Nothing may be open at a heading, or where a statement (lemma, proof, ...) begins,
    and no formula at an empty line. What is commented out, escaped or verbatim does not
    count. Dollars are read from the first empty line on: before it there is no telling
    which of them open.
    """
    return judge(_marks(text))


def _marks(text: str) -> Iterator[Mark]:
    formula = ""  # the dollars that are open
    paragraphs = 0
    for token in TOKEN.finditer(text):
        place = token.start()
        match token.lastgroup:
            case "verbatim_end":
                yield Mark(place, "open", "verbatim", ENVIRONMENTS)
                if token["verbatim_end"]:
                    end = token.start("verbatim_end")
                    yield Mark(end, "close", "verbatim", ENVIRONMENTS)
            case "name":
                name, begins = token["name"], token["side"] == "begin"
                if name == "document" or begins and name in STATEMENTS:
                    yield Mark(place, "fresh")
                    formula = ""
                if name != "document":
                    yield either(place, begins, name, ENVIRONMENTS)
            case "heading":
                yield Mark(place, "fresh")
                formula = ""
            case "formula":
                name = r"\[" if token["formula"] in "[]" else r"\("
                yield either(place, token["formula"] in "[(", name, FORMULAS)
            case "dollars" if paragraphs:
                signs = [token["dollars"]]
                if formula == "$":  # $a$$b$ are two formulas
                    signs = signs[0]
                for n, sign in enumerate(signs):
                    yield either(place + n, not formula, "$", FORMULAS)
                    formula = "" if formula else sign
            case "brace":
                yield bracket(place, token["brace"], BRACES)
            case "paragraph":
                paragraphs += 1
                for name in ("$", r"\[", r"\("):
                    yield Mark(place, "cut", name, FORMULAS)
                formula = ""
