"""python experiments/torch_rnn_parity/run.py [--workdir=runs/torch_rnn]

Trains torch-rnn's recipe to its end (or goes on where the workdir stands), and writes
results.json and curve.png beside this file.
"""

import argparse
import json
import subprocess
import sys
from pathlib import Path

import matplotlib
import matplotlib.pyplot as plt
import numpy as np

from charlm import evaluate, load_model, open_corpus
from charlm.text.catalog import fetch
from charlm.workdir.metrics import read_metrics

matplotlib.use("agg")
HERE = Path(__file__).parent
CONFIG = HERE.parent.parent / "configs" / "tiny_shakespeare.py"
# Validation loss of torch-rnn at its defaults, by iteration.
THEIRS = {1000: 1.7128, 2000: 1.6133, 4000: 1.5691, 6000: 1.5472, 10000: 1.5380,
          17800: 1.5363}  # fmt: skip
TRAIN, THEIR_VALID = (
    892_316,
    110_000,
)  # their loader drops what fills no batch of 50 x 50


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--workdir", default="runs/torch_rnn")
    workdir = parser.parse_args().workdir
    command = [sys.executable, "-m", "charlm.train", f"--config={CONFIG}:torch_rnn"]
    subprocess.run([*command, f"--workdir={workdir}"], check=True)
    ours = {
        record["step"]: record["nats_per_char"]
        for record in read_metrics(workdir)
        if record["split"] == "valid"
    }
    results = {
        "valid": {step: round(nats, 4) for step, nats in ours.items()},
        "torch_rnn": THEIRS,
        "end_on_their_characters": their_protocol(workdir),
        "seconds": read_metrics(workdir)[-1]["seconds"],
    }
    (HERE / "results.json").write_text(json.dumps(results, indent=1) + "\n")
    draw(ours)
    for step, nats in THEIRS.items():
        print(f"{step:6}  torch-rnn {nats:.4f}  charlm {ours[step]:.4f}")
    print(f"the end, on their characters: {results['end_on_their_characters']:.4f}")


def their_protocol(workdir: str) -> float:
    """The last loss on the characters that torch-rnn's loader keeps, in 50 streams."""
    lm, params, vocab = load_model(workdir, checkpoint="latest")
    corpus = open_corpus(fetch("tiny_shakespeare"))
    valid = np.asarray(corpus.ids[TRAIN : TRAIN + THEIR_VALID + 1])
    score = evaluate(lm, params, valid, streams=50, seq_length=50)
    return round(score.nats_per_char, 4)


def draw(ours: dict[int, float]) -> None:
    figure, axes = plt.subplots(figsize=(7, 4), layout="constrained")
    axes.plot(list(ours), list(ours.values()), "o-", label="charlm", markersize=4)
    axes.plot(list(THEIRS), list(THEIRS.values()), "s", label="torch-rnn")
    axes.set(xlabel="iteration", ylabel="validation nats per character")
    axes.set(title="torch-rnn's recipe on Tiny Shakespeare, 80/10/10")
    axes.grid(alpha=0.3)
    axes.legend()
    figure.savefig(HERE / "curve.png", dpi=120)


if __name__ == "__main__":
    main()
