"""What the doors of a trained model read: the model of --workdir, and a text."""

import contextlib
import dataclasses
import math
import os
import sys
from pathlib import Path
from typing import Any

import numpy as np

from charlm.config import RunConfig
from charlm.data.corpus import SPLITS, split_slices
from charlm.errors import UserError
from charlm.model.jax_setup import configure_process
from charlm.workdir import model_files
from charlm.workdir.checkpoints import Restored
from charlm.workdir.metadata import FOLDER, list_steps, read_loss

MAX_OTHERS = 5  # checkpoints that are named beside the one that is used


def load(values: Any) -> tuple[RunConfig, model_files.Model, Restored]:
    """Returns the config, model and checkpoint that MODEL_FLAGS have named."""
    if not values.workdir:
        raise UserError("--workdir is required, for example --workdir=runs/demo")
    configure_process()
    config = model_files.read_config(values.workdir)
    return config, *model_files.load(values.workdir, values.checkpoint)


def announce(values: Any, restored: Restored) -> None:
    """Says on standard error which checkpoint is used, once all else is right."""
    print(describe_checkpoint(values.workdir, restored.step), file=sys.stderr)


def describe_checkpoint(workdir: str, step: int) -> str:
    """Returns a line on the checkpoint that is used, and on the others."""
    folder = Path(workdir) / FOLDER
    losses = {}
    for other in list_steps(folder):
        with contextlib.suppress(UserError):  # it is not the one that is used
            losses[other] = read_loss(folder / str(other))
    line = f"{workdir}: checkpoint of step {step:,}"
    if math.isfinite(losses.get(step, math.inf)):
        line += f", validation loss {losses[step]:.4f}"
    others = [str(other) for other in losses if other != step]
    if len(others) > MAX_OTHERS:
        others = [f"{len(others)} others, from {others[0]} to {others[-1]}"]
    there = ", ".join(others)
    return f"{line}; there are {there} too, by --checkpoint" if there else line


def read_text(
    values: Any, config: RunConfig, model: model_files.Model, restored: Restored
) -> np.ndarray:
    """Returns ids[n] of the text that TEXT_FLAGS have named, for what `load` returned.

    Raises UserError if there is none, or it has characters that the model lacks.
    """
    from charlm.training.build import open_text  # loads Optax, which `load` spares

    data, vocab = config.data, model.vocab
    if values.text:
        data = dataclasses.replace(data, path=values.text, unit=vocab.unit)
        corpus = open_text(data)
        return vocab.translate(corpus.ids, corpus.vocab, what=values.text)
    if values.split not in SPLITS:
        raise UserError(f"--split={values.split}: choose one of {', '.join(SPLITS)}")
    if (data.path or not data.corpus) and not os.path.exists(data.path):
        raise UserError(
            f"the text of this run, {data.path!r}, is not there; put it back, or name"
            " another with --text=FILE"
        )
    corpus = open_text(data)
    if restored.notes.get("text_sha256") not in ("", corpus.sha256):
        raise UserError(
            "the text has changed since this run, and so have its parts; restore it, or"
            " name a whole file with --text=FILE"
        )
    ids = corpus.ids[split_slices(len(corpus.ids), data.split)[values.split]]
    if len(ids) < 2:
        raise UserError(
            f"this run's {values.split} part has {len(ids)} characters (data.split is"
            f" {data.split}); choose another --split, or --text=FILE"
        )
    return vocab.translate(ids, corpus.vocab, what=values.split)
