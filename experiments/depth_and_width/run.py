"""Trains the small architectures of Karpathy, Johnson and Li's table.

python -m experiments.depth_and_width.run [--architectures NAME ...]
  [--config.OPTION=VALUE]

It trains one architecture on each core, in --workdir/NAME, and resumes those that were
stopped. It writes results.json and losses.png beside this file, and the table into
README.md; with any argument, it only prints the table.
"""

import argparse
import os
import queue
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from charlm.model.sharding import count_cores
from charlm.workdir.model_files import read_config
from experiments.corpus import ROOT, load_run, score_run
from experiments.depth_and_width.recipe import (
    ARCHITECTURES,
    VOCAB_SIZE,
    Architecture,
    get_flags,
)
from experiments.depth_and_width.widths import count_parameters
from experiments.report import format_duration, table, write_report
from experiments.style import BLACK, BLUE, figure

HERE = Path(__file__).parent
TOLERANCE = 0.03  # nats per character


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--workdir", default="runs/depth_and_width")
    parser.add_argument("--architectures", nargs="+", help="rnn-2-64 ...; default all")
    arguments, flags = parser.parse_known_args()
    names = arguments.architectures or [each.name for each in ARCHITECTURES]
    chosen = [each for each in ARCHITECTURES if each.name in names]
    if not chosen:
        parser.error(
            f"--architectures: choose from {' '.join(a.name for a in ARCHITECTURES)}"
        )
    folder = ROOT / arguments.workdir
    train_all(chosen, folder, flags)
    results = {each: measure_run(each, folder) for each in sorted(chosen)}
    blocks = [summarize(results), results_table(results), "![losses](losses.png)"]
    if not sys.argv[1:]:
        draw_losses(results)
        records = {each.name: each._asdict() | row for each, row in results.items()}
        write_report(HERE, records, blocks)
    print("\n\n".join(blocks))


def train_all(
    architectures: list[Architecture], folder: Path, flags: list[str]
) -> None:
    """Trains architectures to their ends, as many at a time as there are cores.

    Args:
      architectures: in the order in which they start.
      folder: holds the workdirs.
      flags: more flags of charlm.train.
    """
    cores: queue.SimpleQueue[int] = queue.SimpleQueue()
    can_pin = hasattr(os, "sched_setaffinity")
    for core in os.sched_getaffinity(0) if can_pin else range(count_cores()):
        cores.put(core)

    def pin_to_core():
        if can_pin:  # this thread alone, and the processes that it starts
            os.sched_setaffinity(threading.get_native_id(), {cores.get()})

    def train(architecture):
        command = [sys.executable, "-m", "charlm.train"]
        command += ["--config=configs/war_and_peace.py", *get_flags(architecture)]
        command += [f"--workdir={folder / architecture.name}", *flags]
        done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
        print(architecture.name, *done.stderr.splitlines()[-1:], file=sys.stderr)
        return done.returncode

    with ThreadPoolExecutor(cores.qsize(), initializer=pin_to_core) as pool:
        if any(pool.map(train, architectures)):
            sys.exit("error: not every run has ended; the same command resumes them")


def measure_run(architecture: Architecture, folder: Path) -> dict:
    """Returns the size, the losses and the time of an architecture's run."""
    run = load_run(folder / architecture.name)
    return {
        "width": architecture.width,
        "parameters": count_parameters(
            architecture.cell,
            layers=architecture.layers,
            width=architecture.width,
            vocab_size=VOCAB_SIZE,
        ),
        **score_run(run),
        "paper": architecture.paper,
        "epochs": read_config(run.workdir).train.epochs,
        "seconds": run.records[-1]["seconds"],
    }


def is_near(row: dict) -> bool:
    """Returns whether a test loss is at most TOLERANCE above the paper's."""
    return row["test"] - row["paper"] <= TOLERANCE


def summarize(results: dict[Architecture, dict]) -> str:
    """Returns the outcome in words."""
    near = sum(map(is_near, results.values()))
    better = sum(row["test"] < row["paper"] for row in results.values())
    seconds = sum(row["seconds"] for row in results.values())
    return (
        f"{near} of {len(results)} architectures are within {TOLERANCE} of the paper or"
        f" better, shown **bold**; {better} are better. All were trained in"
        f" {format_duration(seconds)} of one core."
    )


def results_table(results: dict[Architecture, dict]) -> str:
    """Returns a table with a row for each architecture."""
    head = ["budget", "layers", "cell", "width", "parameters", "epochs"]
    head += ["validation loss", "test loss", "the paper's", "difference", "one core"]
    rows = []
    for architecture, row in results.items():
        budget, layers, cell = architecture
        margin = row["test"] - row["paper"]
        test, difference = f"{row['test']:.4f}", f"{margin:+.4f}"
        if is_near(row):
            test, difference = f"**{test}**", f"**{difference}**"
        line = [budget, layers, cell.upper(), row["width"], row["parameters"]]
        line += [f"{row['epochs']:g}", row["valid"], test, f"{row['paper']:.3f}"]
        rows.append([*line, difference, format_duration(row["seconds"])])
    return table(head, rows)


def draw_losses(results: dict[Architecture, dict]) -> None:
    """Draws the test losses beside the paper's."""
    with figure(HERE / "losses.png", width=8) as axes:
        names = [f"{a.cell.upper()}-{a.layers}\n{a.budget}" for a in results]
        places = range(len(results))
        paper = [row["paper"] for row in results.values()]
        ours = [row["test"] for row in results.values()]
        axes.vlines(places, paper, ours, color=BLUE, alpha=0.4)
        axes.plot(places, paper, "s", color=BLACK, label="the paper")
        axes.plot(places, ours, "o", color=BLUE, label="charlm")
        axes.set_xticks(places, names)
        title = "War and Peace, 80/10/10, by cell, layers and budget"
        axes.set(ylabel="test nats per character", title=title)


if __name__ == "__main__":
    main()
