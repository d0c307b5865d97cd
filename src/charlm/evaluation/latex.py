"""LaTeX: environments, braces and formulas that are closed in order."""

import re
from collections.abc import Iterator

from charlm.evaluation.nesting import Judged, Mark, bracket, judge

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
                name = token["name"]
                if name == "document" or token["side"] == "begin" and (
                    name in STATEMENTS
                ):
                    yield Mark(place, "fresh")
                    formula = ""
                if name != "document":
                    side = "open" if token["side"] == "begin" else "close"
                    yield Mark(place, side, name, ENVIRONMENTS)
            case "heading":
                yield Mark(place, "fresh")
                formula = ""
            case "formula":
                side = "open" if token["formula"] in "[(" else "close"
                name = r"\[" if token["formula"] in "[]" else r"\("
                yield Mark(place, side, name, FORMULAS)
            case "dollars" if paragraphs:
                # $a$$b$ are two formulas.
                single = formula == "$" or len(token["dollars"]) == 1
                for n, sign in enumerate(
                    token["dollars"] if single else [token["dollars"]]
                ):
                    side = "close" if formula else "open"
                    yield Mark(place + n, side, "$", FORMULAS)
                    formula = "" if formula else sign
            case "brace":
                yield bracket(place, token["brace"], BRACES)
            case "paragraph":
                paragraphs += 1
                for name in ("$", r"\[", r"\("):
                    yield Mark(place, "cut", name, FORMULAS)
                formula = ""
