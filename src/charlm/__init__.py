"""Character-level language models as four pure functions, on JAX and Flax.

    lm = charlm.make_language_model(vocab_size=4, cell="lstm", layers=2, features=100)
    params = lm.init(jax.random.key(0))
    carry, logits = lm.step(params, lm.initial_carry(1), ids)

Names are imported when they are first used, so that `import charlm` is cheap.
"""

import importlib
from typing import TYPE_CHECKING

from charlm.version import VERSION

__version__ = VERSION

if TYPE_CHECKING:
    from charlm.data.corpus import open_corpus
    from charlm.data.streams import Batch, Streams
    from charlm.data.vocab import Vocab
    from charlm.errors import UserError
    from charlm.evaluation.score import Score, evaluate
    from charlm.generation.stream import sample, stream
    from charlm.interpret.activations import trace
    from charlm.interpret.viewer.notebook import show
    from charlm.model.cells import gru, lstm, rnn
    from charlm.model.lm import LanguageModel, make_language_model
    from charlm.training.loop import fit
    from charlm.training.optimizer import make_optimizer, make_schedule
    from charlm.training.step import TrainState, init_state, make_train_step
    from charlm.workdir.model_files import load_model

_HOMES = {
    "charlm.errors": ["UserError"],
    "charlm.evaluation.score": ["Score", "evaluate"],
    "charlm.generation.stream": ["sample", "stream"],
    "charlm.interpret.viewer.notebook": ["show"],
    "charlm.interpret.activations": ["trace"],
    "charlm.model.cells": ["gru", "lstm", "rnn"],
    "charlm.model.lm": ["LanguageModel", "make_language_model"],
    "charlm.data.corpus": ["open_corpus"],
    "charlm.data.streams": ["Batch", "Streams"],
    "charlm.data.vocab": ["Vocab"],
    "charlm.training.loop": ["fit"],
    "charlm.training.optimizer": ["make_optimizer", "make_schedule"],
    "charlm.training.step": ["TrainState", "init_state", "make_train_step"],
    "charlm.workdir.model_files": ["load_model"],
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}

__all__ = [
    "Batch",
    "LanguageModel",
    "Score",
    "Streams",
    "TrainState",
    "UserError",
    "Vocab",
    "evaluate",
    "fit",
    "gru",
    "init_state",
    "load_model",
    "lstm",
    "make_language_model",
    "make_optimizer",
    "make_schedule",
    "make_train_step",
    "open_corpus",
    "rnn",
    "sample",
    "show",
    "stream",
    "trace",
]


def __getattr__(name: str):
    if name not in _HOME_OF:
        raise AttributeError(f"module 'charlm' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOME_OF[name]), name)
