"""A disk that is full at some moment of a run; then there is room, and it goes on."""

import contextlib
import random
import subprocess
from collections.abc import Iterator
from pathlib import Path

from doors import run
from outcome import BUG, IDENTICAL, REFUSED, Tally, is_one_line, result_of
from plans import Plan, every, made_text, undisturbed

MIB = 1 << 20


@contextlib.contextmanager
def small_disk(path: Path, size: int) -> Iterator[None]:
    """A file system of `size` bytes at `path`, for whoever may mount one."""
    path.mkdir(exist_ok=True)
    subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", path],
        check=True,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield
    finally:
        subprocess.run(["umount", path], check=True)


def may_mount(folder: Path) -> bool:
    """Whether this process may mount a file system."""
    try:
        with small_disk(folder / "disk", MIB):
            return True
    except (OSError, subprocess.CalledProcessError):
        return False


def fill_disk(times: int, draw: random.Random, folder: Path) -> Tally:
    """A run stops with its reason, its checkpoints good, and goes on when it can."""
    tally = Tally("disk full")
    plan = Plan(made_text(folder / "text.txt"), every(5, 10, 60))
    want = undisturbed(plan, folder / "whole")
    largest = max(p.stat().st_size for p in (folder / "whole").rglob("*"))
    mounts = may_mount(folder)
    for n in range(times):
        disk = folder / "disk"
        workdir = disk / "run"
        if mounts:
            size = draw.randrange(MIB // 64, MIB)
            what = f"a disk of {size} bytes"
            with small_disk(disk, size):
                done = plan.train(workdir)
                room = ["mount", "-o", f"remount,size={64 * MIB}", disk]
                subprocess.run(room, check=True)
                tally.add(_judge(plan, done, workdir, want), what)
        else:  # a quota of the process: of each file of its
            size = draw.randrange(1, largest)
            what = f"files of at most {size} bytes"
            workdir = folder / f"run-{n}"
            done = run("train", *plan.flags(workdir), file_size=size)
            tally.add(_judge(plan, done, workdir, want), what)
    return tally


def _judge(plan: Plan, done, workdir: Path, want) -> str:
    full = done.status != 0
    if full and (done.status != 2 or not is_one_line(last_line(done))):
        return f"{BUG}: {done.status} {done.err[-300:]}"
    again = plan.train(workdir)
    if again.status or result_of(workdir) != want:
        return f"{BUG}: with room again: {again.err[-300:]}; before: {done.err[-300:]}"
    return REFUSED if full else IDENTICAL


def last_line(done):
    """What was said last: before it, a run that has begun tells of its progress."""
    if "Traceback" in done.err:
        return done
    return done._replace(err="\n".join(done.err.splitlines()[-1:]))
