"""Measures samples at temperatures of 0 to 1.2: python -m experiments.temperature.run

The networks are those of configs/NAME.py:small, in runs/NAME-small, which it trains
first if they are not there. It writes results.json and temperature.png beside this
file, and the tables into README.md.
"""

import statistics
from pathlib import Path

import numpy as np

from charlm.evaluation.kneser_ney import KneserNey, kneser_ney, losses
from experiments.corpus import (
    CONTEXT,
    HELD_OUT,
    SAMPLES,
    TrainedRun,
    distance_table,
    get_passages,
    sample_texts,
    structure_table,
    train_small,
)
from experiments.report import quote, write_report
from experiments.structure.memorization import words_known
from experiments.structure.well_formedness import (
    closing_by_distance,
    measure,
)
from experiments.style import COLORS, figure
from experiments.temperature.loops import find_loop, get_repeated_share

HERE = Path(__file__).parent
NAMES = {"paul_graham": "Paul Graham", "shakespeare": "Shakespeare", "linux": "Linux"}
LANGUAGES = {"paul_graham": "prose", "shakespeare": "prose", "linux": "c"}
TEMPERATURES = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0, 1.2)
PROMPT = 200  # characters before a sample at temperature 0
# Measures: the names of rows of the table.
NATS, WORDS, REPEATED = "nats under Kneser-Ney", "words known", "repeated"
LOOPS = f"ends in a loop, of {SAMPLES}"
LOOP_START, LOOP_PERIOD = "start of the loop, median", "period of the loop, median"
BEFORE, EXCERPT = 100, 700  # characters before a loop, and of the README's excerpt


def main() -> None:
    results, blocks = {}, []
    for name in NAMES:
        run = train_small(name)
        samples = {str(t): sample_at(run, t) for t in TEMPERATURES}
        columns = samples | {HELD_OUT: get_passages(run)}
        results[name] = measure_columns(run, columns, language=LANGUAGES[name])
        blocks += [f"## {NAMES[name]}", *summarize(results[name], samples)]
    draw_measures(results)
    write_report(HERE, results, ["![](temperature.png)", *blocks])
    print("\n\n".join(blocks))


def sample_at(run: TrainedRun, temperature: float) -> list[str]:
    """Returns the samples of a run; at temperature 0, one for each of several prompts.

    The prompts are passages of the validation text, since there the samples without a
    prompt are all the same.
    """
    if temperature:
        return sample_texts(run, temperature=temperature)
    ids = run.text["valid"]
    starts = np.linspace(0, max(0, len(ids) - PROMPT), SAMPLES).astype(int)
    prompts = [run.vocab.decode_bytes(ids[s : s + PROMPT]) for s in starts]
    return [
        text
        for prompt in prompts
        for text in sample_texts(run, temperature=0.0, prompt=prompt, samples=1)
    ]


def measure_columns(
    run: TrainedRun, columns: dict[str, list[str]], *, language: str
) -> dict:
    """Returns all measures of each column of texts, and the context of the n-grams."""
    model = kneser_ney(run.text["train"], vocab_size=len(run.vocab), context=CONTEXT)
    context = int(np.argmin(losses(model, run.text["valid"])))
    known = run.vocab.decode(run.text["train"])
    return {
        "context": context,
        "measures": {
            column: {
                NATS: score_texts(model, context, run, texts),
                **words_known(texts, known=known),
                REPEATED: statistics.mean(map(get_repeated_share, texts)),
                **measure_loops(texts),
                **measure(texts, kind=language),
            }
            for column, texts in columns.items()
        },
        "closed_by_distance": {
            column: closing_by_distance(texts, kind=language)
            for column, texts in columns.items()
        },
    }


def score_texts(
    model: KneserNey, context: int, run: TrainedRun, texts: list[str]
) -> float:
    """Returns the nats per character of texts under n-grams with that context."""
    nats = [losses(model, run.vocab.encode(text))[context] for text in texts]
    return float(np.average(nats, weights=[len(text) for text in texts]))


def measure_loops(texts: list[str]) -> dict[str, float | int]:
    """Returns how many texts end in a loop, and medians of its start and period."""
    loops = [loop for loop in map(find_loop, texts) if loop]
    return {
        LOOPS: len(loops),
        LOOP_START: _median([loop.start for loop in loops]),
        LOOP_PERIOD: _median([loop.period for loop in loops]),
    }


def _median(values: list[int]) -> float | int:
    return round(statistics.median(values)) if values else float("nan")


def summarize(result: dict, samples: dict[str, list[str]]) -> list[str]:
    """Returns the outcome of a corpus, in blocks of Markdown."""
    return [
        f"The n-grams have {result['context']} characters of context.",
        structure_table(result["measures"]),
        distance_table(result["closed_by_distance"]),
        quote_loop(samples["0.0"]),
    ]


def quote_loop(texts: list[str]) -> str:
    """Returns the loop with the longest period, and some characters before it."""
    loops = [(loop, text) for text in texts if (loop := find_loop(text))]
    if not loops:
        return "No text at temperature 0 ends in a loop."
    (start, period), text = max(loops, key=lambda pair: pair[0].period)
    begin = max(0, start - BEFORE)
    excerpt = text[begin : start + 3 * period][:EXCERPT]
    return (
        f"The longest loop at temperature 0 repeats {period} characters from character"
        f" {start:,} on. From character {begin:,}:\n\n{quote(excerpt)}"
    )


def draw_measures(results: dict[str, dict]) -> None:
    """Draws three measures by temperature; a dashed line is the held-out text's."""
    titles = {
        NATS: "nats per character\nunder n-grams",
        WORDS: "share of words\nin the training text",
        REPEATED: "share that repeats\nan earlier passage",
    }
    with figure(HERE / "temperature.png", columns=3, width=11) as row:
        for axes, (name, title) in zip(row, titles.items(), strict=True):
            for (corpus, result), color in zip(results.items(), COLORS, strict=False):
                measures = result["measures"]
                values = [measures[str(t)][name] for t in TEMPERATURES]
                axes.plot(TEMPERATURES, values, "o-", color=color, label=NAMES[corpus])
                axes.axhline(measures[HELD_OUT][name], color=color, ls="--", lw=1)
            axes.set(xlabel="temperature", title=title)


if __name__ == "__main__":
    main()
