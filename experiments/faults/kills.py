"""kill -9 at random moments: in training, in saving, in encoding, in downloading."""

import random
import shutil
import tempfile
import time
from pathlib import Path

import numpy as np
from doors import Child, door
from outcome import BUG, IDENTICAL, Tally, result_of, snapshot
from plans import Plan, every, made_text, undisturbed

from charlm.workdir.metrics import read_metrics


def kill_training(times: int, draw: random.Random, folder: Path) -> Tally:
    """One run of a few thousand steps, killed again and again, then left to its end."""
    tally = Tally("killed in training")
    steps = max(200, 60 * times)
    plan = Plan(made_text(folder / "text.txt"), every(5, 20, steps))
    want = undisturbed(plan, folder / "whole")
    workdir = folder / "killed"
    for n in range(times):
        child = Child(door("train", *plan.flags(workdir)))
        if draw.random() < 0.3:  # as it starts
            time.sleep(draw.uniform(0, 1.5))
        else:  # after it has begun to train
            began = len(read_metrics(workdir))
            while len(read_metrics(workdir)) <= began and not child.ended():
                time.sleep(0.005)
            time.sleep(draw.uniform(0, 0.3))
        child.kill()
        done = child.wait()
        if done.status == 2 or "Traceback" in done.err:
            tally.add(f"{BUG}: {done.err[-600:]}", f"life {n}")
    done = plan.train(workdir)
    steps_of = [(r["step"], r["split"]) for r in read_metrics(workdir)]
    once = len(steps_of) == len(set(steps_of))
    same = done.status == 0 and result_of(workdir) == want and once
    for n in range(times):
        what = f"{BUG}: {done.err[-600:]}: the end differs"
        tally.add(IDENTICAL if same else what, f"life {n}")
    return tally


def kill_saving(times: int, draw: random.Random, folder: Path) -> Tally:
    """A process that does nothing but save; after each kill, what is there is whole."""
    tally = Tally("killed in saving")
    workdir = folder / "saved"

    def trees(step):
        rows = np.arange(200_000, dtype=np.float32) + step
        return {"params": {"w": rows}, "run": (np.full(50_000, step, np.int32),)}

    def save():
        from charlm.workdir.checkpoints import Checkpoints
        from charlm.workdir.metadata import FOLDER, list_steps

        with Checkpoints(workdir) as kept:
            step = [0, *list_steps(workdir / FOLDER)][-1]
            while True:
                step += 1
                kept.save(step, trees(step), notes={"at": step}, nats_per_char=1 / step)
                print(step, flush=True)

    def check():
        from charlm.workdir.checkpoints import restore_newest

        restored, wrong = restore_newest(workdir, trees(0))
        step, found, notes = restored
        assert not wrong and notes == {"at": step}, wrong
        assert (found["params"]["w"] == trees(step)["params"]["w"]).all()
        assert (found["run"][0] == step).all()
        print(step)

    first = 0
    for n in range(times):
        child = Child(save)
        time.sleep(draw.uniform(0.2, 1.2))
        child.kill()
        said = child.wait()
        told = [int(line) for line in said.out.split() if line.isdecimal()]
        first = max([first, *told])
        if not first:
            tally.add(IDENTICAL)  # before the first save: nothing to lose
            continue
        done = Child(check).wait()
        good = done.status == 0 and int(done.out) >= first
        tally.add(IDENTICAL if good else f"{BUG}: {done} after {first}", f"kill {n}")
        if good:
            first = int(done.out)
    return tally


def kill_encoding(times: int, draw: random.Random, folder: Path) -> Tally:
    """A text that is encoded for the first time; then it is used."""
    tally = Tally("killed in encoding")
    text = made_text(folder / "long.txt", 20_000_000)

    def encode(cache):
        def main():
            from charlm.data.corpus import open_corpus

            corpus = open_corpus(text, cache=cache)
            assert corpus.vocab.decode(corpus.ids[:1000]) == text.read_text()[:1000]
            print(len(corpus.ids), int(corpus.ids.sum(dtype=np.int64)))

        return main

    began = time.monotonic()
    want = Child(encode(folder / "cache-whole")).wait().out
    spent = time.monotonic() - began
    entries = set(snapshot(folder / "cache-whole"))
    for n in range(times):
        cache = Path(tempfile.mkdtemp(dir=folder))
        child = Child(encode(cache))
        time.sleep(draw.uniform(0, spent))
        child.kill()
        child.wait()
        done = Child(encode(cache)).wait()
        same = done.out == want and set(snapshot(cache)) == entries
        left = set(snapshot(cache)) - entries
        what = f"{BUG}: {done}, left {sorted(left)}"
        tally.add(IDENTICAL if same else what, f"kill {n}")
        shutil.rmtree(cache)
    return tally
