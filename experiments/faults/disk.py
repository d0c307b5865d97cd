"""Fills the disk at some moment of a run, then makes room and resumes the run."""

import contextlib
import random
import subprocess
from collections.abc import Iterator
from pathlib import Path

from experiments.faults.children import Exit, run_door
from experiments.faults.outcome import (
    BUG,
    IDENTICAL,
    REFUSED,
    Tally,
    is_refusal,
    read_result,
)
from experiments.faults.plans import Plan, make_options, write_text

MIB = 1 << 20


@contextlib.contextmanager
def mount_disk(path: Path, size: int) -> Iterator[None]:
    """Mounts a file system of `size` bytes at a path; this takes root's rights."""
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


def can_mount(folder: Path) -> bool:
    """Returns whether this process may mount a file system."""
    try:
        with mount_disk(folder / "disk", MIB):
            return True
    except (OSError, subprocess.CalledProcessError):
        return False


def fill_disk(times: int, rng: random.Random, folder: Path) -> Tally:
    """Trains on a disk that is too small.

    The run must stop with a reason, keep its checkpoints, and resume when there is
    room. A process that cannot mount a disk gets a limit on the size of each file.
    """
    tally = Tally("disk full")
    plan = Plan(write_text(folder / "text.txt"), make_options(5, 10, 60))
    expected = plan.train_undisturbed(folder / "whole")
    largest = max(p.stat().st_size for p in (folder / "whole").rglob("*"))
    has_disk = can_mount(folder)
    for n in range(times):
        if has_disk:
            disk = folder / "disk"
            workdir = disk / "run"
            size = rng.randrange(MIB // 64, MIB)
            fault = f"a disk of {size} bytes"
            with mount_disk(disk, size):
                end = plan.train(workdir)
                enlarge = ["mount", "-o", f"remount,size={64 * MIB}", disk]
                subprocess.run(enlarge, check=True)
                tally.add(_judge(plan, end, workdir, expected), fault)
        else:
            size = rng.randrange(1, largest)
            fault = f"files of at most {size} bytes"
            workdir = folder / f"run-{n}"
            end = run_door("train", *plan.make_flags(workdir), max_file_size=size)
            tally.add(_judge(plan, end, workdir, expected), fault)
    return tally


def _judge(plan: Plan, end: Exit, workdir: Path, expected) -> str:
    is_full = end.status != 0
    if is_full and not is_refusal(_drop_progress(end)):
        return f"{BUG}: {end.status} {end.err[-300:]}"
    again = plan.train(workdir)
    if again.status or read_result(workdir) != expected:
        return f"{BUG}: with room again: {again.err[-300:]}; before: {end.err[-300:]}"
    return REFUSED if is_full else IDENTICAL


def _drop_progress(end: Exit) -> Exit:
    """Returns an exit with the last line of standard error alone.

    The lines before it are a run's progress, unless there is a traceback.
    """
    if "Traceback" in end.err:
        return end
    return end._replace(err="\n".join(end.err.splitlines()[-1:]))
