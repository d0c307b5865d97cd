"""Prose, plays and names: quotes, brackets, capitals, and who speaks."""

import re
from collections.abc import Iterator

from experiments.structure.bracket_matching import Judged, Mark, bracket, judge

QUOTES, BRACKETS, CAPITALS, SPEECHES = ROWS = (
    "quotes closed",
    "brackets closed in order",
    "sentences that begin with a capital",
    "speeches led by a speaker",
)
NAMES_ROWS = ("names that begin with a capital", "names of one word")
# A quote that opens stands after a space, a dash or a bracket and before a word; one
# that closes, after what is no space; some type two apostrophes for it. The others may
# be either and do not count.
TOKEN = re.compile(
    r"""
    (?P<opening>(?<![^\s(\[{-])["“](?=[^\s"”]))
    | (?P<closing>(?<=[^\s"“(\[{])(?:["”]|''))
    | (?P<bracket>[()\[\]{}])
    | (?P<paragraph>\n\s*\n)
    """,
    re.VERBOSE,
)
# Words that short are often short for something: Mr. Mrs. No. St.
SENTENCE = re.compile(r"[^\W\d_A-Z]{4}\.[\"”')\]]*\s+[\"“'(\[]*([^\W\d_])")
SPEAKER = re.compile(r"[A-Z][\w .,'&/-]*:$", re.MULTILINE)


def read_prose(text: str) -> Iterator[Judged]:
    """Each quote, bracket, beginning of a sentence, and speech of a text.

    A quote ends within its paragraph, unless the next begins with a quote too, as a
    long speech in a novel is printed; brackets end there as well. Single quotes are
    apostrophes. A sentence is what follows a full stop. In a play (a text of which
    two paragraphs and a tenth of them begin with a line that names a speaker) each
    whole one should.
    """
    yield from judge(_marks(text))
    for found in SENTENCE.finditer(text):
        yield Judged(CAPITALS, not found[1].islower())
    speeches = re.split(r"\n\n+", text)[1:-1]
    led = [SPEAKER.match(speech) is not None for speech in speeches]
    if sum(led) >= max(2, len(led) / 10):
        yield from (Judged(SPEECHES, right) for right in led)


def _marks(text: str) -> Iterator[Mark]:
    quoted = False
    continued = -1  # where the quote that is open goes on in the next paragraph
    for token in TOKEN.finditer(text):
        place = token.start()
        match token.lastgroup:
            case "opening" if place != continued:
                yield Mark(place, "cut", '"', QUOTES)  # a quote holds no other
                yield Mark(place, "open", '"', QUOTES)
                quoted = True
            case "closing":
                yield Mark(place, "close", '"', QUOTES)
                quoted = False
            case "bracket":
                yield bracket(place, token[0], BRACKETS)
            case "paragraph":
                if quoted and text[token.end() : token.end() + 1] in ('"', "\u201c"):
                    continued = token.end()
                else:
                    yield Mark(place, "fresh")
                    quoted = False


def read_names(text: str) -> Iterator[Judged]:
    """Each name of a text with a name a line; the first and last may be cut."""
    lines = text.split("\n")
    for name in lines[1:-1] if len(lines) > 1 else lines:
        if name:
            yield Judged(NAMES_ROWS[0], name[0].isupper())
            yield Judged(NAMES_ROWS[1], not re.search(r"\s", name))
