"""load_model(workdir) -> (lm, params, vocab); config.json, vocab.json."""

import inspect
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import jax

from charlm.data.vocab import Vocab
from charlm.errors import UserError
from charlm.files import atomic_write
from charlm.model.lm import LanguageModel, make_language_model
from charlm.workdir import checkpoints
from charlm.workdir.checkpoints import Restored
from charlm.workdir.checksums import sealed, unsealed

CONFIG = "config.json"
VOCAB = "vocab.json"
# What reads a run needs of its config, beside the model.
KINDS = {
    "data": {"corpus": str, "path": str, "unit": str, "encoding": str, "split": list},
    "train": {"batch_size": int, "seq_length": int},
}
SIZES = {CONFIG: 1 << 20, VOCAB: 1 << 26}  # bytes: more is no file of ours


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
    return load(workdir, checkpoint)[0]


def load(workdir: str | os.PathLike, checkpoint: str | int) -> tuple[Model, Restored]:
    """`load_model`'s model, and the checkpoint that it came from."""
    config, vocab = read_config(workdir), read_vocab(workdir)
    try:
        model = _typed(config["model"])
        lm = make_language_model(vocab_size=len(vocab), **model)
    except (KeyError, TypeError, UserError) as error:
        raise UserError(f"{Path(workdir) / CONFIG} names no model: {error}") from error
    like = {"params": jax.eval_shape(lm.init, jax.random.key(0))}
    restored = checkpoints.restore_chosen(workdir, checkpoint, like)
    return Model(lm, restored.trees["params"], vocab), restored


def _typed(model: Mapping[str, Any]) -> Mapping[str, Any]:
    """`model`, if each value has the type that make_language_model takes.

    Raises:
      UserError: one has not.
    """
    takes = inspect.signature(make_language_model).parameters
    for name, value in model.items():
        kind = takes[name].annotation if name in takes else None
        if kind is None:
            raise UserError(f"{name} is nothing that this charlm knows of a model")
        number = kind is float and type(value) is int and abs(value) < 2**63
        if type(value) is not kind and not number:
            raise UserError(f"{name} is {value!r}, which is no {kind.__name__}")
    return model


def read_config(workdir: str | os.PathLike) -> dict[str, Any]:
    """The config of a run, as plain data."""
    path = Path(workdir) / CONFIG
    config = _read(path, _unsealed)
    for name in ("data", "model", "optim", "train"):
        section = config.get(name, {})
        if not isinstance(section, dict):
            raise UserError(f"{path} is not a run's; put it back as it was")
        for knob, kind in KINDS.get(name, {}).items():
            if not isinstance(section.get(knob, kind()), kind):
                raise UserError(
                    f"{path} has {name}.{knob} {section[knob]!r}, which is no"
                    f" {kind.__name__}; put it back as it was"
                )
    if "initialiser" in config.get("model", {}):  # its name before 0.2
        config["model"]["initializer"] = config["model"].pop("initialiser")
    return config


def read_vocab(workdir: str | os.PathLike) -> Vocab:
    """The vocabulary of a run."""
    return _read(
        Path(workdir) / VOCAB, lambda text: Vocab.from_json(json.dumps(_unsealed(text)))
    )


def write_bundle(
    workdir: str | os.PathLike, *, config: Mapping[str, Any], vocab: Vocab
) -> None:
    """Writes config.json and vocab.json, each whole or not at all.

    Raises:
      UserError: the workdir cannot be written.
    """
    workdir = Path(workdir)
    # The config first: with it, a workdir that was left half written is a run's.
    records = {CONFIG: config, VOCAB: json.loads(vocab.to_json())}
    try:
        workdir.mkdir(parents=True, exist_ok=True)
        for name, record in records.items():
            atomic_write(workdir / name, json.dumps(sealed(record), indent=1) + "\n")
    except OSError as error:
        raise UserError(
            f"{workdir} cannot be written ({error.strerror}); choose another --workdir"
        ) from error


def _unsealed(text: str) -> dict[str, Any]:
    record = json.loads(text)
    if not isinstance(record, dict):
        raise ValueError("it holds no JSON object")
    return unsealed(record)


def _read(path: Path, parse):
    if not path.parent.is_dir():
        raise UserError(f"there is no workdir {path.parent}; check its path")
    try:
        if path.exists() and not path.is_file():
            raise ValueError("it is not a plain file")
        if path.stat().st_size > SIZES[path.name]:
            raise ValueError(f"it has more than {SIZES[path.name]:,} bytes")
        return parse(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise UserError(
            f"{path.parent} has no {path.name}; is it the workdir of a run?"
        ) from error
    except (OSError, ValueError, RecursionError) as error:
        raise UserError(f"{path} cannot be read: {error}") from error
