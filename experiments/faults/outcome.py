"""What may become of a fault: the same result, or one line and nothing changed."""

import json
import shutil
from collections import Counter
from pathlib import Path
from typing import Any

from doors import Done

from charlm.workdir.metadata import FOLDER, METADATA, list_steps
from charlm.workdir.metrics import read_metrics

IDENTICAL, REFUSED, BUG = "identical", "one line", "BUG"
TIMED = ("seconds", "chars_per_second")


class Tally:
    """The outcomes of a campaign, and the bugs in words."""

    def __init__(self, name: str):
        self.name, self.counts, self.bugs = name, Counter(), []

    def add(self, outcome: str, what: str = "") -> None:
        self.counts[outcome] += 1
        if outcome.startswith(BUG):
            self.bugs.append(f"{what}: {outcome}"[:1000])
            print(f"  {self.name}: {what}: {outcome[:400]}", flush=True)

    def row(self) -> dict[str, Any]:
        tries = sum(self.counts.values())
        bugs = len(self.bugs)
        counts = {name: self.counts[name] for name in (IDENTICAL, REFUSED)}
        return {"campaign": self.name, "tries": tries, **counts, "lost": bugs}


def result_of(workdir: Path) -> dict[str, Any]:
    """All that a run has made: the digests of its arrays, its records, its samples."""
    last = list_steps(workdir / FOLDER)[-1]
    kept = json.loads((workdir / FOLDER / str(last) / METADATA).read_bytes())
    records = [
        {key: value for key, value in record.items() if key not in TIMED}
        for record in read_metrics(workdir)
    ]
    samples = (workdir / "samples.txt").read_bytes()
    return {
        "step": last,
        "sha256": kept["custom_metadata"]["sha256"],
        "records": records,
        "samples": samples,
    }


def snapshot(folder: Path) -> dict[str, bytes | None]:
    """Every path below a folder, with the bytes of a file."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        if path.is_file()
        else None
        for path in folder.rglob("*")
    }


def is_one_line(done: Done) -> bool:
    """Whether a front door refused as it should: one line, and exit status 2."""
    lines = done.err.splitlines()
    return done.status == 2 and len(lines) == 1 and lines[0].startswith("error: ")


def judge_resume(done: Done, workdir: Path, before, want: dict[str, Any]) -> str:
    """The outcome of a run that went on in a harmed workdir."""
    if "Traceback" in done.err or done.status not in (0, 2):
        return f"{BUG}: status {done.status}: {done.err[-600:]}"
    if done.status == 0:
        got = result_of(workdir)
        wrong = [key for key in want if got[key] != want[key]]
        return f"{BUG}: {', '.join(wrong)} differ" if wrong else IDENTICAL
    if not is_one_line(done):
        return f"{BUG}: {done.err[-600:]}"
    after = snapshot(workdir)
    if after != before:
        changed = {k for k in {*before, *after} if before.get(k, 0) != after.get(k, 0)}
        return f"{BUG}: refused, and changed {sorted(changed)[:4]}: {done.err}"
    return REFUSED


def judge_read(done: Done, workdir: Path, before, want: str) -> str:
    """The outcome of a reading front door: what it prints is as ever, or one line."""
    if snapshot(workdir) != before:
        return f"{BUG}: a reader changed the workdir"
    if done.status == 0 and not done.err:
        return IDENTICAL if done.out == want else f"{BUG}: printed {done.out[:200]!r}"
    return REFUSED if is_one_line(done) else f"{BUG}: {done.status} {done.err[-600:]}"


def copy(source: Path, target: Path) -> Path:
    shutil.rmtree(target, ignore_errors=True)
    return Path(shutil.copytree(source, target))
