"""Bytes flipped, files cut, emptied and taken away, in every file of a workdir."""

import os
import random
from collections.abc import Callable
from pathlib import Path

from doors import run
from outcome import Tally, copy, judge_read, judge_resume, snapshot
from plans import Plan, every, made_text, undisturbed

SAMPLE = ("--prompt=the ", "--length=40", "--seed=5")


def flip(path: Path, draw: random.Random) -> str:
    data = bytearray(path.read_bytes())
    place, bit = draw.randrange(len(data)), draw.randrange(8)
    data[place] ^= 1 << bit
    path.write_bytes(data)
    return f"bit {bit} of byte {place} flipped"


def cut(path: Path, draw: random.Random) -> str:
    size = draw.randrange(path.stat().st_size)
    os.truncate(path, size)
    return f"cut to {size} bytes"


def empty(path: Path, draw: random.Random) -> str:
    os.truncate(path, 0)
    return "emptied"


def zero(path: Path, draw: random.Random) -> str:
    """As a block that was never written, after the power failed."""
    data = bytearray(path.read_bytes())
    place = draw.randrange(len(data))
    data[place:] = bytes(len(data) - place)
    path.write_bytes(data)
    return f"zeros from byte {place} on"


HARMS: tuple[Callable[[Path, random.Random], str], ...] = (
    *(flip, flip, flip, flip),
    *(cut, cut, empty, zero),
)


def harm_files(times: int, draw: random.Random, folder: Path) -> Tally:
    """Each file in its turn, harmed in some way; then the run goes on or is read."""
    tally = Tally("a file harmed")
    at_20 = {"train.eval_every": 20, "train.sample_every": 20}
    plan = Plan(made_text(folder / "text.txt"), every(10, 20, 80, **at_20))
    want = undisturbed(plan, folder / "whole")
    source, workdir = folder / "source", folder / "harmed"
    plan.train(source, train__steps=60)
    printed = {
        name: run(name, f"--workdir={source}", *flags).out
        for name, flags in (("sample", SAMPLE), ("evaluate", ()))
    }
    paths = sorted(p for p in source.rglob("*") if p.is_file() and p.stat().st_size)
    for n in range(times):
        copy(source, workdir)
        path = workdir / paths[n % len(paths)].relative_to(source)
        how = draw.choice(HARMS)(path, draw)
        what = f"{path.relative_to(workdir)} {how}"
        before = snapshot(workdir)
        match draw.choice(["resume", "resume", "sample", "evaluate"]):
            case "resume":
                done = plan.train(workdir)
                outcome = judge_resume(done, workdir, before, want)
            case "sample":
                done = run("sample", f"--workdir={workdir}", *SAMPLE)
                outcome = judge_read(done, workdir, before, printed["sample"])
            case "evaluate":
                done = run("evaluate", f"--workdir={workdir}")
                outcome = judge_read(done, workdir, before, printed["evaluate"])
        tally.add(outcome, what)
    return tally
