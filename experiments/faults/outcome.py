"""Judges the outcome of a fault: the same result, or one line and no change."""

import json
import shutil
from collections import Counter
from pathlib import Path
from typing import Any

from charlm.workdir.metadata import FOLDER, METADATA, list_steps
from charlm.workdir.metrics import read_metrics
from experiments.faults.children import Exit

IDENTICAL, REFUSED, BUG = "identical", "one line", "BUG"
TIME_KEYS = ("seconds", "chars_per_second")  # of a record, which differ in each run
Snapshot = dict[str, bytes | None]


class Tally:
    """The outcomes of a campaign, and its bugs in words."""

    def __init__(self, name: str):
        self.name, self.counts, self.bugs = name, Counter(), []

    def add(self, outcome: str, fault: str = "") -> None:
        """Counts an outcome, and prints it with its fault if it is a bug."""
        self.counts[outcome] += 1
        if outcome.startswith(BUG):
            self.bugs.append(f"{fault}: {outcome}"[:1000])
            print(f"  {self.name}: {fault}: {outcome[:400]}", flush=True)

    def make_row(self) -> dict[str, Any]:
        """Returns the campaign's row of the table."""
        tries = sum(self.counts.values())
        bugs = len(self.bugs)
        counts = {name: self.counts[name] for name in (IDENTICAL, REFUSED)}
        return {"campaign": self.name, "tries": tries, **counts, "lost": bugs}


def read_result(workdir: Path) -> dict[str, Any]:
    """Returns the digests of a run's arrays, its records and its samples."""
    last = list_steps(workdir / FOLDER)[-1]
    metadata = json.loads((workdir / FOLDER / str(last) / METADATA).read_bytes())
    records = [
        {key: value for key, value in record.items() if key not in TIME_KEYS}
        for record in read_metrics(workdir)
    ]
    return {
        "step": last,
        "sha256": metadata["custom_metadata"]["sha256"],
        "records": records,
        "samples": (workdir / "samples.txt").read_bytes(),
    }


def take_snapshot(folder: Path) -> Snapshot:
    """Returns every path below a folder, with the bytes of a file."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        if path.is_file()
        else None
        for path in folder.rglob("*")
    }


def is_refusal(end: Exit) -> bool:
    """Returns whether a front door printed one line of error, with exit status 2."""
    lines = end.err.splitlines()
    return end.status == 2 and len(lines) == 1 and lines[0].startswith("error: ")


def judge_resume(
    end: Exit, workdir: Path, before: Snapshot, expected: dict[str, Any]
) -> str:
    """Returns the outcome of a run that resumed in a damaged workdir.

    Args:
      end: of the run.
      workdir: its folder.
      before: what the folder held before.
      expected: the result of a run without a fault.
    """
    if "Traceback" in end.err or end.status not in (0, 2):
        return f"{BUG}: status {end.status}: {end.err[-600:]}"
    if end.status == 0:
        result = read_result(workdir)
        wrong = [key for key in expected if result[key] != expected[key]]
        return f"{BUG}: {', '.join(wrong)} differ" if wrong else IDENTICAL
    if not is_refusal(end):
        return f"{BUG}: {end.err[-600:]}"
    after = take_snapshot(workdir)
    if after != before:
        changed = {k for k in {*before, *after} if before.get(k, 0) != after.get(k, 0)}
        return f"{BUG}: refused, and changed {sorted(changed)[:4]}: {end.err}"
    return REFUSED


def judge_read(end: Exit, workdir: Path, before: Snapshot, expected: str) -> str:
    """Returns the outcome of a front door that only reads.

    Args:
      end: of the front door.
      workdir: what it read.
      before: what the folder held before.
      expected: what it prints of an undamaged workdir.
    """
    if take_snapshot(workdir) != before:
        return f"{BUG}: a reader changed the workdir"
    if end.status == 0 and ": checkpoint of step " in end.err:  # all that it says
        is_same = end.out == expected and len(end.err.splitlines()) == 1
        return IDENTICAL if is_same else f"{BUG}: printed {end.out[:200]!r}"
    return REFUSED if is_refusal(end) else f"{BUG}: {end.status} {end.err[-600:]}"


def copy_folder(source: Path, target: Path) -> None:
    """Replaces the target with a copy of the source."""
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(source, target)
