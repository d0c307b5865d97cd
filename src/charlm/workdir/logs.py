"""The files that a run appends to, and how they stood when it was saved."""

import hashlib
import os
from pathlib import Path

from charlm.errors import UserError
from charlm.workdir.metrics import FILE as METRICS

SAMPLES = "samples.txt"
Marks = dict[str, list]  # of each file that is there: its bytes, and their SHA-256


def marks_of(workdir: Path) -> Marks:
    """How the logs stand now; what they hold is on the disk when this returns."""
    marks = {}
    for name in (METRICS, SAMPLES):
        path = workdir / name
        if path.exists():
            with path.open("rb") as file:
                os.fsync(file.fileno())
                data = file.read()
            marks[name] = [len(data), hashlib.sha256(data).hexdigest()]
    return marks


def check_logs(workdir: Path, marks: Marks) -> None:
    """Raises UserError if a log is there, and not what `marks` has, up to that size."""
    for name, (size, sha256) in marks.items():
        path = workdir / name
        if not path.exists():
            continue
        with path.open("rb") as file:
            data = file.read(size)
        if hashlib.sha256(data).hexdigest() != sha256:
            raise UserError(
                f"{path} is not as it was when the run was saved; put it back, or move"
                " it away to go on without its lines"
            )
