"""Starts two runs in one workdir."""

import random
import time
from pathlib import Path

from experiments.faults.children import Child, Exit, make_door
from experiments.faults.outcome import (
    BUG,
    IDENTICAL,
    REFUSED,
    Tally,
    is_refusal,
    read_result,
)
from experiments.faults.plans import Plan, make_options, write_text


def run_two(times: int, rng: random.Random, folder: Path) -> Tally:
    """Starts two runs of a config in one workdir: one trains, the other is refused."""
    tally = Tally("two runs at once")
    plan = Plan(write_text(folder / "text.txt"), make_options(10, 20, 80))
    expected = plan.train_undisturbed(folder / "whole")
    for n in range(times):
        workdir = folder / f"run-{n}"
        children = []
        for _ in range(2):
            children.append(Child(make_door("train", *plan.make_flags(workdir))))
            time.sleep(rng.choice([0, rng.uniform(0, 2)]))
        ends = [child.wait() for child in children]
        tally.add(_judge(ends, workdir, expected), f"try {n}")
    return tally


def _judge(ends: list[Exit], workdir: Path, expected) -> str:
    refusals = [end for end in ends if is_refusal(end)]
    name_the_lock = all("is in use by process" in end.err for end in refusals)
    successes = [end for end in ends if end.status == 0]
    if not successes or len(successes) + len(refusals) != 2 or not name_the_lock:
        return f"{BUG}: {ends}"
    if read_result(workdir) != expected:
        return f"{BUG}: the result differs: {ends}"
    return REFUSED if refusals else IDENTICAL
