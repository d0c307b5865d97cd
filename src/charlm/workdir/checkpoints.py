"""Saves and restores any pytree of arrays (the only file that imports Orbax)."""

import contextlib
import hashlib
import logging
import math
import os
import shutil
import time
import warnings
from collections.abc import Collection
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

from charlm.errors import UserError
from charlm.files import CHECKSUMS, write_checksums
from charlm.version import VERSION
from charlm.workdir.metadata import (
    FOLDER,
    FORMAT,
    DamagedCheckpoint,
    IncompatibleCheckpoint,
    choose_step,
    list_steps,
    read_loss,
    read_metadata,
)

PyTree = Any
REMOVED = ".dropped"  # suffix of a checkpoint that is being removed
UNFINISHED = ".orbax-checkpoint-tmp"  # Orbax's, of one that is being written


class Restored(NamedTuple):
    """A checkpoint: its step, its named trees, and its notes."""

    step: int
    trees: dict[str, PyTree]
    notes: dict[str, Any]


def save(
    workdir: str | os.PathLike,
    step: int,
    trees: dict[str, PyTree],
    *,
    notes: dict[str, Any],
    nats_per_char: float | None = None,
    keep: int = 2,
    protected: Collection[int] = (),
) -> None:
    """Saves the checkpoint of a step, and keeps the newest `keep` and the best.

    A checkpoint holds named trees of arrays, which can be restored one by one, a JSON
    object of notes, the SHA-256 of every tree's leaves, and that of every file. It is
    complete or absent, and on the disk when this function returns. If it cannot be
    written, a UserError says so, and the earlier ones are as they were.

    Args:
      workdir: of a run.
      step: the optimizer steps taken.
      trees: what to save, by name.
      notes: anything that JSON can hold.
      nats_per_char: the validation loss, which decides the best.
      keep: how many of the newest to keep; 0 keeps all.
      protected: steps whose checkpoints are kept too.
    """
    folder = Path(workdir).absolute() / FOLDER
    for leftover in [*folder.glob(f"*{REMOVED}"), *folder.glob(f"*{UNFINISHED}*")]:
        shutil.rmtree(leftover, ignore_errors=True)  # of a killed run
    digests = {name: tree_sha256(tree) for name, tree in trees.items()}
    loss = math.inf if nats_per_char is None else float(nats_per_char)
    metrics = {"nats_per_char": loss} if math.isfinite(loss) else None
    metadata = {"format": FORMAT, "charlm": VERSION, "sha256": digests}
    metadata |= {"notes": notes, "metrics": metrics}
    path, orbax = folder / str(step), _import_orbax()
    try:
        if any(later > step for later in list_steps(folder)):
            raise ValueError("there is a later one")
        orbax.save_checkpointables(str(path), trees, custom_metadata=metadata)
        write_checksums(path)
    except Exception as error:  # Orbax and TensorStore raise many kinds
        raise UserError(
            f"the checkpoint of step {step} could not be written to {folder}:"
            f" {_first_line(error)}; the earlier ones are as they were"
        ) from error
    if keep:
        _remove_superfluous(folder, keep, protected)


def _remove_superfluous(folder: Path, keep: int, protected: Collection[int]) -> None:
    """Removes all but the newest, the best and the protected, of those that are whole.

    Each is renamed first, since one that is half removed is no checkpoint.
    """
    losses: dict[int, float] = {}
    for step in list_steps(folder):
        with contextlib.suppress(UserError):  # of another format, or damaged
            losses[step] = read_loss(folder / str(step))
    best = min(losses, key=lambda step: (losses[step], -step), default=None)
    for step in {*losses} - {best, *sorted(losses)[-keep:], *protected}:
        target = folder / f"{step}{REMOVED}"
        with contextlib.suppress(OSError):  # its user has removed it
            (folder / str(step)).rename(target)
        shutil.rmtree(target, ignore_errors=True)


def restore_newest(
    workdir: str | os.PathLike, like: dict[str, PyTree]
) -> tuple[Restored | None, list[str]]:
    """Returns the newest whole checkpoint, or None, and what is wrong with others.

    When there is a whole one, the damaged ones are moved to workdir/damaged: a run that
    continues from it comes to the later steps again. If the newest has another format,
    IncompatibleCheckpoint is raised.
    """
    folder, problems, restored = Path(workdir) / FOLDER, {}, None
    for step in reversed(list_steps(folder)):
        try:
            if restored is None:
                restored = restore(workdir, step, like)
            else:
                read_metadata(folder / str(step))
        except IncompatibleCheckpoint:
            if restored is None:
                raise
        except DamagedCheckpoint as error:
            problems[step] = str(error)
    for step in problems if restored else ():
        target = Path(workdir) / "damaged" / f"{step}-{time.time_ns()}"
        target.parent.mkdir(exist_ok=True)
        (folder / str(step)).rename(target)
    return restored, [*problems.values()]


def restore_chosen(
    workdir: str | os.PathLike, which: str | int, like: dict[str, PyTree]
) -> Restored:
    """Returns the checkpoint of choose_step, also while a run saves new ones."""
    while True:
        there = list_steps(Path(workdir) / FOLDER)
        try:
            return restore(workdir, choose_step(workdir, which), like)
        except (UserError, OSError):
            if list_steps(Path(workdir) / FOLDER) == there:
                raise  # else the run has just removed or saved one


def restore(workdir: str | os.PathLike, step: int, like: dict[str, PyTree]) -> Restored:
    """Returns the named trees of a checkpoint, on this process's first device.

    Args:
      workdir: of a run.
      step: of the checkpoint.
      like: for each name the structure, shapes and types to be read (arrays, or
        `jax.eval_shape` of what makes them); other trees are not read.

    Raises:
      IncompatibleCheckpoint: it is of another format, model or optimizer.
      DamagedCheckpoint: it is not what was saved.
    """
    path = Path(workdir).absolute() / FOLDER / str(step)
    metadata = read_metadata(path)
    device = jax.sharding.SingleDeviceSharding(jax.local_devices()[0])
    target = jax.tree.map(
        lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=device), like
    )
    try:
        trees = _import_orbax().load_checkpointables(str(path), target)
    except MemoryError:
        raise
    except Exception as error:  # Orbax and TensorStore raise many kinds
        if "RESOURCE_EXHAUSTED" in str(error):
            raise
        raise _explain(path, f"it cannot be read ({_first_line(error)})") from error
    for name, tree in trees.items():
        if tree_sha256(tree) != metadata["sha256"].get(name):
            raise _explain(path, f"{name} is not what was saved")
    return Restored(step, trees, metadata["notes"])


def _explain(path: Path, problem: str) -> UserError:
    """Returns why a checkpoint whose files were checked cannot be restored."""
    if not (path / CHECKSUMS).exists():
        return DamagedCheckpoint(path, problem)
    # Its files are as they were saved, so they are of something else.
    return IncompatibleCheckpoint(
        f"checkpoint {path.name} of {path.parent.parent} is whole, but of another model"
        " or optimizer; give those that it was trained with (cell=, lm=, optimizer=):"
        f" {problem}"
    )


def tree_sha256(tree: PyTree) -> str:
    """Returns the SHA-256 of a tree's leaves: paths, types, shapes and bytes."""
    digest = hashlib.sha256()
    for path, leaf in jax.tree_util.tree_leaves_with_path(tree):
        if jax.dtypes.issubdtype(leaf.dtype, jax.dtypes.prng_key):
            leaf = jax.random.key_data(leaf)
        array = np.ascontiguousarray(leaf)
        head = f"{jax.tree_util.keystr(path)} {array.dtype} {array.shape}\n"
        digest.update(head.encode())
        digest.update(array.tobytes())
    return digest.hexdigest()


def _first_line(error: BaseException) -> str:
    reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return reason.strip().splitlines()[0][:120]


def _import_orbax():
    """Returns Orbax, which is slow to import, without its log and its warnings."""
    # It logs each save, and what it also raises.
    logging.getLogger("absl").setLevel(logging.CRITICAL)
    warnings.filterwarnings("ignore", module=r"orbax\..*")
    warnings.filterwarnings("ignore", message=r"coroutine .* was never awaited")
    from orbax.checkpoint import v1

    return v1
