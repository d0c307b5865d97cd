"""The model of a workdir; its config.json and vocab.json."""

import dataclasses
import json
import os
from pathlib import Path
from typing import Any, NamedTuple

import jax

from charlm.config import RunConfig
from charlm.data.vocab import Vocab
from charlm.errors import UserError
from charlm.files import atomic_write
from charlm.model.cell import Cell
from charlm.model.init import get_shapes
from charlm.model.jax_setup import own_settings
from charlm.model.lm import LanguageModel, build_language_model, get_cell
from charlm.workdir import checkpoints
from charlm.workdir.checkpoints import Restored

CONFIG = "config.json"
VOCAB = "vocab.json"
MAX_BYTES = {CONFIG: 1 << 20, VOCAB: 1 << 26}


class Model(NamedTuple):
    """All that sampling and scoring need."""

    lm: LanguageModel
    params: Any
    vocab: Vocab


@own_settings()
def load(
    workdir: str | os.PathLike,
    checkpoint: str | int = "best",
    *,
    cell: Cell | None = None,
    lm: LanguageModel | None = None,
) -> tuple[Model, Restored]:
    """Returns charlm.load_model's model, and the checkpoint that it came from."""
    config, vocab = read_config(workdir), read_vocab(workdir)
    if lm is None:
        model = dataclasses.replace(config.model, vocab_size=len(vocab))
        if cell is not None:
            model = dataclasses.replace(model, cell=cell)
        lm, shapes = build_language_model(model), get_shapes(model, get_cell(model))
    else:
        shapes = jax.eval_shape(lm.init, jax.random.key(0))
    like = {"params": shapes}
    restored = checkpoints.restore_chosen(workdir, checkpoint, like)
    return Model(lm, restored.trees["params"], vocab), restored


def read_config(workdir: str | os.PathLike) -> RunConfig:
    """Returns a run's config, or raises UserError; an earlier release's is read too."""
    path = Path(workdir) / CONFIG
    config = _read(path, json.loads)
    if not isinstance(config, dict):
        raise UserError(f"{path} cannot be read: it holds no JSON object")
    try:
        return RunConfig.from_dict(config, strict=False)
    except UserError as error:
        raise UserError(f"{path}: {error}") from error


def is_ours(workdir: str | os.PathLike) -> bool:
    """Returns whether a workdir's config.json is one that charlm has written."""
    sections = {field.name for field in dataclasses.fields(RunConfig)}
    return sections <= {*_read(Path(workdir) / CONFIG, json.loads)}


def read_vocab(workdir: str | os.PathLike) -> Vocab:
    """Returns the vocabulary of a run."""
    return _read(Path(workdir) / VOCAB, Vocab.from_json)


def write_model_files(
    workdir: str | os.PathLike, *, config: RunConfig, vocab: Vocab
) -> None:
    """Writes config.json and vocab.json, each whole, or raises UserError."""
    workdir = Path(workdir)
    # The config first: with it, a workdir that was left half written is a run's.
    texts = {CONFIG: json.dumps(config.to_dict(), indent=1), VOCAB: vocab.to_json()}
    try:
        workdir.mkdir(parents=True, exist_ok=True)
        for name, text in texts.items():
            atomic_write(workdir / name, text + "\n")
    except OSError as error:
        raise UserError(
            f"{workdir} cannot be written ({error.strerror}); choose another workdir"
        ) from error


def _read(path: Path, parse):
    if not path.parent.is_dir():
        raise UserError(f"there is no workdir {path.parent}; check its path")
    try:
        if path.exists() and not path.is_file():
            raise ValueError("it is not a plain file")
        if path.stat().st_size > MAX_BYTES[path.name]:
            raise ValueError(f"it has more than {MAX_BYTES[path.name]:,} bytes")
        return parse(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise UserError(
            f"{path.parent} has no {path.name}; is it the workdir of a run?"
        ) from error
    except (OSError, ValueError, RecursionError) as error:
        raise UserError(f"{path} cannot be read: {error}") from error
