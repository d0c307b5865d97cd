"""A page of a run's samples, one file that needs no other."""

import re
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from charlm.interpret.viewer.template import as_json, fill, make_document, read_static
from experiments.report import replace_controls
from experiments.structure.memorization import WORD

FOLDER = Path(__file__).parent
HEAD = re.compile(
    r"^=== step (\d+), epoch ([\d.]+)(?:, valid ([\d.]+) nats/char)?,"
    r" temperature ([\d.e+-]+) ===\n",
    re.MULTILINE,
)
LINE_END = 30  # characters, about half a line
SAMPLE_MILLISECONDS = 900  # that a sample is shown while the page plays


class Sample(NamedTuple):
    """What was written at a step, and the validation loss there (nan: unknown)."""

    step: int
    valid: float
    text: str


def parse_samples(text: str) -> list[Sample]:
    """The samples of a samples.txt."""
    heads = list(HEAD.finditer(text))
    ends = [*(head.start() for head in heads[1:]), len(text)]
    return [
        Sample(
            step=int(head[1]),
            valid=float(head[3] or "nan"),
            text=text[head.end() : end].removesuffix("\n\n"),
        )
        for head, end in zip(heads, ends, strict=True)
    ]


def list_words(text: str) -> list[str]:
    """The words of a text in small letters; not one that its end may cut."""
    matches = (match for match in WORD.finditer(text) if match.end() < len(text))
    return [match[0].lower() for match in matches]


def split_at_unknown(text: str, known_words: Collection[str]) -> list[str]:
    """The text in pieces, of which every second one is a word that is not known."""
    pieces, begin = [], 0
    for match in WORD.finditer(text):
        if match.end() < len(text) and match[0].lower() not in known_words:
            pieces += [text[begin : match.start()], match[0]]
            begin = match.end()
    return [*pieces, text[begin:]]


def truncate(text: str, length: int) -> str:
    """The first `length` characters of a text, without a word that is cut off.

    An end of a line counts as LINE_END of them, so that all take about as much room.
    """
    room = np.cumsum([LINE_END if c == "\n" else 1 for c in text])
    count = int(np.searchsorted(room, length, side="right"))
    if count == len(text):
        return text
    ends = [match.end() for match in re.finditer(r"\S+(?=\s)", text[: count + 1])]
    return text[: ends[-1] if ends else count]


def make_pieces(text: str, known_words: Collection[str], length: int) -> list[str]:
    """The pieces of a sample's beginning, which ends in an ellipsis if more follows."""
    text = replace_controls(text.strip())
    first = truncate(text, length)
    return split_at_unknown(first if first == text else f"{first} …", known_words)


def make_page(
    samples: Sequence[Sample],
    *,
    known_words: Collection[str],
    shares: Sequence[float],
    losses: Mapping[str, Sequence[tuple[int, float]]],
    marked_steps: Sequence[int],
    length: int,
    about: str,
) -> str:
    """Returns the page, as HTML.

    Args:
      samples: by step, all with a validation loss.
      known_words: that are not colored, in small letters.
      shares: of known words in each sample, from 0 to 1.
      losses: by "train" and "valid", of steps.
      marked_steps: that have a button.
      length: characters of a sample that are shown, at most.
      about: a sentence on the run.
    """
    rows = [
        {
            "step": sample.step,
            "valid": sample.valid,
            "known": share,
            "pieces": make_pieces(sample.text, known_words, length),
        }
        for sample, share in zip(samples, shares, strict=True)
    ]
    data = {
        "samples": rows,
        "losses": losses,
        "markedSteps": marked_steps,
        "sampleEvery": samples[0].step,
        "sampleMilliseconds": SAMPLE_MILLISECONDS,
        "about": about,
    }
    css, code, body = (
        (FOLDER / f"page.{x}").read_text() for x in ("css", "js", "html")
    )
    body = fill(body, {"data": as_json(data), "code": read_static("dom.js") + code})
    return make_document(title="A network learns to write", css=css, body=body)
