"""evolution.html: every sample of a run on one page, which needs nothing but itself."""

import re
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from charlm.interpret.viewer.html import as_json
from experiments.report import replace_controls
from experiments.structure.memorization import WORD

TEMPLATE = Path(__file__).parent / "page.html"
HEAD = re.compile(
    r"^=== step (\d+), epoch ([\d.]+)(?:, valid ([\d.]+) nats/char)?,"
    r" temperature ([\d.e+-]+) ===\n",
    re.MULTILINE,
)
LINE_END = 30  # characters, about half a line
PACE = 900  # milliseconds that a sample stands while the page plays


class Sample(NamedTuple):
    """What was written at a step, and the validation loss there (nan: unknown)."""

    step: int
    valid: float
    text: str


def parse_samples(written: str) -> list[Sample]:
    """The samples of a samples.txt."""
    heads = list(HEAD.finditer(written))
    ends = [*(head.start() for head in heads[1:]), len(written)]
    return [
        Sample(
            step=int(head[1]),
            valid=float(head[3] or "nan"),
            text=written[head.end() : end].removesuffix("\n\n"),
        )
        for head, end in zip(heads, ends, strict=True)
    ]


def words_of(text: str) -> list[str]:
    """The words of a text, as they are looked up; not one that its end may cut."""
    found = [match for match in WORD.finditer(text) if match.end() < len(text)]
    return [match[0].lower() for match in found]


def pieces(text: str, known: Collection[str]) -> list[str]:
    """The text in pieces, of which every second one is a word that is not known."""
    parts, begin = [], 0
    for match in WORD.finditer(text):
        if match.end() < len(text) and match[0].lower() not in known:
            parts += [text[begin : match.start()], match[0]]
            begin = match.end()
    return [*parts, text[begin:]]


def beginning(text: str, length: int) -> str:
    """The first `length` characters of a text, without a word that is cut off.

    An end of a line counts as LINE_END of them, so that all take about as much room.
    """
    room = np.cumsum([LINE_END if c == "\n" else 1 for c in text])
    fits = int(np.searchsorted(room, length, side="right"))
    if fits == len(text):
        return text
    ends = [match.end() for match in re.finditer(r"\S+(?=\s)", text[: fits + 1])]
    return text[: ends[-1] if ends else fits]


def shown_pieces(text: str, known: Collection[str], length: int) -> list[str]:
    """The pieces of a sample's beginning, which ends in an ellipsis if more follows."""
    text = replace_controls(text.strip())
    first = beginning(text, length)
    return pieces(first if first == text else f"{first} …", known)


def page(
    samples: Sequence[Sample],
    *,
    known: Collection[str],
    shares: Sequence[float],
    losses: dict[str, list[tuple[int, float]]],
    marked: Sequence[int],
    length: int,
    about: str,
) -> str:
    """The page, as HTML.

    Args:
      samples: by step, all with a validation loss.
      known: words that are not coloured, in small letters.
      shares: of known words in each sample, from 0 to 1.
      losses: by "train" and "valid", of steps.
      marked: steps that have a button.
      length: characters of a sample that are shown, at most.
      about: a sentence on the run.
    """
    data = {
        "samples": [
            {
                "step": sample.step,
                "valid": sample.valid,
                "known": share,
                "pieces": shown_pieces(sample.text, known, length),
            }
            for sample, share in zip(samples, shares, strict=True)
        ],
        "losses": losses,
        "post": list(marked),
        "every": samples[0].step,
        "about": about,
        "pace": PACE,
    }
    return TEMPLATE.read_text().replace("{{data}}", as_json(data))
