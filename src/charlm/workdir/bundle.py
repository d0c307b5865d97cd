"""load_model(workdir) -> (lm, params, vocab); config.json, vocab.json."""

import contextlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import jax

from charlm.errors import UserError
from charlm.model.lm import LanguageModel, make_language_model
from charlm.text.vocab import Vocab
from charlm.workdir import checkpoints

CONFIG = "config.json"
VOCAB = "vocab.json"


class Model(NamedTuple):
    """All that sampling and scoring need."""

    lm: LanguageModel
    params: Any
    vocab: Vocab


def load_model(workdir: str | os.PathLike, *, checkpoint: str | int = "best") -> Model:
    """The model of a run; needs no data, no optimiser, no config file.

    Args:
      workdir: of a run.
      checkpoint: "best" (by validation loss; the latest, if none was measured),
        "latest", or a step.

    Raises:
      UserError: no such workdir, or its checkpoint is missing or damaged.
    """
    config, vocab = read_config(workdir), read_vocab(workdir)
    try:
        lm = make_language_model(vocab_size=len(vocab), **config["model"])
    except (KeyError, TypeError) as error:
        raise UserError(f"{Path(workdir) / CONFIG} names no model: {error}") from error
    step = checkpoints.choose(workdir, checkpoint)
    like = {"params": jax.eval_shape(lm.init, jax.random.key(0))}
    restored = checkpoints.restore(workdir, step, like)
    return Model(lm, restored.trees["params"], vocab)


def read_config(workdir: str | os.PathLike) -> dict[str, Any]:
    """The config of a run, as plain data."""
    path = Path(workdir) / CONFIG
    config = _read(path, json.loads)
    sections = ("data", "model", "optim", "train")
    if not isinstance(config, dict) or not all(
        isinstance(config.get(name, {}), dict) for name in sections
    ):
        raise UserError(f"{path} is not a run's; put it back as it was")
    return config


def read_vocab(workdir: str | os.PathLike) -> Vocab:
    """The vocabulary of a run."""
    return _read(Path(workdir) / VOCAB, Vocab.from_json)


def write_bundle(
    workdir: str | os.PathLike, *, config: Mapping[str, Any], vocab: Vocab
) -> None:
    """Writes config.json and vocab.json, each whole or not at all.

    Raises:
      UserError: the workdir cannot be written.
    """
    workdir = Path(workdir)
    # The config first: with it, a workdir that was left half written is a run's.
    texts = {CONFIG: json.dumps(config, indent=1), VOCAB: vocab.to_json()}
    try:
        workdir.mkdir(parents=True, exist_ok=True)
        for name, text in texts.items():
            beside = workdir / f"{name}.tmp"
            beside.write_text(text + "\n", encoding="utf-8")
            beside.replace(workdir / name)
    except OSError as error:
        for name in texts:
            with contextlib.suppress(OSError):
                (workdir / f"{name}.tmp").unlink(missing_ok=True)
        raise UserError(
            f"{workdir} cannot be written ({error.strerror}); choose another --workdir"
        ) from error


def _read(path: Path, parse):
    if not path.parent.is_dir():
        raise UserError(f"there is no workdir {path.parent}; check its path")
    try:
        return parse(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise UserError(
            f"{path.parent} has no {path.name}; is it the workdir of a run?"
        ) from error
    except (OSError, ValueError) as error:
        raise UserError(f"{path} cannot be read: {error}") from error
