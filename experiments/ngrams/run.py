"""Measures n-grams as models and as generators: python -m experiments.ngrams.run

It scores Kneser-Ney with contexts of 1 to 8 characters on Tiny Shakespeare and War and
Peace, and samples Shakespeare from raw counts. It writes results.json and losses.png
beside this file, and the tables into README.md.
"""

import statistics
import time
from pathlib import Path

import numpy as np

from charlm import Vocab, open_corpus
from charlm.corpora.fetch import fetch
from charlm.data.corpus import split_slices
from charlm.evaluation.kneser_ney import Level, count_ngrams, kneser_ney, losses
from experiments.ngrams.generator import write
from experiments.report import quote, table, write_report
from experiments.structure.memorization import longest_copies
from experiments.style import figure

HERE = Path(__file__).parent
# The corpus, unit and split, and the split's part that is scored.
CASES = {
    "Tiny Shakespeare, characters, valid": (
        "tiny_shakespeare", "char", (0.9, 0.1), "valid"),
    "War and Peace, bytes, test": ("war_and_peace", "byte", (0.8, 0.1, 0.1), "test"),
}  # fmt: skip
MAX_CONTEXT = 8  # characters, of the models
SAMPLE_CORPUS = "shakespeare"  # as in Goldberg's reply
SAMPLE_CONTEXTS = (4, 7, 10)  # Goldberg's
PROMPT, LENGTH, SAMPLES = "First", 500, 10


def main() -> None:
    scores = {name: score_corpus(*case) for name, case in CASES.items()}
    samples = sample_counts()
    draw_losses(scores)
    blocks = ["## As a model", losses_table(scores), "![](losses.png)"]
    blocks += [times_table(scores), "## As a generator", copies_table(samples)]
    blocks += [
        f"With {context}:\n\n{quote(row['first_sample'])}"
        for context, row in samples.items()
    ]
    write_report(HERE, {"scores": scores, "samples": samples}, blocks)
    print("\n\n".join(blocks))


def score_corpus(corpus: str, unit, split, part: str) -> dict:
    """Returns the losses of a corpus by context, from 1 on, and their times."""
    text = open_corpus(fetch(corpus), unit=unit)
    slices = split_slices(len(text.ids), split)
    train, held_out = text.ids[slices["train"]], text.ids[slices[part]]
    start = time.perf_counter()
    model = kneser_ney(train, vocab_size=len(text.vocab), context=MAX_CONTEXT)
    middle = time.perf_counter()
    nats = losses(model, held_out)[1:]
    end = time.perf_counter()
    return {
        "nats_per_char": nats.tolist(),
        "characters": [len(train), len(held_out)],
        "count_seconds": round(middle - start, 2),
        "score_seconds": round(end - middle, 2),
    }


def sample_counts() -> dict[int, dict]:
    """Returns samples from raw counts by context, and how much of them is copied."""
    text = fetch(SAMPLE_CORPUS).read_text()
    vocab = Vocab.of(text)
    ngrams = count_ngrams(
        vocab.encode(text), vocab_size=len(vocab), context=max(SAMPLE_CONTEXTS)
    )
    prompt = vocab.encode(PROMPT)
    results = {}
    for context in SAMPLE_CONTEXTS:
        draws = [
            write(ngrams, context=context, length=LENGTH, prompt=prompt, seed=seed)
            for seed in range(SAMPLES)
        ]
        samples = [PROMPT + vocab.decode(ids) for ids in draws]
        copies = longest_copies(samples, known=text)
        share = get_forced_share(ngrams.levels[context], len(vocab))
        results[context] = {
            "no_choice": round(share, 4),
            "longest_copies": [len(copy) for copy in copies],
            "median_copy": statistics.median(len(copy) for copy in copies),
            "first_longest_copy": copies[0],
            "first_sample": samples[0],
        }
    return results


def get_forced_share(level: Level, vocab_size: int) -> float:
    """Returns the share of a text's characters that alone follow their context."""
    context = level.keys // vocab_size  # one entry for each symbol that follows it
    forced = np.bincount(context)[context] == 1
    return float(level.counts[forced].sum() / level.counts.sum())


def losses_table(scores: dict[str, dict]) -> str:
    """Returns a table of the losses by context, the lowest in bold."""
    rows = []
    for name, row in scores.items():
        values = [f"{nats:.4f}" for nats in row["nats_per_char"]]
        best = int(np.argmin(row["nats_per_char"]))
        values[best] = f"**{values[best]}**"
        rows.append([name, *values])
    return table(["characters of context", *range(1, MAX_CONTEXT + 1)], rows)


def times_table(scores: dict[str, dict]) -> str:
    """Returns a table of the times; the longest n-grams include all shorter ones."""
    rows = [
        [name, *row["characters"]]
        + [f"{row[f'{work}_seconds']} s" for work in ("count", "score")]
        for name, row in scores.items()
    ]
    return table(["", "counted", "scored", "to count", "to score"], rows)


def copies_table(samples: dict[int, dict]) -> str:
    """Returns a table of what the samples copy from the text, by context."""
    head = ["characters of context", "characters of the text that alone can follow"]
    head += ["longest copy of each sample", "median", "longest copy of the first"]
    rows = [
        [
            context,
            f"{row['no_choice']:.1%}",
            ", ".join(map(str, row["longest_copies"])),
            f"{row['median_copy']:g}",
            row["first_longest_copy"],
        ]
        for context, row in samples.items()
    ]
    return table(head, rows)


def draw_losses(scores: dict[str, dict]) -> None:
    """Draws the losses of each corpus by context."""
    with figure(HERE / "losses.png") as axes:
        for name, row in scores.items():
            contexts = range(1, MAX_CONTEXT + 1)
            axes.plot(contexts, row["nats_per_char"], "o-", label=name)
        axes.set(xlabel="characters of context", ylabel="nats per character")


if __name__ == "__main__":
    main()
