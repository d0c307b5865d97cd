"""The checkpoints that a workdir has, and the metadata beside their arrays."""

import contextlib
import errno
import json
import math
import os
import re
from pathlib import Path
from typing import Any

from charlm.errors import UserError
from charlm.files import changed_files

FORMAT = 1  # of a checkpoint; raised when an older one could not be read
FOLDER = "checkpoints"
STEP = re.compile("0|[1-9][0-9]{0,17}")
METADATA = "_CHECKPOINT_METADATA"  # Orbax's name for the file that keeps ours as well


class IncompatibleCheckpoint(UserError):
    """A checkpoint that is whole, and of another format, model or optimizer."""


class UnreadableCheckpoint(UserError):
    """A checkpoint that this process cannot read, and that may be whole."""


class DamagedCheckpoint(UserError):
    """A checkpoint that is not what was saved; the message names another one."""

    def __init__(self, path: Path, problem: str):
        others = [step for step in list_steps(path.parent) if str(step) != path.name]
        also = f"of step {others[-1]}, if that is whole" if others else "elsewhere"
        super().__init__(
            f"checkpoint {path.name} of {path.parent.parent} is damaged: {problem};"
            f" use another, {also}"
        )


def list_steps(folder: Path) -> list[int]:
    """Returns the steps that a folder has checkpoints of, in rising order."""
    if not folder.is_dir():
        return []
    names = (entry.name for entry in folder.iterdir() if entry.is_dir())
    return sorted(int(name) for name in names if STEP.fullmatch(name))


def choose_step(workdir: str | os.PathLike, which: str | int = "best") -> int:
    """Returns the step of one of a workdir's checkpoints.

    Args:
      workdir: of a run.
      which: "best" (by validation loss; the latest, if none was measured), "latest", or
        a step.

    Raises:
      UserError: there is none, or not that one; or the best is unknown, since one of
        them is damaged.
    """
    folder = Path(workdir) / FOLDER
    steps = list_steps(folder)
    if not steps:
        raise UserError(
            f"{workdir} has no checkpoint; train first, with charlm.train"
            f" --workdir={workdir}"
        )
    if which == "best":
        losses = {step: read_loss(folder / str(step)) for step in steps}
        return min(steps, key=lambda step: (losses[step], -step))
    if which == "latest":
        return steps[-1]
    if str(which).isdecimal() and int(which) in steps:
        return int(which)
    shown = ", ".join(map(str, steps))
    raise UserError(
        f"{workdir} has no checkpoint {which!r}; it has {shown}: choose one of them,"
        " best or latest"
    )


def read_newest(workdir: str | os.PathLike) -> tuple[int, dict[str, Any]]:
    """Returns the newest whole checkpoint's (step, metadata), or (0, {}) without any.

    Raises UserError if there are some and none is whole, and IncompatibleCheckpoint if
    it has another format.
    """
    folder = Path(workdir) / FOLDER
    steps = list_steps(folder)
    for step in reversed(steps):
        with contextlib.suppress(DamagedCheckpoint):  # it is named when it is restored
            return step, read_metadata(folder / str(step))
    if steps:
        raise UserError(
            f"no checkpoint of {workdir} can be read; train in another workdir"
        )
    return 0, {}


def read_metadata(path: Path, *, check_all: bool = True) -> dict[str, Any]:
    """Returns the metadata of the checkpoint at `path`.

    Its "sha256" has a digest for each tree: "params", and "run" unless it holds weights
    alone.

    Args:
      path: of the checkpoint.
      check_all: whether to check the SHA-256 of all its files, not only this one.

    Raises:
      IncompatibleCheckpoint: it has another format.
      DamagedCheckpoint: it is not what was saved.
      UnreadableCheckpoint: this process cannot read it.
    """
    try:
        changed = changed_files(path, only="" if check_all else METADATA)
        data = b"" if changed else (path / METADATA).read_bytes()
    except FileNotFoundError as error:
        raise DamagedCheckpoint(path, f"{METADATA} is missing") from error
    except OSError as error:
        if error.errno == errno.EIO:  # the disk's
            raise DamagedCheckpoint(path, f"it cannot be read ({error})") from error
        raise UnreadableCheckpoint(
            f"checkpoint {path.name} of {path.parent.parent} cannot be read here"
            f" ({error.strerror}: {error.filename}); it may well be whole: mend that"
            " first"
        ) from error
    if changed:
        raise DamagedCheckpoint(path, f"{changed[0]} is not what was saved")
    try:
        metadata = json.loads(data)["custom_metadata"]
        version, writer = metadata["format"], metadata.get("charlm", "another release")
    except Exception as error:  # JSON of any shape raises many kinds
        raise DamagedCheckpoint(path, "its metadata cannot be read") from error
    if version != FORMAT:
        raise IncompatibleCheckpoint(
            f"checkpoint {path.name} of {path.parent.parent} was written by charlm"
            f" {writer} in format {version}, and this release reads {FORMAT}; use the"
            " release that wrote it"
        )
    match metadata | {"metrics": metadata.get("metrics") or {}}:
        case {"sha256": dict(), "notes": dict(notes), "metrics": dict(metrics)}:
            loss, machine = metrics.get("nats_per_char", 0), notes.get("trained_on", {})
            if isinstance(loss, int | float) and isinstance(machine, dict):
                return metadata
    raise DamagedCheckpoint(path, "its metadata is not what charlm writes")


def read_loss(path: Path) -> float:
    """Returns the validation loss of a checkpoint; infinity if it is unknown."""
    metrics = read_metadata(path, check_all=False).get("metrics") or {}
    return float(metrics.get("nats_per_char", math.inf))
