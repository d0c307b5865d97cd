"""The files that a run appends to, and how they stood when it was saved."""

import hashlib
import os
import re
from pathlib import Path

from charlm.errors import UserError
from charlm.workdir.metrics import FILE as METRICS

SAMPLES = "samples.txt"
LOGS = (METRICS, SAMPLES)
# How the two begin: {"step": 10, ... and === step 10, ...
FIRST = re.compile(rb'\{"step": (\d{1,18}),|=== step (\d{1,18}),')
Marks = dict[str, list]  # of each file that is there: its bytes, and their SHA-256


def log_checksums(workdir: Path) -> Marks:
    """How the logs stand now; what they hold is on the disk when this returns."""
    marks = {}
    for name in LOGS:
        path = workdir / name
        if path.exists():
            with path.open("rb") as file:
                os.fsync(file.fileno())
                data = file.read()
            marks[name] = [len(data), hashlib.sha256(data).hexdigest()]
    return marks


def check_logs(workdir: Path, marks: Marks, step: int) -> None:
    """Raises UserError if a log is there, and not what `marks` has, up to that size.

    One that was moved away is no error, and neither is one that was begun since.

    Args:
      workdir: of a run.
      marks: of its checkpoint.
      step: of that checkpoint.
    """
    for path, mark in _marked(workdir, marks):
        if _differs(path, mark) and not _begun_after(path, step):
            raise UserError(
                f"{path} is not as it was when the run was saved; put it back, or move"
                " it away to go on without its lines"
            )


def remove_logs_started_after(workdir: Path, marks: Marks, step: int) -> None:
    """Removes logs that were moved away and begun again after the checkpoint."""
    for path, mark in _marked(workdir, marks):
        if _differs(path, mark) and _begun_after(path, step):
            path.unlink()


def _marked(workdir: Path, marks: Marks) -> list[tuple[Path, list]]:
    """The logs that have a mark. What else a stranger's marks name is no log."""
    return [(workdir / name, marks[name]) for name in LOGS if name in marks]


def _differs(path: Path, mark: list) -> bool:
    size, sha256 = mark
    if not path.is_file():
        return path.exists()
    if path.stat().st_size < size:
        return True
    with path.open("rb") as file:
        return hashlib.sha256(file.read(size)).hexdigest() != sha256


def _begun_after(path: Path, step: int) -> bool:
    """Whether a log's first line is of a later step."""
    if not path.is_file():
        return False
    with path.open("rb") as file:
        found = FIRST.match(file.read(200))
    return bool(found) and int(found[1] or found[2]) > step
