"""Saving and restoring any pytree of arrays (the only file that knows Orbax)."""

import json
import logging
import math
import os
import time
import warnings
from pathlib import Path
from typing import Any, NamedTuple

import jax

from charlm.errors import UserError
from charlm.workdir.digest import tree_sha256

PyTree = Any
FORMAT = 1  # of what a checkpoint holds; raised when an older one could not be read
FOLDER = "checkpoints"


class Restored(NamedTuple):
    """A checkpoint read back: its step, its named trees, and the notes kept with it."""

    step: int
    trees: dict[str, PyTree]
    notes: dict[str, Any]


class OtherFormat(UserError):
    """A checkpoint that another charlm wrote, and that is whole for all we know."""


class Checkpoints:
    """The checkpoints of a workdir: the newest two and the best.

    Each holds named trees of arrays, which can be restored apart, a JSON object of
    notes, and the SHA-256 of every tree's leaves. It is complete or absent.
    """

    def __init__(self, workdir: str | os.PathLike):
        _quiet()
        from orbax.checkpoint import v1 as ocp

        keep: Any = ocp.training.preservation_policies
        newest = keep.LatestN(2)
        best = keep.BestN(
            get_metric_fn=lambda metrics: -metrics["nats_per_char"],
            n=1,
            keep_checkpoints_without_metrics=False,
        )
        self.folder = Path(workdir).absolute() / FOLDER
        self._orbax = ocp.training.Checkpointer(
            str(self.folder),
            preservation_policy=keep.AnyPreservationPolicy([newest, best]),
            cleanup_tmp_directories=True,
        )

    def __enter__(self):
        return self

    def __exit__(self, *_):
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
        known = nats_per_char is not None and math.isfinite(nats_per_char)
        metrics: Any = {"nats_per_char": nats_per_char} if known else None
        kept = {"format": FORMAT, "sha256": digests, "notes": notes, "metrics": metrics}
        try:
            # A copy of the dict: Orbax adds the metrics to the one it is given.
            saved = self._orbax.save_checkpointables(
                step, {**trees}, metrics=metrics, custom_metadata=kept
            )
            if not saved:
                raise ValueError("there is a later one")
        except (OSError, ValueError) as error:
            raise UserError(
                f"the checkpoint of step {step} could not be written to {self.folder}:"
                f" {_first_line(error)}; the earlier ones are as they were"
            ) from error


def restore_newest(
    workdir: str | os.PathLike, like: dict[str, PyTree]
) -> tuple[Restored | None, list[str]]:
    """The newest checkpoint that is whole, or None; what was skipped, and why.

    When a whole one is found, the damaged ones after it are moved to workdir/damaged:
    a run that goes on from it comes to their steps again.

    Raises:
      OtherFormat: the newest was written by another charlm.
    """
    folder, skipped = Path(workdir) / FOLDER, {}
    for step in reversed(steps_in(folder)):
        try:
            restored = restore(workdir, step, like)
        except OtherFormat:
            raise
        except UserError as error:
            skipped[step] = str(error)
            continue
        for damaged in skipped:
            aside = Path(workdir) / "damaged" / f"{damaged}-{time.time_ns()}"
            aside.parent.mkdir(exist_ok=True)
            (folder / str(damaged)).rename(aside)
        return restored, [*skipped.values()]
    return None, [*skipped.values()]


def steps_in(folder: Path) -> list[int]:
    """The steps that a folder of checkpoints has, in rising order."""
    if not folder.is_dir():
        return []
    names = (entry.name for entry in folder.iterdir() if entry.is_dir())
    return sorted(int(name) for name in names if name.isdecimal())


def choose(workdir: str | os.PathLike, which: str | int = "best") -> int:
    """The step of a workdir's checkpoint.

    Args:
      workdir: of a run.
      which: "best" (by validation loss; the latest, if none was measured), "latest", or
        a step.

    Raises:
      UserError: there is none, or not that one.
    """
    folder = Path(workdir) / FOLDER
    steps = steps_in(folder)
    if not steps:
        raise UserError(
            f"{workdir} has no checkpoint; train first, with charlm.train"
            f" --workdir={workdir}"
        )
    if which == "best":
        losses = {step: _loss_at(folder, step) for step in steps}
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


def notes_of(workdir: str | os.PathLike, step: int) -> dict[str, Any]:
    """The notes kept with a checkpoint."""
    return _kept(Path(workdir) / FOLDER / str(step))["notes"]


def newest_notes(workdir: str | os.PathLike) -> dict[str, Any]:
    """The notes of the newest checkpoint whose notes can be read; {} if none can."""
    for step in reversed(steps_in(Path(workdir) / FOLDER)):
        try:
            return notes_of(workdir, step)
        except UserError:  # it is named when it is restored
            continue
    return {}


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
    kept = _kept(path)
    place = jax.sharding.SingleDeviceSharding(jax.local_devices()[0])
    wanted = jax.tree.map(
        lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=place), like
    )
    try:
        trees = ocp.load_checkpointables(str(path), wanted)
    except Exception as error:  # Orbax and TensorStore raise many kinds
        reason = _first_line(error)[:80]
        raise UserError(_damaged(path, f"it cannot be read ({reason})")) from error
    for name, tree in trees.items():
        if tree_sha256(tree) != kept["sha256"].get(name):
            raise UserError(_damaged(path, f"{name} is not what was saved"))
    return Restored(step, trees, kept["notes"])


def _loss_at(folder: Path, step: int) -> float:
    """The validation loss at which a checkpoint was saved; infinite if unknown."""
    try:
        metrics = _kept(folder / str(step)).get("metrics") or {}
    except UserError:  # damaged: it will not be the best, and is named when it is asked
        return math.inf
    return float(metrics.get("nats_per_char", math.inf))


def _kept(path: Path) -> dict[str, Any]:
    """What `save` kept beside the trees of the checkpoint at `path`."""
    try:
        read = json.loads((path / "_CHECKPOINT_METADATA").read_text())
        kept = read["custom_metadata"]
        version = kept["format"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(_damaged(path, "its metadata cannot be read")) from error
    if version != FORMAT:
        raise OtherFormat(
            f"checkpoint {path.name} of {path.parent.parent} has format {version}, and"
            f" this charlm reads {FORMAT}; use the release that wrote it"
        )
    return kept


def _damaged(path: Path, how: str) -> str:
    """The message of a checkpoint that is not whole, and which others there are."""
    others = [step for step in steps_in(path.parent) if str(step) != path.name]
    also = f"of step {others[-1]}, if that is whole" if others else "elsewhere"
    return (
        f"checkpoint {path.name} of {path.parent.parent} is damaged: {how};"
        f" use another, {also}"
    )


def _first_line(error: BaseException) -> str:
    reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return reason.strip().splitlines()[0][:200]


def _quiet() -> None:
    """Orbax narrates each save and guesses at shardings; neither is for our users."""
    logging.getLogger("absl").setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", module=r"orbax\..*")
    warnings.filterwarnings("ignore", message=r"coroutine .* was never awaited")
