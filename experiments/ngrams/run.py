"""python -m experiments.ngrams.run

Scores Kneser-Ney with contexts of 1 to 8 characters on Tiny Shakespeare and War and
Peace, and lets bare counts write Shakespeare. Writes results.json and losses.png beside
this file, and the tables into README.md.
"""

import statistics
import time
from pathlib import Path

import numpy as np

from charlm import Vocab, open_corpus
from charlm.corpora.fetch import fetch
from charlm.data.corpus import split_slices
from charlm.evaluation.kneser_ney import kneser_ney, losses
from charlm.evaluation.ngrams import Level, count_ngrams, write
from experiments.report import keep, quoted, table
from experiments.structure.memorization import longest_copies
from experiments.style import picture

HERE = Path(__file__).parent
SCORED = {
    "Tiny Shakespeare, characters, valid": (
        "tiny_shakespeare", "char", (0.9, 0.1), "valid"),
    "War and Peace, bytes, test": ("war_and_peace", "byte", (0.8, 0.1, 0.1), "test"),
}  # fmt: skip
WRITTEN = "shakespeare"  # the text of Goldberg's reply
LONGEST = 8  # characters of context that are scored
CONTEXTS = (4, 7, 10)  # Goldberg's
WORK = ("count", "score")
PROMPT, LENGTH, SAMPLES = "First", 500, 10


def main() -> None:
    scores = {name: scored(*case) for name, case in SCORED.items()}
    samples = written()
    draw(scores)
    blocks = ["## As a model", losses_table(scores), "![](losses.png)"]
    blocks += [times_table(scores), "## As a writer", copies_table(samples)]
    blocks += [
        f"With {context}:\n\n{quoted(row['first_sample'])}"
        for context, row in samples.items()
    ]
    results = {"scores": scores, "samples": samples}
    keep(HERE, results, (f"{block}\n" for block in blocks))
    print("\n\n".join(blocks))


def scored(corpus: str, unit, split, part: str) -> dict:
    """The loss by context of a corpus, shortest first, and the seconds it took."""
    text = open_corpus(fetch(corpus), unit=unit)
    cut = split_slices(len(text.ids), split)
    train, held_out = text.ids[cut["train"]], text.ids[cut[part]]
    began = time.perf_counter()
    model = kneser_ney(train, vocab_size=len(text.vocab), context=LONGEST)
    counted = time.perf_counter()
    nats = losses(model, held_out)[1:]
    ended = time.perf_counter()
    return {
        "nats_per_char": nats.tolist(),
        "characters": [len(train), len(held_out)],
        "count_seconds": round(counted - began, 2),
        "score_seconds": round(ended - counted, 2),
    }


def written() -> dict[int, dict]:
    """What bare counts write with each context, and what of it is copied."""
    text = fetch(WRITTEN).read_text()
    vocab = Vocab.of(text)
    ngrams = count_ngrams(
        vocab.encode(text), vocab_size=len(vocab), context=max(CONTEXTS)
    )
    prompt = vocab.encode(PROMPT)
    found = {}
    for context in CONTEXTS:
        drawn = [
            write(ngrams, context=context, length=LENGTH, prompt=prompt, seed=seed)
            for seed in range(SAMPLES)
        ]
        samples = [PROMPT + vocab.decode(ids) for ids in drawn]
        copies = longest_copies(samples, known=text)
        found[context] = {
            "no_choice": round(no_choice(ngrams.levels[context], len(vocab)), 4),
            "longest_copies": [len(copy) for copy in copies],
            "median_copy": statistics.median(len(copy) for copy in copies),
            "first_longest_copy": copies[0],
            "first_sample": samples[0],
        }
    return found


def no_choice(level: Level, vocab_size: int) -> float:
    """The share of a text's characters that alone ever followed their context."""
    context_of = level.keys // vocab_size  # one entry for each that followed it
    alone = np.bincount(context_of)[context_of] == 1
    return float(level.counts[alone].sum() / level.counts.sum())


def losses_table(scores: dict[str, dict]) -> str:
    rows = []
    for name, row in scores.items():
        shown = [f"{nats:.4f}" for nats in row["nats_per_char"]]
        best = int(np.argmin(row["nats_per_char"]))
        shown[best] = f"**{shown[best]}**"
        rows.append([name, *shown])
    return table(["characters of context", *range(1, LONGEST + 1)], rows)


def times_table(scores: dict[str, dict]) -> str:
    """For all contexts together: the model of the longest holds the others."""
    rows = [
        [name, *row["characters"], *(f"{row[f'{w}_seconds']} s" for w in WORK)]
        for name, row in scores.items()
    ]
    return table(["", "counted", "scored", "to count", "to score"], rows)


def copies_table(samples: dict[int, dict]) -> str:
    head = ["characters of context", "of the text's characters, without a choice"]
    head += ["longest stretch copied, by sample", "median", "the first's"]
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


def draw(scores: dict[str, dict]) -> None:
    with picture(HERE / "losses.png") as axes:
        for name, row in scores.items():
            axes.plot(range(1, LONGEST + 1), row["nats_per_char"], "o-", label=name)
        axes.set(xlabel="characters of context", ylabel="nats per character")


if __name__ == "__main__":
    main()
