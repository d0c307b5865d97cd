"""build_run: from a RunConfig to the model, text and optimizer that it describes."""

import dataclasses
import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np
import optax

from charlm.config import DataConfig, OptimConfig, RunConfig
from charlm.corpora.fetch import fetch
from charlm.data.corpus import Corpus, open_corpus, split_slices
from charlm.data.streams import Streams
from charlm.data.vocab import Vocab
from charlm.errors import UserError
from charlm.files import local_path
from charlm.model.lm import LanguageModel, build_language_model, get_cell
from charlm.training.optimizer import make_optimizer, make_restart, make_schedule
from charlm.training.step import TrainState, init_state


class Run(NamedTuple):
    """What a config describes, ready to be trained."""

    config: RunConfig
    lm: LanguageModel
    vocab: Vocab
    optimizer: optax.GradientTransformation
    learning_rate: optax.Schedule | None  # for the log; None if it is not known
    streams: Streams  # of the text to train on
    valid: np.ndarray  # ids[n] of the validation text; n < 2: nothing is scored
    steps: int  # at which the run ends
    text_sha256: str = ""  # of the text's file


def build_run(
    config: RunConfig,
    *,
    extra_symbols: Vocab | None = None,
    optimizer: optax.GradientTransformation | None = None,
    lm: LanguageModel | None = None,
) -> Run:
    """Returns the run of a config; raises UserError for a text that does not suit it.

    Args:
      config: the options.
      extra_symbols: that the vocabulary has besides those of the text.
      optimizer, lm: in place of the config's; `lm` must have the text's vocabulary.
    """
    if lm is None:
        get_cell(config.model)  # known before the text is read, which may take long
    corpus = open_text(config.data, extra_symbols=extra_symbols)
    slices = split_slices(len(corpus.ids), config.data.split)
    streams = Streams(
        corpus.ids[slices["train"]],
        batch_size=config.train.batch_size,
        seq_length=config.train.seq_length,
        reset_probability=config.data.reset_probability,
        seed=config.seed,
    )
    epoch = streams.steps_per_epoch
    steps = config.train.steps or max(1, round(config.train.epochs * epoch))
    learning_rate = None
    if optimizer is None:
        sizes = {"steps_per_epoch": epoch, "steps": steps}
        optimizer, learning_rate = build_optimizer(config.optim, **sizes)
    model = dataclasses.replace(config.model, vocab_size=len(corpus.vocab))
    return Run(
        config=config,
        lm=lm or build_language_model(model),
        vocab=corpus.vocab,
        optimizer=optimizer,
        learning_rate=learning_rate,
        streams=streams,
        valid=corpus.ids[slices["valid"]],
        steps=steps,
        text_sha256=corpus.sha256,
    )


def init_run(run: Run, params: Any = None) -> TrainState:
    """Returns the state before a run's first step; its parameters, or random ones."""
    return init_state(
        run.lm,
        run.optimizer,
        batch_size=run.streams.batch_size,
        seed=run.config.seed,
        params=params,
    )


def build_optimizer(
    config: OptimConfig, *, steps_per_epoch: int, steps: int
) -> tuple[optax.GradientTransformation, optax.Schedule]:
    """Returns the optimizer and the learning rate of a config, for a run's length."""
    options: Any = _pick(config, make_schedule)
    schedule = make_schedule(**options, steps_per_epoch=steps_per_epoch, steps=steps)
    options = _pick(config, make_optimizer)
    options["learning_rate"] = schedule
    restart = make_restart(config, steps_per_epoch=steps_per_epoch)
    return make_optimizer(**options, restart=restart), schedule


def open_text(data: DataConfig, *, extra_symbols: Vocab | None = None) -> Corpus:
    """Returns the text of a config's `data`; raises UserError if it cannot be used."""
    if not data.path and not data.corpus:
        raise UserError("there is no text to read: give a text file as data.path")
    path = Path(local_path(data.path)) if data.path else fetch(data.corpus)
    options: Any = {"unit": data.unit, "encoding": data.encoding}
    return open_corpus(path, **options, extra_symbols=extra_symbols)


def _pick(config: Any, function: Callable[..., Any]) -> dict[str, Any]:
    """Returns the options of a section that a function takes."""
    parameters = inspect.signature(function).parameters
    return {name: value for name, value in vars(config).items() if name in parameters}


def describe_run(run: Run) -> str:
    """Returns a line on the run: its parameters, text and steps."""
    shapes = jax.eval_shape(run.lm.init, jax.random.key(0))
    weights = sum(leaf.size for leaf in jax.tree.leaves(shapes))
    streams = run.streams
    return (
        f"{weights:,} parameters; {len(streams.ids):,} characters to train on,"
        f" {len(run.vocab)} symbols; {run.steps:,} steps of {streams.batch_size} x"
        f" {streams.seq_length}, {streams.steps_per_epoch:,} an epoch"
    )
