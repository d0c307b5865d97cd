"""The logs of a run: metrics.jsonl, TensorBoard beside it, samples.txt."""

import json
import math
import os
import re
import sys
import time
from pathlib import Path
from typing import Any

Record = dict[str, Any]
FILE = "metrics.jsonl"
SAMPLES = "samples.txt"  # texts, each under a line with its step
TITLE = re.compile(rb"^=== step (\d{1,18}), epoch ", re.MULTILINE)


class Logs:
    """Appends records to metrics.jsonl, one JSON object a line, and to samples.txt.

    Keys: step, epoch, split ("train" or "valid"), nats_per_char, bits_per_char, seconds
    (of training, those before a resume included); of "train" also chars_per_second,
    grad_norm, max_carry (the largest |state|) and learning_rate, its loss being the
    mean over the steps since the line before; of "valid" also worst_nats_per_char.
    """

    def __init__(self, workdir: str | os.PathLike, *, step: int = 0):
        """Opens the logs of a run that continues at `step`; what is later is cut."""
        self._metrics, self._samples = Path(workdir) / FILE, Path(workdir) / SAMPLES
        truncate(self._metrics, step)
        _truncate_samples(self._samples, step)
        events = _open_tensorboard(Path(workdir) / "tensorboard", step)
        self._add_scalar, self.close = events

    def write(self, record: Record) -> None:
        """Appends one record; a loss that is not finite is written as null."""

        def is_nan(value):
            return isinstance(value, float) and not math.isfinite(value)

        clean = {k: None if is_nan(value) else value for k, value in record.items()}
        with self._metrics.open("a", encoding="utf-8", newline="") as file:
            file.write(json.dumps(clean) + "\n")
        for key, value in clean.items():
            if isinstance(value, float):
                self._add_scalar(f"{record['split']}/{key}", value, record["step"])

    def write_sample(self, title: str, text: str) -> None:
        """Appends a text under its title, which begins with `step N, epoch E`."""
        with self._samples.open("ab") as file:
            file.write(f"=== {title} ===\n{text}\n\n".encode())


def read_metrics(workdir: str | os.PathLike) -> list[Record]:
    """Returns the records of a workdir, in order, without lines that are none."""
    path = Path(workdir) / FILE
    data = path.read_bytes() if path.exists() else b""
    lines = data.split(b"\n")  # no other character ends a line
    return [record for line in lines if (record := parse_record(line))]


def parse_record(line: str | bytes) -> Record | None:
    """Returns the record of a line, or None."""
    try:
        record = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if isinstance(record, dict) and type(record.get("step")) is int:
        return record
    return None


def truncate(path: Path, step: int) -> None:
    """Cuts a metrics.jsonl at its first record past `step`, or a broken last line."""
    data = path.read_bytes() if path.exists() else b""
    end = 0
    for line in data.split(b"\n")[:-1]:  # what follows the last newline is broken
        record = parse_record(line)
        if record and record["step"] > step:
            break
        end += len(line) + 1
    if end < len(data):
        os.truncate(path, end)


def _truncate_samples(path: Path, step: int) -> None:
    """Cuts a samples.txt at its first sample past `step`."""
    data = path.read_bytes() if path.exists() else b""
    for title in TITLE.finditer(data):
        if int(title[1]) > step:
            return os.truncate(path, title.start())


def _open_tensorboard(folder: Path, step: int):
    """Returns add(name, value, step) and close() of an event file.

    They do nothing where tensorboardX is not installed. It is not its SummaryWriter,
    whose thread ends when the clock jumps, and then the run waits for it forever.
    """
    modules: dict[str, Any] = sys.modules
    # It would import PyTorch, two seconds of every start, to show tensors. To Python, a
    # module that is None is not installed.
    hidden = modules.setdefault("torch", None) is None
    try:
        from tensorboardX.event_file_writer import EventsWriter
        from tensorboardX.proto import event_pb2
        from tensorboardX.summary import scalar
    except ImportError:
        return lambda *_: None, lambda: None
    finally:
        if hidden:
            del modules["torch"]
    proto: Any = event_pb2  # its classes are made when it is imported
    folder.mkdir(exist_ok=True)
    writer = EventsWriter(str(folder / "events"))

    def add(step, **values):
        writer.write_event(proto.Event(step=step, wall_time=time.time(), **values))
        writer.flush()

    # Later steps of another run of this workdir are not to be shown.
    add(step + 1, session_log=proto.SessionLog(status=proto.SessionLog.START))
    return lambda name, x, step: add(step, summary=scalar(name, x)), writer.close
