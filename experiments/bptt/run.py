"""python -m experiments.bptt.run

Trains char-rnn's net on Tiny Shakespeare with windows of several lengths, in
runs/bptt/LENGTH-SEED, one after the other; goes on where it was stopped. Writes
results.json and bptt.png beside this file, and the table into README.md.
"""

import statistics
from pathlib import Path

import numpy as np

from charlm.workdir.model_files import read_config
from experiments.corpus import Trained, trained
from experiments.report import keep, table
from experiments.style import COLOURS, picture

HERE = Path(__file__).parent
WINDOWS = (12, 25, 50, 100, 200)  # characters
SEEDS = (123, 0)
THEIRS = 100  # the post's window
EPOCHS, TEXT = 6, 1_003_854  # characters to train on
BATCH, CLIP = 50, 5.0  # char-rnn's


def main() -> None:
    runs = {}
    for window in WINDOWS:
        for seed in SEEDS:
            workdir, flags = f"runs/bptt/{window}-{seed}", flags_of(window, seed)
            run = trained("tiny_shakespeare.py", workdir, *flags)
            runs.setdefault(window, []).append(of_run(run))
    steps = runs[THEIRS][0]["steps"]
    rows = {window: summary(each, steps) for window, each in runs.items()}
    draw(runs)
    blocks = [told(rows), results_table(rows, steps), "![](bptt.png)"]
    keep(HERE, {"runs": runs, "rows": rows}, (f"{block}\n" for block in blocks))
    print("\n\n".join(blocks))


def flags_of(window: int, seed: int) -> list[str]:
    every = max(1, TEXT // (BATCH * window) // 2)  # steps in half an epoch
    knobs = {
        "seed": seed,
        "optim.clip": CLIP / window,
        "train.seq_length": window,
        "train.epochs": float(EPOCHS),
        "train.log_every": every,
        "train.eval_every": every,
        "train.checkpoint_every": 0,
        "train.sample_length": 0,
    }
    return [f"--config.{name}={value}" for name, value in knobs.items()]


def of_run(run: Trained) -> dict:
    """What a run shows: its validation losses by step, and the time of a step."""
    train = [r for r in run.records if r["split"] == "train"]
    config = read_config(run.workdir)["train"]
    speeds = [r["chars_per_second"] for r in train[1:] or train]  # the first compiles
    speed = statistics.median(speeds)
    return {
        "steps": run.records[-1]["step"],
        "step_ms": 1000 * config["batch_size"] * config["seq_length"] / speed,
        "epoch_seconds": len(run.text["train"]) / speed,
        "valid": {
            r["step"]: r["nats_per_char"] for r in run.records if r["split"] == "valid"
        },
    }


def summary(runs: list[dict], steps: int) -> dict:
    """The numbers of a window's runs: losses by seed, times as means."""
    curves = [(list(run["valid"]), list(run["valid"].values())) for run in runs]
    enough = runs[0]["steps"] >= steps
    return {
        "steps": runs[0]["steps"],
        "step_ms": statistics.mean(run["step_ms"] for run in runs),
        "epoch_seconds": statistics.mean(run["epoch_seconds"] for run in runs),
        "at_the_end": [losses[-1] for _, losses in curves],
        "at_equal_steps": [
            float(np.interp(steps, *curve)) if enough else float("nan")
            for curve in curves
        ],
    }


def told(rows: dict[int, dict]) -> str:
    """The post's claim, in our numbers."""
    half, whole = rows[THEIRS // 2], rows[THEIRS]
    costs = [
        statistics.mean(half[what]) - statistics.mean(whole[what])
        for what in ("at_the_end", "at_equal_steps")
    ]
    spread = max(max(r["at_the_end"]) - min(r["at_the_end"]) for r in rows.values())
    return (
        f"From windows of {THEIRS} characters to {THEIRS // 2} a step takes"
        f" {half['step_ms'] / whole['step_ms']:.2f} of the time, an epoch"
        f" {half['epoch_seconds'] / whole['epoch_seconds']:.2f}. The validation loss"
        f" changes by {costs[0]:+.4f} at equal characters, by {costs[1]:+.4f} at equal"
        f" steps. The two seeds of a window differ by up to {spread:.4f}."
    )


def results_table(rows: dict[int, dict], steps: int) -> str:
    head = ["window", "a step, ms", "an epoch, s", "steps"]
    for what in (f"after {EPOCHS} epochs", f"after {steps:,} steps"):
        head += [f"loss {what}, seed {seed}" for seed in SEEDS]
    lines = [
        [window, f"{row['step_ms']:.1f}", f"{row['epoch_seconds']:.1f}", row["steps"]]
        + [*row["at_the_end"], *row["at_equal_steps"]]
        for window, row in rows.items()
    ]
    return table(head, lines)


def draw(runs: dict[int, list[dict]]) -> None:
    """The loss at the end by window, and on the way there by seconds of training."""
    with picture(HERE / "bptt.png", columns=2, width=10) as (left, right):
        for n, seed in enumerate(SEEDS):
            ends = [list(each[n]["valid"].values())[-1] for each in runs.values()]
            left.plot(list(runs), ends, "o-", label=f"seed {seed}")
        left.set_xscale("log")
        left.set_xticks(list(runs), [str(window) for window in runs], minor=False)
        left.minorticks_off()
        left.set(xlabel="characters of a window", title=f"after {EPOCHS} epochs")
        left.set(ylabel="validation nats per character")
        for (window, each), colour in zip(runs.items(), COLOURS, strict=False):
            steps, losses = zip(*each[0]["valid"].items(), strict=True)
            seconds = [step * each[0]["step_ms"] / 1000 for step in steps]
            right.plot(seconds, losses, color=colour, label=f"windows of {window}")
        right.set(xlabel="seconds of training", title=f"on the way, seed {SEEDS[0]}")


if __name__ == "__main__":
    main()
