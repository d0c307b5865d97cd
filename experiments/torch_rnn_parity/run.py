"""Trains torch-rnn's recipe: python -m experiments.torch_rnn_parity.run

[--workdir=runs/torch_rnn] [--seeds ...]: it trains a run for each seed in WORKDIR/SEED,
resumes those that were stopped, and writes results.json and curve.png beside this file.
"""

import argparse
import subprocess
import sys
from pathlib import Path

import numpy as np

from charlm import load_model, open_corpus, score
from charlm.corpora.fetch import fetch
from charlm.workdir.metrics import read_metrics
from experiments.report import write_results
from experiments.style import BLACK, figure

HERE = Path(__file__).parent
CONFIG = HERE.parent.parent / "configs" / "tiny_shakespeare.py"
# Validation loss of torch-rnn at its defaults, by iteration.
TORCH_RNN = {1000: 1.7128, 2000: 1.6133, 4000: 1.5691, 6000: 1.5472, 10000: 1.5380,
             17800: 1.5363}  # fmt: skip
# torch-rnn's loader drops the characters that do not fill a batch.
TRAIN_SIZE, VALID_SIZE = 892_316, 110_000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--workdir", default="runs/torch_rnn")
    parser.add_argument("--seeds", nargs="+", type=int, default=[123, 0, 1])
    arguments = parser.parse_args()
    runs = {s: train(f"{arguments.workdir}/{s}", s) for s in arguments.seeds}
    write_results(HERE / "results.json", {"torch_rnn": TORCH_RNN, "by_seed": runs})
    draw_losses({seed: run["valid"] for seed, run in runs.items()})
    print("iteration  torch-rnn", *(f"seed {seed:3}" for seed in runs), sep="  ")
    for step, nats in TORCH_RNN.items():
        ours = [f"{run['valid'][step]:8.4f}" for run in runs.values()]
        print(f"{step:9}  {nats:9.4f}", *ours, sep="  ")
    ends = [f"{run['end_on_their_characters']:8.4f}" for run in runs.values()]
    print("the end, on torch-rnn's characters", *ends, sep="  ")


def train(workdir: str, seed: int) -> dict:
    """Trains a run and returns its validation losses by step, and its last loss."""
    command = [sys.executable, "-m", "charlm.train", f"--config={CONFIG}:torch_rnn"]
    flags = [f"--config.seed={seed}", f"--workdir={workdir}"]
    subprocess.run([*command, *flags], check=True)
    records = read_metrics(workdir)
    valid = [record for record in records if record["split"] == "valid"]
    return {
        "valid": {r["step"]: round(r["nats_per_char"], 4) for r in valid},
        "end_on_their_characters": score_as_torch_rnn(workdir),
        "seconds": records[-1]["seconds"],
    }


def score_as_torch_rnn(workdir: str) -> float:
    """Returns the last loss on the characters that torch-rnn's loader keeps."""
    lm, params, vocab = load_model(workdir, checkpoint="latest")
    corpus = open_corpus(fetch("tiny_shakespeare"))
    valid = np.asarray(corpus.ids[TRAIN_SIZE : TRAIN_SIZE + VALID_SIZE + 1])
    result = score(lm, params, valid, streams=50, seq_length=50)
    return round(result.nats_per_char, 4)


def draw_losses(curves: dict[int, dict[int, float]]) -> None:
    """Draws the validation losses by seed and step, and torch-rnn's."""
    with figure(HERE / "curve.png") as axes:
        for seed, ours in curves.items():
            label = f"charlm, seed {seed}"
            axes.plot(list(ours), list(ours.values()), "o-", label=label, markersize=4)
        steps, nats = zip(*TORCH_RNN.items(), strict=True)
        axes.plot(steps, nats, "s", color=BLACK, label="torch-rnn")
        axes.set(xlabel="iteration", ylabel="validation nats per character")
        axes.set(title="torch-rnn's recipe on Tiny Shakespeare, 80/10/10")


if __name__ == "__main__":
    main()
