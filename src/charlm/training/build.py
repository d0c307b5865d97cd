"""A config, unpacked once: checked, and turned into what `fit` takes."""

import inspect
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np
import optax

from charlm.corpora import fetch
from charlm.data.corpus import Corpus, open_corpus, split_slices
from charlm.data.streams import Streams
from charlm.data.vocab import Vocab
from charlm.errors import UserError
from charlm.model.init import expand_vocab
from charlm.model.lm import LanguageModel, make_language_model
from charlm.training.optimizer import make_optimizer, make_schedule, restart_at_decay
from charlm.workdir import lock, model_files
from charlm.workdir.metadata import FOLDER, list_steps

Config = Mapping[str, Any]
# What may differ between a run and its continuation: how long, and what is told of it.
LENGTH = {"train.steps", "train.epochs"}
FREE = {
    *(f"train.{name}_every" for name in ("log", "eval", "checkpoint", "sample")),
    *("train.sample_length", "train.sample_temperature", "train.bad_steps"),
    *("data.path", "data.device_bytes"),
    *LENGTH,
}


OPTIMIZER = ("name", "rms_decay", "weight_decay", "clip", "clip_by")
SCHEDULE = (
    *("learning_rate", "schedule", "warmup"),
    *("decay", "decay_after", "decay_every"),
)
KNOBS = {
    "seed",
    *(f"data.{name}" for name in ("corpus", "path", "unit", "encoding", "split")),
    *("data.reset_probability", "data.device_bytes"),
    *(f"model.{name}" for name in inspect.signature(make_language_model).parameters),
    *(f"optim.{name}" for name in (*OPTIMIZER, *SCHEDULE, "restart_at_decay")),
    *(f"train.{name}" for name in ("batch_size", "seq_length", "steps", "epochs")),
    *(f"train.{name}_every" for name in ("log", "eval", "checkpoint", "sample")),
    *("train.sample_length", "train.sample_temperature", "train.init_from"),
    "train.bad_steps",
} - {"model.vocab_size"}


class Run(NamedTuple):
    """What a config describes, ready for `fit`."""

    lm: LanguageModel
    vocab: Vocab
    optimizer: optax.GradientTransformation
    learning_rate: optax.Schedule
    streams: Streams
    valid: np.ndarray
    steps: int
    text_sha256: str


def assemble(config: Config, *, known: Vocab | None = None) -> Run:
    """The run of a config; `known` are symbols its vocabulary has beside the text's.

    Raises:
      UserError: a value is impossible, or the text cannot be used.
    """
    train, optim = config["train"], config["optim"]
    check_values(config)
    # Made before the text is read, which can take long: a wrong value is told at once.
    make_language_model(vocab_size=2, **config["model"])
    make_optimizer(learning_rate=1.0, **_picked(optim, OPTIMIZER))
    make_schedule(**_picked(optim, SCHEDULE))
    corpus = corpus_of(config["data"], known=known)
    slices = split_slices(len(corpus.ids), config["data"]["split"])
    streams = Streams(
        corpus.ids[slices["train"]],
        batch_size=train["batch_size"],
        seq_length=train["seq_length"],
        reset_probability=config["data"]["reset_probability"],
        seed=config["seed"],
    )
    steps = train["steps"] or max(1, round(train["epochs"] * streams.windows))
    learning_rate = make_schedule(
        windows=streams.windows, steps=steps, **_picked(optim, SCHEDULE)
    )
    restart = None
    if optim["restart_at_decay"] and optim["schedule"] == "epochs":
        restart = restart_at_decay(
            windows=streams.windows, **_picked(optim, ("decay_after", "decay_every"))
        )
    return Run(
        lm=make_language_model(vocab_size=len(corpus.vocab), **config["model"]),
        vocab=corpus.vocab,
        optimizer=make_optimizer(
            learning_rate=learning_rate, restart=restart, **_picked(optim, OPTIMIZER)
        ),
        learning_rate=learning_rate,
        streams=streams,
        valid=corpus.ids[slices["valid"]],
        steps=steps,
        text_sha256=corpus.sha256,
    )


def corpus_of(data: Config, *, known: Vocab | None = None) -> Corpus:
    """The text that a config's `data` names."""
    if not data["path"] and not data["corpus"]:
        raise UserError(
            "there is nothing to read: give a text file with --config.data.path=FILE"
        )
    path = Path(data["path"]) if data["path"] else fetch.fetch(data["corpus"])
    return open_corpus(
        path, unit=data["unit"], encoding=data["encoding"], extra_symbols=known
    )


def check_knobs(config: Config) -> None:
    """Raises UserError unless the config has all knobs, and no others."""
    given = set(flat(config))
    for name in sorted(given - KNOBS):
        raise UserError(f"the config has {name}, which is no knob; see configs/default")
    for name in sorted(KNOBS - given):
        raise UserError(f"the config lacks {name}; let it start from configs/default")


def check_values(config: Config) -> None:
    """Raises UserError for a value of data, train or seed that no run can have."""
    train, data = config["train"], config["data"]
    for name in ("batch_size", "seq_length", "log_every"):
        if train[name] < 1:
            raise UserError(f"train.{name} is {train[name]}; it must be at least 1")
    for name, value in flat(config).items():
        counted = type(value) is int and name not in ("seed", "data.device_bytes")
        if (counted or name == "train.epochs") and not 0 <= value < 2**31:
            raise UserError(f"{name} is {value}; it must be from 0 to 2^31 - 1")
    if not train["steps"] and not train["epochs"]:
        raise UserError("train.steps and train.epochs are both 0; set one of them")
    if not 0 <= train["sample_temperature"] <= 1e6:
        raise UserError(
            "train.sample_temperature must be from 0 (the likeliest) to 1e6"
        )
    if not 0 <= data["reset_probability"] <= 1:
        raise UserError(
            f"data.reset_probability is {data['reset_probability']};"
            " it must be from 0 to 1"
        )
    if data["unit"] not in ("char", "byte"):
        raise UserError(f"data.unit is {data['unit']!r}; choose char or byte")
    if not 0 <= config["seed"] < 2**32:
        raise UserError(f"seed is {config['seed']}; it must be from 0 to 2^32 - 1")


def check_same_run(workdir: Path, config: Config) -> None:
    """Raises UserError if `workdir` is another run's, or holds other things.

    What FREE names may differ.
    """
    if workdir.exists() and not workdir.is_dir():
        raise UserError(f"{workdir} is a file; choose another --workdir")
    names = {path.name for path in workdir.iterdir()} if workdir.exists() else set()
    left = {f"{model_files.CONFIG}.tmp", lock.FILE}  # by a run killed at its very start
    if not names - left:
        return
    if model_files.CONFIG not in names:
        raise UserError(
            f"{workdir} is not empty and not the workdir of a run, which has a"
            f" {model_files.CONFIG}; choose another --workdir"
        )
    there = flat(model_files.read_config(workdir))
    here = flat(json.loads(json.dumps(config)))  # tuples are lists in the file
    if set(there) == KNOBS and not begun(workdir):  # ours, and nothing to lose
        return
    # A cosine is drawn to the last step: moving that would be another run.
    free = FREE - LENGTH if here.get("optim.schedule") == "cosine" else FREE
    for name in sorted({*there, *here} - free):
        if there.get(name) != here.get(name):
            raise UserError(
                f"{workdir} holds a run of another config: {name} is"
                f" {there.get(name)!r} there and {here.get(name)!r} here; choose"
                " another --workdir, or give the value that it has"
            )


def flat(config: Config, prefix: str = "") -> dict[str, Any]:
    """{"model.layers": 2, ...} of a nested config."""
    leaves: dict[str, Any] = {}
    for key, value in config.items():
        name = f"{prefix}{key}"
        if isinstance(value, Mapping):
            leaves |= flat(value, f"{name}.")
        else:
            leaves[name] = value
    return leaves


def _picked(section: Config, names) -> dict[str, Any]:
    return {name: section[name] for name in names}


def begun(workdir: Path) -> bool:
    """Whether a run has come to its first checkpoint in `workdir`."""
    return bool(list_steps(workdir / FOLDER))


def check_vocabulary(workdir: Path, vocab: Vocab) -> None:
    """Raises UserError if a run that has begun knows other symbols than `vocab`."""
    if begun(workdir) and model_files.read_vocab(workdir) != vocab:
        raise UserError(
            f"the text has symbols that the run in {workdir} does not know; begin"
            f" another with --config.train.init_from={workdir}"
        )


def start_of(workdir: Path, config: Config) -> model_files.Model | None:
    """The model to start from: train.init_from's, for a run that has not begun."""
    origin = config["train"]["init_from"]
    return model_files.load_model(origin) if origin and not begun(workdir) else None


def known_symbols(workdir: Path, start: model_files.Model | None) -> Vocab | None:
    """Those that a run's vocabulary has besides its text's own."""
    if begun(workdir):
        return model_files.read_vocab(workdir)
    return start.vocab if start else None


def adopted(start: model_files.Model, run: Run, *, seed: int) -> Any:
    """The parameters of `start`, with a place for every symbol of the run."""
    fresh = run.lm.init(jax.random.key(seed))
    places = run.vocab.translate(
        np.arange(len(start.vocab)), start.vocab, what="train.init_from"
    )
    return expand_vocab(start.params, fresh, places.tolist())


def summary(run: Run) -> str:
    """The run in a line."""
    shapes = jax.eval_shape(run.lm.init, jax.random.key(0))
    weights = sum(leaf.size for leaf in jax.tree.leaves(shapes))
    streams = run.streams
    return (
        f"{weights:,} parameters; {len(streams.ids):,} characters to train on,"
        f" {len(run.vocab)} symbols; {run.steps:,} steps of {streams.batch_size} x"
        f" {streams.seq_length}, {streams.windows:,} an epoch"
    )
