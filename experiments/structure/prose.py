"""Prose, plays and names: quotes, brackets, capitals, and who speaks."""

import re
from collections.abc import Iterator

from charlm.interpret.labels.spans import SPEAKER
from experiments.structure.bracket_matching import Mark, Verdict, judge, make_bracket

QUOTES, BRACKETS, CAPITALS, SPEECHES = MEASURES = (
    "quotes closed",
    "brackets closed in order",
    "sentences that begin with a capital",
    "speeches led by a speaker",
)
NAMES_MEASURES = ("names that begin with a capital", "names of one word")
# An opening quote follows a space, a dash or a bracket and precedes a word; a closing
# one follows what is no space, and may be two apostrophes. The others may be either and
# do not count.
TOKEN = re.compile(
    r"""
    (?P<opening>(?<![^\s(\[{-])["“](?=[^\s"”]))
    | (?P<closing>(?<=[^\s"“(\[{])(?:["”]|''))
    | (?P<bracket>[()\[\]{}])
    | (?P<paragraph>\n\s*\n)
    """,
    re.VERBOSE,
)
# Shorter words are often abbreviations: Mr. Mrs. No. St.
SENTENCE = re.compile(r"[^\W\d_A-Z]{4}\.[\"”')\]]*\s+[\"“'(\[]*([^\W\d_])")
SPEAKER_LINE = re.compile(rf"{SPEAKER}*:$", re.MULTILINE)


def read_prose(text: str) -> Iterator[Verdict]:
    """Yields a verdict on each quote, bracket, beginning of a sentence, and speech.

    A quote ends within its paragraph, unless the next begins with a quote too, as a
    long speech in a novel is printed; brackets end there as well. Single quotes are
    apostrophes. A sentence is what follows a full stop. In a play, a text of which two
    paragraphs and a tenth of them begin with a line that names a speaker, each whole
    paragraph should.
    """
    yield from judge(_find_marks(text))
    for match in SENTENCE.finditer(text):
        yield Verdict(CAPITALS, not match[1].islower())
    speeches = re.split(r"\n\n+", text)[1:-1]
    with_speaker = [SPEAKER_LINE.match(speech) is not None for speech in speeches]
    if sum(with_speaker) >= max(2, len(with_speaker) / 10):
        yield from (Verdict(SPEECHES, correct) for correct in with_speaker)


def _find_marks(text: str) -> Iterator[Mark]:
    in_quotes = False
    continuation = -1  # where the open quote goes on in the next paragraph
    for token in TOKEN.finditer(text):
        start = token.start()
        match token.lastgroup:
            case "opening" if start != continuation:
                yield Mark(start, "cut", '"', QUOTES)  # a quote holds no other
                yield Mark(start, "open", '"', QUOTES)
                in_quotes = True
            case "closing":
                yield Mark(start, "close", '"', QUOTES)
                in_quotes = False
            case "bracket":
                yield make_bracket(start, token[0], BRACKETS)
            case "paragraph":
                if in_quotes and text.startswith(('"', "“"), token.end()):
                    continuation = token.end()
                else:
                    yield Mark(start, "reset")
                    in_quotes = False


def read_names(text: str) -> Iterator[Verdict]:
    """Yields verdicts on each name of a text with a name a line.

    The first and the last line are left out, for they may be cut.
    """
    lines = text.split("\n")
    for name in lines[1:-1] if len(lines) > 1 else lines:
        if name:
            yield Verdict(NAMES_MEASURES[0], name[0].isupper())
            yield Verdict(NAMES_MEASURES[1], not re.search(r"\s", name))
