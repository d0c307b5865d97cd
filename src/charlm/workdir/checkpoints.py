"""Saving and restoring any pytree of arrays (the only file that knows Orbax)."""

import contextlib
import logging
import math
import os
import shutil
import time
import warnings
from pathlib import Path
from typing import Any, NamedTuple

import jax

from charlm.errors import UserError
from charlm.files import write_checksums
from charlm.version import VERSION
from charlm.workdir.checksums import tree_sha256
from charlm.workdir.metadata import (
    FOLDER,
    FORMAT,
    IncompatibleCheckpoint,
    choose,
    damaged,
    list_steps,
    read_loss,
    read_metadata,
)

PyTree = Any
DROPPED = ".dropped"  # at the end of the name of one that is being removed


class Restored(NamedTuple):
    """A checkpoint read back: its step, its named trees, and the notes kept with it."""

    step: int
    trees: dict[str, PyTree]
    notes: dict[str, Any]


class Checkpoints:
    """The checkpoints of a workdir: the newest two and the best.

    Each holds named trees of arrays, which can be restored apart, a JSON object of
    notes, the SHA-256 of every tree's leaves, and that of every file. It is complete or
    absent, and on the disk when `save` is done.
    """

    def __init__(self, workdir: str | os.PathLike):
        _quiet()
        from orbax.checkpoint import v1 as ocp

        self.folder = Path(workdir).absolute() / FOLDER
        self._losses = _losses_in(self.folder)
        self._orbax = ocp.training.Checkpointer(
            str(self.folder), cleanup_tmp_directories=True
        )
        for left in self.folder.glob(f"*{DROPPED}"):  # by one that was killed
            shutil.rmtree(left, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        # What stops a run is told, not what Orbax cannot finish because of it.
        with contextlib.suppress(*([Exception] if kind else [])):
            self._orbax.close()

    def save(
        self,
        step: int,
        trees: dict[str, PyTree],
        *,
        notes: dict[str, Any],
        nats_per_char: float | None = None,
    ) -> None:
        """Saves `trees` as the checkpoint of `step`, and drops those not to be kept.

        Args:
          step: the optimiser steps taken.
          trees: what to save, by name.
          notes: anything that JSON can hold.
          nats_per_char: the validation loss at this step, by which the best is known.

        Raises:
          UserError: it could not be written; the earlier checkpoints are as they were.
        """
        digests = {name: tree_sha256(tree) for name, tree in trees.items()}
        loss = math.inf if nats_per_char is None else float(nats_per_char)
        metrics = {"nats_per_char": loss} if math.isfinite(loss) else None
        kept = {
            "format": FORMAT,
            "charlm": VERSION,
            "sha256": digests,
            "notes": notes,
            "metrics": metrics,
        }
        try:
            saved = self._orbax.save_checkpointables(step, trees, custom_metadata=kept)
            if not saved:
                raise ValueError("there is a later one")
            write_checksums(self.folder / str(step))
        except Exception as error:  # Orbax and TensorStore raise many kinds
            raise UserError(
                f"the checkpoint of step {step} could not be written to {self.folder}:"
                f" {_first_line(error)}; the earlier ones are as they were"
            ) from error
        self._losses[step] = loss if metrics else math.inf
        self._drop()

    def _drop(self) -> None:
        """Removes all but the newest two and the best.

        Renamed first: one that is half removed is nobody's checkpoint. Orbax would
        remove it where it stands.
        """
        steps = sorted(self._losses)
        best = min(steps, key=lambda step: (self._losses[step], -step))
        for step in {*steps} - {best, *steps[-2:]}:
            away = self.folder / f"{step}{DROPPED}"
            with contextlib.suppress(OSError):  # its user has removed it
                (self.folder / str(step)).rename(away)
            shutil.rmtree(away, ignore_errors=True)
            del self._losses[step]


def _losses_in(folder: Path) -> dict[int, float]:
    """The validation loss of each checkpoint that is ours to drop, or infinity."""
    losses = {}
    for step in list_steps(folder):
        try:
            losses[step] = read_loss(folder / str(step))
        except IncompatibleCheckpoint:
            continue
        except UserError:  # damaged: it is named, and put aside, when it is restored
            losses[step] = math.inf
    return losses


def restore_newest(
    workdir: str | os.PathLike, like: dict[str, PyTree]
) -> tuple[Restored | None, list[str]]:
    """The newest checkpoint that is whole, or None; the damaged ones, and how.

    When a whole one is found, the damaged ones are moved to workdir/damaged: a run that
    goes on from it comes to the later steps again, and keeps no earlier one by numbers
    that are not what was saved.

    Raises:
      IncompatibleCheckpoint: the newest was written by another charlm.
    """
    folder, wrong, restored = Path(workdir) / FOLDER, {}, None
    for step in reversed(list_steps(folder)):
        try:
            if restored is None:
                restored = restore(workdir, step, like)
            else:
                read_metadata(folder / str(step))
        except IncompatibleCheckpoint:
            if restored is None:
                raise
        except UserError as error:
            wrong[step] = str(error)
    for step in wrong if restored else ():
        aside = Path(workdir) / "damaged" / f"{step}-{time.time_ns()}"
        aside.parent.mkdir(exist_ok=True)
        (folder / str(step)).rename(aside)
    return restored, [*wrong.values()]


def restore_chosen(
    workdir: str | os.PathLike, which: str | int, like: dict[str, PyTree]
) -> Restored:
    """The checkpoint that `choose` chooses, also while a run puts new ones there."""
    while True:
        there = list_steps(Path(workdir) / FOLDER)
        try:
            return restore(workdir, choose(workdir, which), like)
        except (UserError, OSError):
            if list_steps(Path(workdir) / FOLDER) == there:
                raise  # else the run has just dropped one, or saved one


def restore(workdir: str | os.PathLike, step: int, like: dict[str, PyTree]) -> Restored:
    """The named trees of a checkpoint, on this process's first device.

    Args:
      workdir: of a run.
      step: of the checkpoint.
      like: for each name the structure, shapes and types to be read (arrays, or
        `jax.eval_shape` of what makes them); what is not named is not read.

    Raises:
      UserError: the checkpoint is damaged, of another shape, or of a newer charlm.
    """
    _quiet()
    from orbax.checkpoint import v1 as ocp

    path = Path(workdir).absolute() / FOLDER / str(step)
    kept = read_metadata(path)
    place = jax.sharding.SingleDeviceSharding(jax.local_devices()[0])
    wanted = jax.tree.map(
        lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=place), like
    )
    try:
        trees = ocp.load_checkpointables(str(path), wanted)
    except Exception as error:  # Orbax and TensorStore raise many kinds
        reason = _first_line(error)[:80]
        raise UserError(damaged(path, f"it cannot be read ({reason})")) from error
    for name, tree in trees.items():
        if tree_sha256(tree) != kept["sha256"].get(name):
            raise UserError(damaged(path, f"{name} is not what was saved"))
    return Restored(step, trees, kept["notes"])


def _first_line(error: BaseException) -> str:
    reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return reason.strip().splitlines()[0][:200]


def _quiet() -> None:
    """Orbax narrates each save, guesses at shardings, and logs what it also raises."""
    logging.getLogger("absl").setLevel(logging.CRITICAL)
    warnings.filterwarnings("ignore", module=r"orbax\..*")
    warnings.filterwarnings("ignore", message=r"coroutine .* was never awaited")
