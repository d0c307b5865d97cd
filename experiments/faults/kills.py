"""Kills processes at random moments of training, saving and encoding."""

import random
import shutil
import tempfile
import time
from pathlib import Path

import numpy as np

from charlm.workdir.metrics import read_metrics
from experiments.faults.children import Child, make_door
from experiments.faults.outcome import (
    BUG,
    IDENTICAL,
    Tally,
    read_result,
    take_snapshot,
)
from experiments.faults.plans import Plan, make_options, write_text


def kill_training(times: int, rng: random.Random, folder: Path) -> Tally:
    """Kills one run of a few thousand steps again and again, then lets it end."""
    tally = Tally("killed in training")
    total = max(200, 60 * times)  # steps
    plan = Plan(write_text(folder / "text.txt"), make_options(5, 20, total))
    expected = plan.train_undisturbed(folder / "whole")
    workdir = folder / "killed"
    for n in range(times):
        child = Child(make_door("train", *plan.make_flags(workdir)))
        if rng.random() < 0.3:  # as it starts
            time.sleep(rng.uniform(0, 1.5))
        else:  # once it trains
            count = len(read_metrics(workdir))
            while len(read_metrics(workdir)) <= count and not child.has_ended():
                time.sleep(0.005)
            time.sleep(rng.uniform(0, 0.3))
        child.kill()
        end = child.wait()
        if end.status == 2 or "Traceback" in end.err:
            tally.add(f"{BUG}: {end.err[-600:]}", f"kill {n}")
    end = plan.train(workdir)
    steps = [(r["step"], r["split"]) for r in read_metrics(workdir)]
    are_unique = len(steps) == len(set(steps))
    is_same = end.status == 0 and read_result(workdir) == expected and are_unique
    for n in range(times):
        bug = f"{BUG}: {end.err[-600:]}: the end differs"
        tally.add(IDENTICAL if is_same else bug, f"kill {n}")
    return tally


def kill_saving(times: int, rng: random.Random, folder: Path) -> Tally:
    """Kills a process that only saves; what is there after each kill is whole."""
    tally = Tally("killed in saving")
    workdir = folder / "saves"

    def make_trees(step):
        rows = np.arange(200_000, dtype=np.float32) + step
        return {"params": {"w": rows}, "run": (np.full(50_000, step, np.int32),)}

    def save():
        from charlm.workdir import checkpoints
        from charlm.workdir.metadata import FOLDER, list_steps

        step = [0, *list_steps(workdir / FOLDER)][-1]
        while True:
            step += 1
            trees, notes = make_trees(step), {"at": step}
            checkpoints.save(workdir, step, trees, notes=notes, nats_per_char=1 / step)
            print(step, flush=True)

    def check():
        from charlm.workdir.checkpoints import restore_newest

        restored, wrong = restore_newest(workdir, make_trees(0))
        assert restored, "there is no checkpoint"
        step, trees, notes = restored
        assert not wrong and notes == {"at": step}, wrong
        assert (trees["params"]["w"] == make_trees(step)["params"]["w"]).all()
        assert (trees["run"][0] == step).all()
        print(step)

    saved = 0  # the last step that is known to be saved
    for n in range(times):
        child = Child(save)
        time.sleep(rng.uniform(0.2, 1.2))
        child.kill()
        steps = [int(line) for line in child.wait().out.split() if line.isdecimal()]
        saved = max([saved, *steps])
        if not saved:
            tally.add(IDENTICAL)  # before the first save there is nothing to lose
            continue
        end = Child(check).wait()
        is_whole = end.status == 0 and int(end.out) >= saved
        bug = f"{BUG}: {end} after {saved}"
        tally.add(IDENTICAL if is_whole else bug, f"kill {n}")
        if is_whole:
            saved = int(end.out)
    return tally


def kill_encoding(times: int, rng: random.Random, folder: Path) -> Tally:
    """Kills a process that encodes a text for the first time; then the text is read."""
    tally = Tally("killed in encoding")
    text = write_text(folder / "long.txt", 20_000_000)

    def make_encoder(cache):
        def main():
            from charlm.data.corpus import open_corpus

            corpus = open_corpus(text, cache=cache)
            assert corpus.vocab.decode(corpus.ids[:1000]) == text.read_text()[:1000]
            print(len(corpus.ids), int(corpus.ids.sum(dtype=np.int64)))

        return main

    start = time.monotonic()
    expected = Child(make_encoder(folder / "cache-whole")).wait().out
    seconds = time.monotonic() - start
    entries = set(take_snapshot(folder / "cache-whole"))
    for n in range(times):
        cache = Path(tempfile.mkdtemp(dir=folder))
        child = Child(make_encoder(cache))
        time.sleep(rng.uniform(0, seconds))
        child.kill()
        child.wait()
        end = Child(make_encoder(cache)).wait()
        paths = set(take_snapshot(cache))
        is_same = end.out == expected and paths == entries
        bug = f"{BUG}: {end}, left {sorted(paths - entries)}"
        tally.add(IDENTICAL if is_same else bug, f"kill {n}")
        shutil.rmtree(cache)
    return tally
