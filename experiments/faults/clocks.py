"""Resumes runs while the clock jumps and folders list in another order."""

import os
import random
import time
from pathlib import Path

from experiments.faults.children import Child, make_door
from experiments.faults.outcome import BUG, IDENTICAL, REFUSED, Tally, read_result
from experiments.faults.plans import Plan, make_options, write_text


def jump_clocks(times: int, rng: random.Random, folder: Path) -> Tally:
    """Trains a part of a run, gives its files any times, and resumes it.

    While it resumes, the clock jumps, and folders list in a random order.
    """
    tally = Tally("clocks and orders")
    plan = Plan(write_text(folder / "text.txt"), make_options(10, 20, 80))
    expected = plan.train_undisturbed(folder / "whole")
    for n in range(times):
        workdir = folder / f"run-{n}"
        seed = rng.random()
        steps = rng.choice([20, 40, 60])
        at_40 = {"train__eval_every": 40, "train__sample_every": 40}
        plan.train(workdir, train__steps=steps, **at_40)
        for path in workdir.rglob("*"):
            moment = rng.uniform(0, 4e9)  # 1970 to 2096
            os.utime(path, (moment, moment))
        main = make_door("train", *plan.make_flags(workdir))
        end = Child(_disorder(main, seed)).wait()
        is_refused = end.status == 2 and "Traceback" not in end.err
        if is_refused:  # a jump made a save look too long; the same command resumes
            end = plan.train(workdir)
        # The first part had an end of its own, with a score and a sample, so that
        # records and samples differ from those of the whole run.
        result = read_result(workdir) if end.status == 0 else {}
        is_same = all(result.get(key) == expected[key] for key in ("sha256", "step"))
        outcome = REFUSED if is_refused else IDENTICAL
        bug = f"{BUG}: {end.status} {end.err[-300:]}"
        tally.add(outcome if is_same else bug, f"try {n}")
    return tally


def _disorder(main, seed):
    """Returns `main` in a process with a wrong clock and with folders in any order."""

    def run():
        rng = random.Random(seed)
        read_clock, list_names = time.time, os.listdir
        jump_at = read_clock() + rng.uniform(0, 4)
        before, after = rng.uniform(-1e9, 1e9), rng.uniform(-1e9, 1e9)

        def read_wrong_clock():
            now = read_clock()
            return now + (before if now < jump_at else after)

        def list_shuffled(*arguments):
            names = list_names(*arguments)
            return rng.sample(names, len(names))

        time.time = read_wrong_clock
        time.time_ns = lambda: int(read_wrong_clock() * 1e9)
        os.listdir = list_shuffled
        return main()

    return run
