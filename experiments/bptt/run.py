"""Trains with windows of several lengths: python -m experiments.bptt.run

It trains char-rnn's network on Tiny Shakespeare in runs/bptt/LENGTH-SEED, one run after
the other, and resumes a run that was stopped. It writes results.json and bptt.png
beside this file, and the table into README.md.
"""

import statistics
from pathlib import Path

import numpy as np

from charlm.workdir.model_files import read_config
from experiments.corpus import TrainedRun, train_run
from experiments.report import table, write_report
from experiments.style import COLORS, figure

HERE = Path(__file__).parent
WINDOWS = (12, 25, 50, 100, 200)  # characters
SEEDS = (123, 0)
POST_WINDOW = 100  # the post's
EPOCHS, TRAIN_SIZE = 6, 1_003_854  # TRAIN_SIZE: characters to train on
BATCH, CLIP = 50, 5.0  # char-rnn's
SOURCES = ("rows",)  # the README subtracts and divides its values


def main() -> None:
    runs = {}
    for window in WINDOWS:
        for seed in SEEDS:
            workdir, flags = f"runs/bptt/{window}-{seed}", get_flags(window, seed)
            run = train_run("tiny_shakespeare.py", workdir, *flags)
            runs.setdefault(window, []).append(measure_run(run))
    steps = runs[POST_WINDOW][0]["steps"]
    rows = {window: summarize_window(each, steps) for window, each in runs.items()}
    draw_losses(runs)
    blocks = [summarize(rows), results_table(rows, steps), "![](bptt.png)"]
    write_report(HERE, {"runs": runs, "rows": rows}, blocks, sources=SOURCES)
    print("\n\n".join(blocks))


def get_flags(window: int, seed: int) -> list[str]:
    """Returns the flags of charlm.train for a run."""
    every = max(1, TRAIN_SIZE // (BATCH * window) // 2)  # steps in half an epoch
    options = {
        "seed": seed,
        "optim.clip": CLIP / window,
        "train.seq_length": window,
        "train.epochs": float(EPOCHS),
        "train.log_every": every,
        "train.eval_every": every,
        "train.checkpoint_every": 0,
        "train.sample_length": 0,
    }
    return [f"--config.{name}={value}" for name, value in options.items()]


def measure_run(run: TrainedRun) -> dict:
    """Returns the validation losses of a run by step, and the time of a step."""
    train = [r for r in run.records if r["split"] == "train"]
    config = read_config(run.workdir).train
    speeds = [r["chars_per_second"] for r in train[1:] or train]  # the first compiles
    speed = statistics.median(speeds)
    return {
        "steps": run.records[-1]["step"],
        "step_ms": 1000 * config.batch_size * config.seq_length / speed,
        "epoch_seconds": len(run.text["train"]) / speed,
        "valid": {
            r["step"]: r["nats_per_char"] for r in run.records if r["split"] == "valid"
        },
    }


def summarize_window(runs: list[dict], steps: int) -> dict:
    """Returns the losses of a window's runs, by seed, and their mean times.

    Args:
      runs: what `measure_run` returned.
      steps: the number of steps at which losses are compared too; the loss there is
        interpolated, and nan for runs that are shorter.
    """
    curves = [(list(run["valid"]), list(run["valid"].values())) for run in runs]
    is_long = runs[0]["steps"] >= steps
    return {
        "steps": runs[0]["steps"],
        "step_ms": statistics.mean(run["step_ms"] for run in runs),
        "epoch_seconds": statistics.mean(run["epoch_seconds"] for run in runs),
        "at_the_end": [losses[-1] for _, losses in curves],
        "at_equal_steps": [
            float(np.interp(steps, *curve)) if is_long else float("nan")
            for curve in curves
        ],
    }


def summarize(rows: dict[int, dict]) -> str:
    """Returns the numbers that correspond to the post's claim, in words."""
    half, whole = rows[POST_WINDOW // 2], rows[POST_WINDOW]
    costs = [
        statistics.mean(half[name]) - statistics.mean(whole[name])
        for name in ("at_the_end", "at_equal_steps")
    ]
    spread = max(max(r["at_the_end"]) - min(r["at_the_end"]) for r in rows.values())
    return (
        f"From windows of {POST_WINDOW} characters to {POST_WINDOW // 2} a step takes"
        f" {half['step_ms'] / whole['step_ms']:.2f} of the time, an epoch"
        f" {half['epoch_seconds'] / whole['epoch_seconds']:.2f}. The validation loss"
        f" changes by {costs[0]:+.4f} at equal characters, by {costs[1]:+.4f} at equal"
        f" steps. The two seeds of a window differ by up to {spread:.4f}."
    )


def results_table(rows: dict[int, dict], steps: int) -> str:
    """Returns a table with a row for each window."""
    head = ["window", "a step, ms", "an epoch, s", "steps"]
    for moment in (f"after {EPOCHS} epochs", f"after {steps:,} steps"):
        head += [f"loss {moment}, seed {seed}" for seed in SEEDS]
    lines = [
        [window, f"{row['step_ms']:.1f}", f"{row['epoch_seconds']:.1f}", row["steps"]]
        + [*row["at_the_end"], *row["at_equal_steps"]]
        for window, row in rows.items()
    ]
    return table(head, lines)


def draw_losses(runs: dict[int, list[dict]]) -> None:
    """Draws the last loss by window, and the losses by seconds of training."""
    with figure(HERE / "bptt.png", columns=2, width=10) as (left, right):
        for n, seed in enumerate(SEEDS):
            ends = [list(each[n]["valid"].values())[-1] for each in runs.values()]
            left.plot(list(runs), ends, "o-", label=f"seed {seed}")
        left.set_xscale("log")
        left.set_xticks(list(runs), [str(window) for window in runs], minor=False)
        left.minorticks_off()
        left.set(xlabel="characters of a window", title=f"after {EPOCHS} epochs")
        left.set(ylabel="validation nats per character")
        for (window, each), color in zip(runs.items(), COLORS, strict=False):
            steps, losses = zip(*each[0]["valid"].items(), strict=True)
            seconds = [step * each[0]["step_ms"] / 1000 for step in steps]
            right.plot(seconds, losses, color=color, label=f"windows of {window}")
        right.set(
            xlabel="seconds of training", title=f"during training, seed {SEEDS[0]}"
        )


if __name__ == "__main__":
    main()
