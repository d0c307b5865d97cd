"""The checkpoints that a workdir has, and what is kept beside their arrays."""

import json
import math
import os
import re
from pathlib import Path
from typing import Any

from charlm.errors import UserError
from charlm.files import changed_files

FORMAT = 1  # of what a checkpoint holds; raised when an older one could not be read
FOLDER = "checkpoints"
STEP = re.compile("0|[1-9][0-9]{0,17}")
METADATA = "_CHECKPOINT_METADATA"  # Orbax's name for the file that keeps ours as well
# What reading JSON of any shape raises.
UNREADABLE = (
    OSError,
    ValueError,
    LookupError,
    TypeError,
    AttributeError,
    RecursionError,
)


class IncompatibleCheckpoint(UserError):
    """A checkpoint that another charlm wrote, and that is whole for all we know."""


def list_steps(folder: Path) -> list[int]:
    """The steps that a folder of checkpoints has, in rising order."""
    if not folder.is_dir():
        return []
    names = (entry.name for entry in folder.iterdir() if entry.is_dir())
    return sorted(int(name) for name in names if STEP.fullmatch(name))


def choose(workdir: str | os.PathLike, which: str | int = "best") -> int:
    """The step of a workdir's checkpoint.

    Args:
      workdir: of a run.
      which: "best" (by validation loss; the latest, if none was measured), "latest", or
        a step.

    Raises:
      UserError: there is none, or not that one; or the best cannot be told, since one
        of them is damaged.
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


def read_notes(workdir: str | os.PathLike, step: int) -> dict[str, Any]:
    """The notes kept with a checkpoint."""
    return read_metadata(Path(workdir) / FOLDER / str(step))["notes"]


def newest_notes(workdir: str | os.PathLike) -> tuple[int, dict[str, Any]]:
    """The step and notes of the newest checkpoint that is whole; of none, 0 and {}.

    Raises:
      IncompatibleCheckpoint: it was written by another charlm.
      UserError: there are checkpoints, and none is whole.
    """
    steps = list_steps(Path(workdir) / FOLDER)
    for step in reversed(steps):
        try:
            return step, read_notes(workdir, step)
        except IncompatibleCheckpoint:
            raise
        except UserError:  # it is named when it is restored
            continue
    if steps:
        raise UserError(unreadable(workdir))
    return 0, {}


def has_only_weights(workdir: str | os.PathLike, step: int) -> bool:
    """Returns whether a checkpoint holds weights, without the rest of a run's state."""
    kept = read_metadata(Path(workdir) / FOLDER / str(step), whole=False)
    return "run" not in kept["sha256"]


def unreadable(workdir: str | os.PathLike) -> str:
    """The message of a workdir that has no checkpoint left."""
    return f"no checkpoint of {workdir} can be read; train in another --workdir"


def read_metadata(path: Path, *, whole: bool = True) -> dict[str, Any]:
    """What was kept beside the arrays of the checkpoint at `path`.

    All its files are checked, or if it need not be `whole`, the one that is read.

    Raises:
      IncompatibleCheckpoint: another charlm wrote it.
      UserError: it is damaged.
    """
    try:
        wrong = changed_files(path, only="" if whole else METADATA)
    except OSError as error:  # of the disk, say
        raise UserError(damaged(path, f"it cannot be read ({error})")) from error
    if wrong:
        raise UserError(damaged(path, f"{wrong[0]} is not what was saved"))
    try:
        kept = json.loads((path / METADATA).read_bytes())["custom_metadata"]
        version, writer = kept["format"], kept.get("charlm", "another release")
    except UNREADABLE as error:
        raise UserError(damaged(path, "its metadata cannot be read")) from error
    if version == FORMAT and not _is_ours(kept):
        raise UserError(damaged(path, "its metadata is not what charlm writes"))
    if version != FORMAT:
        raise IncompatibleCheckpoint(
            f"checkpoint {path.name} of {path.parent.parent} was written by charlm"
            f" {writer} in format {version}, and this charlm reads {FORMAT}; use the"
            " release that wrote it"
        )
    return kept


def _is_ours(kept: dict[str, Any]) -> bool:
    """Whether it has the shape that a run gives to what a checkpoint keeps."""
    sums: Any = kept.get("sha256")
    notes: Any = kept.get("notes")
    metrics: Any = kept.get("metrics") or {}
    if not all(isinstance(part, dict) for part in (sums, notes, metrics)):
        return False
    marks, pending = notes.get("logs", {}), notes.get("pending", [])
    return (
        isinstance(metrics.get("nats_per_char", 0.0), int | float)
        and isinstance(pending, list)
        and all(isinstance(nats, int | float) for nats in pending)
        and isinstance(notes.get("best"), int | float | None)
        and isinstance(notes.get("seconds", 0.0), int | float)
        and isinstance(notes.get("samples_bytes", 0), int)
        and isinstance(notes.get("text_sha256", ""), str)
        and isinstance(notes.get("trained_on", {}), dict)
        and isinstance(marks, dict)
        and all(_is_mark(mark) for mark in marks.values())
    )


def _is_mark(mark: Any) -> bool:
    """Whether it is [bytes, SHA-256] of a log."""
    return (
        isinstance(mark, list)
        and [type(part) for part in mark] == [int, str]
        and mark[0] >= 0
    )


def damaged(path: Path, how: str) -> str:
    """The message of a checkpoint that is not whole, and which others there are."""
    others = [step for step in list_steps(path.parent) if str(step) != path.name]
    also = f"of step {others[-1]}, if that is whole" if others else "elsewhere"
    return (
        f"checkpoint {path.name} of {path.parent.parent} is damaged: {how};"
        f" use another, {also}"
    )


def read_loss(path: Path) -> float:
    """The validation loss at which a checkpoint was saved; infinite if unknown."""
    metrics = read_metadata(path, whole=False).get("metrics") or {}
    return float(metrics.get("nats_per_char", math.inf))
