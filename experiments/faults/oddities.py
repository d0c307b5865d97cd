"""Clocks that jump, folders that list in another order, two runs at once."""

import os
import random
import time
from pathlib import Path

from doors import Child, Done, door
from outcome import BUG, IDENTICAL, REFUSED, Tally, is_one_line, result_of
from plans import Plan, every, made_text, undisturbed


def jump_clocks(times: int, draw: random.Random, folder: Path) -> Tally:
    """The clock jumps to and fro, file times are any, folders list in any order."""
    tally = Tally("clocks and orders")
    plan = Plan(made_text(folder / "text.txt"), every(10, 20, 80))
    want = undisturbed(plan, folder / "whole")
    for n in range(times):
        workdir = folder / f"odd-{n}"
        seed = draw.random()
        steps = draw.choice([20, 40, 60])
        at_20 = {"train__eval_every": 40, "train__sample_every": 40}
        first = Child(door("train", *plan.flags(workdir, train__steps=steps, **at_20)))
        first.wait()
        for path in workdir.rglob("*"):
            moment = draw.uniform(0, 4e9)  # 1970 to 2096
            os.utime(path, (moment, moment))
        done = Child(_oddly(door("train", *plan.flags(workdir)), seed)).wait()
        refused = done.status == 2 and "Traceback" not in done.err
        if refused:  # a save that a jump made to look too long: the same command again
            done = plan.train(workdir)
        # The first part ended, and so was scored and sampled, where the whole was not.
        got = result_of(workdir) if done.status == 0 else {}
        same = got.get("sha256") == want["sha256"] and got["step"] == want["step"]
        outcome = REFUSED if refused else IDENTICAL
        what = f"{BUG}: {done.status} {done.err[-300:]}"
        tally.add(outcome if same else what, f"try {n}")
    return tally


def _oddly(main, seed):
    """`main` in a process whose clock is wrong and jumps, and whose folders are any."""

    def odd():
        draw = random.Random(seed)
        clock, names = time.time, os.listdir
        jump_at = clock() + draw.uniform(0, 4)
        before, after = draw.uniform(-1e9, 1e9), draw.uniform(-1e9, 1e9)

        def wrong():
            now = clock()
            return now + (before if now < jump_at else after)

        time.time, time.time_ns = wrong, lambda: int(wrong() * 1e9)
        os.listdir = lambda *given: draw.sample(found := names(*given), len(found))
        return main()

    return odd


def run_twins(times: int, draw: random.Random, folder: Path) -> Tally:
    """Two runs of one config in one workdir: one trains, the other is told so."""
    tally = Tally("two runs at once")
    plan = Plan(made_text(folder / "text.txt"), every(10, 20, 80))
    want = undisturbed(plan, folder / "whole")
    for n in range(times):
        workdir = folder / f"twins-{n}"
        twins = []
        for _ in range(2):
            twins.append(Child(door("train", *plan.flags(workdir))))
            time.sleep(draw.choice([0, draw.uniform(0, 2)]))
        ends = [twin.wait() for twin in twins]
        tally.add(_judge(ends, workdir, want), f"try {n}")
    return tally


def _judge(ends: list[Done], workdir: Path, want) -> str:
    refused = [done for done in ends if is_one_line(done)]
    told = all("is in use by process" in done.err for done in refused)
    well = [done for done in ends if done.status == 0]
    if not well or len(well) + len(refused) != 2 or not told:
        return f"{BUG}: {ends}"
    if result_of(workdir) != want:
        return f"{BUG}: the result differs: {ends}"
    return REFUSED if refused else IDENTICAL
