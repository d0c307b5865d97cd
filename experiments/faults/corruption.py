"""Damages the files of a workdir: flips bits, and cuts, empties and zeroes files.

A changed byte of a checkpoint is detected. config.json, vocab.json, metrics.jsonl and
samples.txt have no checksum, since people may edit them: their contents are used.
"""

import os
import random
from collections.abc import Callable
from pathlib import Path

from experiments.faults.children import run_door
from experiments.faults.outcome import (
    Tally,
    copy_folder,
    judge_read,
    judge_resume,
    take_snapshot,
)
from experiments.faults.plans import Plan, make_options, write_text

SAMPLE_FLAGS = ("--prompt=the ", "--length=40", "--seed=5")


def flip(path: Path, rng: random.Random) -> str:
    data = bytearray(path.read_bytes())
    place, bit = rng.randrange(len(data)), rng.randrange(8)
    data[place] ^= 1 << bit
    path.write_bytes(data)
    return f"bit {bit} of byte {place} flipped"


def cut(path: Path, rng: random.Random) -> str:
    size = rng.randrange(path.stat().st_size)
    os.truncate(path, size)
    return f"cut to {size} bytes"


def empty(path: Path, rng: random.Random) -> str:
    os.truncate(path, 0)
    return "emptied"


def zero(path: Path, rng: random.Random) -> str:
    """Zeroes the end of a file, as a power failure before the write does."""
    data = bytearray(path.read_bytes())
    place = rng.randrange(len(data))
    data[place:] = bytes(len(data) - place)
    path.write_bytes(data)
    return f"zeros from byte {place} on"


# Each damages a file and returns what it did.
DAMAGES: tuple[Callable[[Path, random.Random], str], ...] = (
    *(flip, flip, flip, flip),
    *(cut, cut, empty, zero),
)


# The front doors that follow: not those whose output the contents of a file decide.
ALL_USES = ("resume", "resume", "sample", "evaluate")
USES = {"config.json": ("resume", "sample"), "vocab.json": ("resume", "evaluate")}
# The part of a run's result that is what a file holds.
CONTENTS = {"metrics.jsonl": "records", "samples.txt": "samples"}


def corrupt_files(times: int, rng: random.Random, folder: Path) -> Tally:
    """Damages each file in turn, then resumes the run or reads the workdir."""
    tally = Tally("a file corrupted")
    at_20 = {"train.eval_every": 20, "train.sample_every": 20}
    options = make_options(10, 20, 80, **at_20)
    plan = Plan(write_text(folder / "text.txt"), options)
    expected = plan.train_undisturbed(folder / "whole")
    source, workdir = folder / "source", folder / "damaged"
    plan.train(source, train__steps=60)
    readers = {"sample": SAMPLE_FLAGS, "evaluate": ()}
    printed = {
        name: run_door(name, f"--workdir={source}", *flags).out
        for name, flags in readers.items()
    }
    paths = sorted(p for p in source.rglob("*") if p.is_file() and p.stat().st_size)
    for n in range(times):
        copy_folder(source, workdir)
        path = workdir / paths[n % len(paths)].relative_to(source)
        damage = rng.choice(DAMAGES)(path, rng)
        before = take_snapshot(workdir)
        name = rng.choice(USES.get(path.name, ALL_USES))
        if name == "resume":
            contents = CONTENTS.get(path.name)
            rest = {key: expected[key] for key in expected if key != contents}
            outcome = judge_resume(plan.train(workdir), workdir, before, rest)
        else:
            end = run_door(name, f"--workdir={workdir}", *readers[name])
            outcome = judge_read(end, workdir, before, printed[name])
        tally.add(outcome, f"{path.relative_to(workdir)} {damage}")
    return tally
