"""python -m experiments.temperature.run

What the nets of configs/NAME.py:small, in runs/NAME-small, write at temperatures of 0
to 1.2 (trained first, if they are not there). Writes results.json and temperature.png
beside this file, and the tables into README.md.
"""

import statistics
from pathlib import Path

import numpy as np

from charlm.evaluation.kneser_ney import KneserNey, kneser_ney, losses
from experiments.corpus import (
    CONTEXT,
    SAMPLES,
    TEXT,
    Trained,
    distance_table,
    small,
    stretches,
    structure_table,
    texts,
)
from experiments.report import keep, quoted
from experiments.structure.memorization import words_known
from experiments.structure.well_formedness import closing_by_distance, measure
from experiments.style import COLOURS, picture
from experiments.temperature.loops import loop_of, repeated

HERE = Path(__file__).parent
NAMES = {"paul_graham": "Paul Graham", "shakespeare": "Shakespeare", "linux": "Linux"}
KINDS = {"paul_graham": "prose", "shakespeare": "prose", "linux": "c"}
TEMPERATURES = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0, 1.2)
PROMPT = 200  # characters that a greedy text continues
NATS, WORDS, REPEATED = "nats under Kneser-Ney", "words known", "repeated"
LOOPS = f"ends in a loop, of {SAMPLES}"
BEFORE, SHOWN = 100, 700  # characters before a loop, and in all, in the README


def main() -> None:
    found, blocks = {}, []
    for name in NAMES:
        run = small(name)
        written = {str(t): texts_at(run, t) for t in TEMPERATURES}
        columns = written | {TEXT: stretches(run)}
        found[name] = measured(run, columns, kind=KINDS[name])
        blocks += [f"## {NAMES[name]}", *told(found[name], written)]
    draw(found)
    keep(HERE, found, (f"{block}\n" for block in ("![](temperature.png)", *blocks)))
    print("\n\n".join(blocks))


def texts_at(run: Trained, temperature: float) -> list[str]:
    """What a run writes at a temperature; at 0, what it adds to as many beginnings."""
    if temperature:
        return texts(run, temperature=temperature)
    ids = run.text["valid"]
    starts = np.linspace(0, max(0, len(ids) - PROMPT), SAMPLES).astype(int)
    prompts = [run.vocab.decode_bytes(ids[s : s + PROMPT]) for s in starts]
    return [
        text
        for prompt in prompts
        for text in texts(run, temperature=0.0, prompt=prompt, samples=1)
    ]


def measured(run: Trained, columns: dict[str, list[str]], *, kind: str) -> dict:
    """All measures of each column of texts; and the context of the n-grams."""
    model = kneser_ney(run.text["train"], vocab_size=len(run.vocab), context=CONTEXT)
    context = int(np.argmin(losses(model, run.text["valid"])))
    known = run.vocab.decode(run.text["train"])
    return {
        "context": context,
        "measures": {
            column: {
                NATS: nats(model, context, run, drawn),
                **words_known(drawn, known=known),
                REPEATED: statistics.mean(map(repeated, drawn)),
                **loops_in(drawn),
                **measure(drawn, kind=kind),
            }
            for column, drawn in columns.items()
        },
        "closed_by_distance": {
            column: closing_by_distance(drawn, kind=kind)
            for column, drawn in columns.items()
        },
    }


def nats(model: KneserNey, context: int, run: Trained, drawn: list[str]) -> float:
    """The nats per character of texts by the n-grams with that context."""
    each = [losses(model, run.vocab.encode(text))[context] for text in drawn]
    return float(np.average(each, weights=[len(text) for text in drawn]))


def loops_in(drawn: list[str]) -> dict[str, float | int]:
    """How many texts end in a loop, and where and how long it is, as medians."""
    loops = [loop for loop in map(loop_of, drawn) if loop]
    return {
        LOOPS: len(loops),
        "which begins after": _median([loop.start for loop in loops]),
        "and has a period of": _median([loop.period for loop in loops]),
    }


def _median(values: list[int]) -> float | int:
    return round(statistics.median(values)) if values else float("nan")


def told(row: dict, written: dict[str, list[str]]) -> list[str]:
    """What came out of a corpus, in blocks of Markdown."""
    tables = [
        structure_table(row["measures"]),
        distance_table(row["closed_by_distance"]),
    ]
    context = f"The n-grams have {row['context']} characters of context."
    return [context, *tables, *a_loop(written["0.0"])]


def a_loop(drawn: list[str]) -> list[str]:
    """The loop of the longest period, from a little before it begins."""
    loops = [(loop, text) for text in drawn if (loop := loop_of(text))]
    if not loops:
        return ["No text at temperature 0 ends in a loop."]
    (start, period), text = max(loops, key=lambda found: found[0].period)
    begin = max(0, start - BEFORE)
    head = (
        f"Of the loops at temperature 0 this one takes longest to come round: {period}"
        f" characters, over and over, from character {start:,} on. From {begin:,}:"
    )
    return [f"{head}\n\n{quoted(text[begin : start + 3 * period][:SHOWN])}"]


def draw(found: dict[str, dict]) -> None:
    """Loss, known words and repetition by temperature; dashed, the held-out text's."""
    titles = {
        NATS: "nats per character\nunder n-grams",
        WORDS: "share of words\nin the training text",
        REPEATED: "share that repeats\nan earlier stretch",
    }
    with picture(HERE / "temperature.png", columns=3, width=11) as row:
        for axes, (what, title) in zip(row, titles.items(), strict=True):
            for (name, result), colour in zip(found.items(), COLOURS, strict=False):
                measures = result["measures"]
                values = [measures[str(t)][what] for t in TEMPERATURES]
                axes.plot(TEMPERATURES, values, "o-", color=colour, label=NAMES[name])
                axes.axhline(measures[TEXT][what], color=colour, linestyle="--", lw=1)
            axes.set(xlabel="temperature", title=title)


if __name__ == "__main__":
    main()
