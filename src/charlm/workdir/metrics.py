"""metrics.jsonl, and the writers on it (TensorBoard)."""

import contextlib
import json
import math
import os
import sys
import time
from pathlib import Path
from typing import Any

from charlm.files import atomic_write

Record = dict[str, Any]
FILE = "metrics.jsonl"


class Metrics:
    """Appends records to a workdir's metrics.jsonl, one JSON object a line.

    Keys: step, epoch, split ("train" or "valid"), nats_per_char, bits_per_char, seconds
    (of training, those before a resume included); of "train" also chars_per_second,
    grad_norm, max_carry (the largest |state|) and learning_rate, its loss being the
    mean over the steps since the line before; of "valid" also worst_nats_per_char.
    """

    def __init__(self, workdir: str | os.PathLike, *, step: int = 0):
        """Opens the file of a run that continues at `step`; what lies past it goes."""
        self.path = Path(workdir) / FILE
        cut_back(self.path, step)
        self._file = self.path.open("a", encoding="utf-8")
        self._tensorboard = _tensorboard(Path(workdir) / "tensorboard", step)

    def write(self, record: Record) -> None:
        """Appends one record; a loss that is no number is written as null."""

        def is_nan(value):
            return isinstance(value, float) and not math.isfinite(value)

        clean = {k: None if is_nan(value) else value for k, value in record.items()}
        self._file.write(json.dumps(clean) + "\n")
        self._file.flush()
        if self._tensorboard:
            add, _ = self._tensorboard
            for key, value in clean.items():
                if isinstance(value, float):
                    add(f"{record['split']}/{key}", value, record["step"])

    def close(self) -> None:
        """Closes what is open."""
        self._file.close()
        if self._tensorboard:
            _, close = self._tensorboard
            close()


def read_metrics(workdir: str | os.PathLike) -> list[Record]:
    """The records of a workdir, in order; a last line cut short is left out."""
    path = Path(workdir) / FILE
    if not path.exists():
        return []
    records = []
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            record = json.loads(line)
        except (ValueError, RecursionError):
            continue
        if isinstance(record, dict) and type(record.get("step")) is int:
            records.append(record)
    return records


def cut_back(path: Path, step: int) -> None:
    """Drops the records of a metrics.jsonl that are past `step`, or broken off."""
    if not path.exists():
        return
    kept = [r for r in read_metrics(path.parent) if r["step"] <= step]
    text = "".join(json.dumps(record) + "\n" for record in kept)
    if text.encode() != path.read_bytes():
        atomic_write(path, text)


@contextlib.contextmanager
def _absent(package: str):
    """Within it, a package that was not imported before is as if not installed."""
    modules: dict[str, Any] = sys.modules
    hidden = package not in modules
    if hidden:
        modules[package] = None
    try:
        yield
    finally:
        if hidden:
            del modules[package]


def _tensorboard(folder: Path, step: int):
    """add(name, value, step) and close() of TensorBoard's file, if its extra is there.

    Not tensorboardX's SummaryWriter: the thread that it writes by ends when the clock
    jumps, and then the run waits for it for ever.
    """
    try:
        # It would import PyTorch, two seconds of every start, for tensors to show.
        with _absent("torch"):
            from tensorboardX.event_file_writer import EventsWriter
            from tensorboardX.proto import event_pb2
            from tensorboardX.summary import scalar
    except ImportError:
        return None
    made: Any = event_pb2  # whose classes are made as it is imported
    folder.mkdir(exist_ok=True)
    writer = EventsWriter(str(folder / "events"))

    def write(**what):
        writer.write_event(made.Event(wall_time=time.time(), **what))
        writer.flush()

    def add(name, value, step):
        write(step=step, summary=scalar(name, value))

    # What another run of this workdir wrote of later steps is not to be shown.
    write(step=step + 1, session_log=made.SessionLog(status=made.SessionLog.START))
    return add, writer.close
