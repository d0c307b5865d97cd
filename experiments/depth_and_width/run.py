"""python -m experiments.depth_and_width.run [--cells CELL ...] [--config.KNOB=VALUE]

Trains the cells of Karpathy, Johnson and Li's table that two cores can do, one on each
core, in --workdir/CELL; goes on where it was stopped. Writes results.json and
losses.png beside this file, and the table into README.md; of chosen cells, or with
other knobs, it is only shown.
"""

import argparse
import os
import queue
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from charlm.model.sharding import available_cores
from charlm.workdir.model_files import read_config
from experiments.corpus import ROOT, opened, scored
from experiments.depth_and_width.recipe import (
    ARCHITECTURES,
    VOCAB_SIZE,
    Architecture,
    get_flags,
)
from experiments.depth_and_width.widths import parameters
from experiments.report import keep, minutes, table
from experiments.style import BLACK, BLUE, picture

HERE = Path(__file__).parent
NEAR = 0.03  # nats per character


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--workdir", default="runs/depth_and_width")
    parser.add_argument("--cells", nargs="+", help="as in rnn-2-64; all by default")
    given, more = parser.parse_known_args()
    cells = [c for c in ARCHITECTURES if not given.cells or c.name in given.cells]
    if not cells:
        parser.error(f"--cells: choose among {' '.join(c.name for c in ARCHITECTURES)}")
    train_all(cells, ROOT / given.workdir, more)
    found = {cell: measured(cell, ROOT / given.workdir) for cell in sorted(cells)}
    blocks = [told(found), results_table(found), "![losses](losses.png)"]
    results = {cell.name: cell._asdict() | row for cell, row in found.items()}
    if not sys.argv[1:]:
        draw(found)
        keep(HERE, results, (f"{block}\n" for block in blocks))
    print("\n\n".join(blocks))


def train_all(cells: list[Architecture], workdir: Path, more: list[str]) -> None:
    """Trains cells, as many at a time as there are cores, each to its end."""
    cores: queue.SimpleQueue[int] = queue.SimpleQueue()
    pinned = hasattr(os, "sched_setaffinity")
    for core in os.sched_getaffinity(0) if pinned else range(available_cores()):
        cores.put(core)

    def on_one_core():
        if pinned:  # of this thread alone, and of the processes that it starts
            os.sched_setaffinity(threading.get_native_id(), {cores.get()})

    def train(cell):
        command = [sys.executable, "-m", "charlm.train"]
        command += ["--config=configs/war_and_peace.py", *get_flags(cell)]
        command += [f"--workdir={workdir / cell.name}", *more]
        done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
        print(cell.name, *done.stderr.splitlines()[-1:], file=sys.stderr)
        return done.returncode

    with ThreadPoolExecutor(cores.qsize(), initializer=on_one_core) as pool:
        if any(pool.map(train, cells)):
            sys.exit("error: a cell is not trained to its end; the same goes on")


def measured(cell: Architecture, workdir: Path) -> dict:
    """What came out of a cell's run."""
    run = opened(workdir / cell.name)
    return {
        "width": cell.width,
        "parameters": parameters(
            cell.cell, layers=cell.layers, width=cell.width, vocab_size=VOCAB_SIZE
        ),
        **scored(run),
        "paper": cell.paper,
        "epochs": read_config(run.workdir)["train"]["epochs"],
        "seconds": run.records[-1]["seconds"],
    }


def is_near(row: dict) -> bool:
    """Whether the test loss is the paper's or better, or little above it."""
    return row["test"] - row["paper"] <= NEAR


def told(found: dict[Architecture, dict]) -> str:
    near = sum(map(is_near, found.values()))
    better = sum(row["test"] < row["paper"] for row in found.values())
    spent = sum(row["seconds"] for row in found.values())
    return (
        f"{near} of {len(found)} cells are within {NEAR} of the paper or better, shown"
        f" **bold**; {better} are better. All were trained in {minutes(spent)} of one"
        " core."
    )


def results_table(found: dict[Architecture, dict]) -> str:
    head = ["budget", "layers", "cell", "width", "parameters", "epochs"]
    head += ["validation loss", "test loss", "the paper's", "difference", "one core"]
    rows = []
    for cell, row in found.items():
        off = row["test"] - row["paper"]
        test, difference = f"{row['test']:.4f}", f"{off:+.4f}"
        if is_near(row):
            test, difference = f"**{test}**", f"**{difference}**"
        line = [cell.budget, cell.layers, cell.cell.upper(), row["width"]]
        line += [row["parameters"], f"{row['epochs']:g}", row["valid"], test]
        rows.append([*line, f"{row['paper']:.3f}", difference, minutes(row["seconds"])])
    return table(head, rows)


def draw(found: dict[Architecture, dict]) -> None:
    """Each cell's test loss beside the paper's."""
    with picture(HERE / "losses.png", width=8) as axes:
        names = [f"{c.cell.upper()}-{c.layers}\n{c.budget}" for c in found]
        rows = list(found.values())
        places = range(len(rows))
        theirs = [row["paper"] for row in rows]
        axes.vlines(
            places, theirs, [row["test"] for row in rows], color=BLUE, alpha=0.4
        )
        axes.plot(places, theirs, "s", color=BLACK, label="the paper")
        axes.plot(
            places, [row["test"] for row in rows], "o", color=BLUE, label="charlm"
        )
        axes.set_xticks(places, names)
        title = "War and Peace, 80/10/10, by cell, layers and budget"
        axes.set(ylabel="test nats per character", title=title)


if __name__ == "__main__":
    main()
