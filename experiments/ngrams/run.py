"""python experiments/ngrams/run.py [--data=FOLDER]

Scores Kneser-Ney with contexts of 1 to 8 characters on Tiny Shakespeare and War and
Peace, lets bare counts write Shakespeare, and writes results.json beside this file.
FOLDER ($CHARLM_DATA by default) has shakespeare/ and warpeace/.
"""

import argparse
import json
import os
import statistics
import time
from pathlib import Path

import numpy as np

from charlm import Vocab
from charlm.evaluation.copying import longest_copies
from charlm.evaluation.kneser_ney import kneser_ney, losses
from charlm.evaluation.ngrams import Level, count_ngrams, write
from charlm.text.corpus import parts

HERE = Path(__file__).parent
SCORED = {
    "Tiny Shakespeare": (
        "shakespeare/tinyshakespeare.txt", "char", (0.9, 0.1), "valid"),
    "War and Peace": ("warpeace/warpeace_input.txt", "byte", (0.8, 0.1, 0.1), "test"),
}  # fmt: skip
WRITTEN = "shakespeare/shakespeare_input.txt"  # the text of Goldberg's reply
LONGEST = 8  # characters of context that are scored
CONTEXTS = (4, 7, 10)  # Goldberg's
PROMPT, LENGTH, SAMPLES = "First", 500, 10


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", default=os.environ.get("CHARLM_DATA", ""))
    folder = Path(parser.parse_args().data)
    for file in (WRITTEN, *(case[0] for case in SCORED.values())):
        if not (folder / file).is_file():
            parser.error(f"there is no {folder / file}; give its folder with --data")
    scores = {name: scored(folder, *case) for name, case in SCORED.items()}
    print("context         ", *(f"{m:6}" for m in range(1, LONGEST + 1)))
    for name, row in scores.items():
        print(f"{name:16}", *(f"{nats:6.4f}" for nats in row["nats_per_char"]))
        print(f"  counted in {row['count_seconds']} s, scored in", end=" ")
        print(f"{row['score_seconds']} s, all contexts together")
    samples = written(folder)
    for context, row in samples.items():
        print(f"\n=== {context} characters of context")
        print(f"without a choice: {row['no_choice']:.1%} of the text's characters")
        print(f"longest copies: {row['longest_copies']}, median {row['median_copy']:g}")
        print(f"the first's: {row['first_longest_copy']!r}\n\n{row['first_sample']}")
    results = {"scores": scores, "samples": samples}
    (HERE / "results.json").write_text(json.dumps(results, indent=1) + "\n")


def scored(folder: Path, file: str, unit, split, part: str) -> dict:
    """The loss by context of a corpus, shortest first, and the seconds it took."""
    text = (folder / file).read_bytes()
    vocab = Vocab.of(text, unit)
    ids = vocab.encode(text)
    cut = parts(len(ids), split)
    began = time.perf_counter()
    model = kneser_ney(ids[cut["train"]], vocab_size=len(vocab), context=LONGEST)
    counted = time.perf_counter()
    nats = losses(model, ids[cut[part]])[1:]
    ended = time.perf_counter()
    return {
        "nats_per_char": nats.round(4).tolist(),
        "count_seconds": round(counted - began, 2),
        "score_seconds": round(ended - counted, 2),
    }


def written(folder: Path) -> dict[int, dict]:
    """What bare counts write with each context, and what of it is copied."""
    text = (folder / WRITTEN).read_text()
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


if __name__ == "__main__":
    main()
