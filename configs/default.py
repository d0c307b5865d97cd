"""The defaults of charlm.config, and recipes that other configs share.

`python -m charlm.train --help` lists all options with their meanings. The model, the
optimizer and the windows have char-rnn's defaults where it has the option.
"""

from collections.abc import Callable
from typing import Any

from charlm.presets import default_config, use_adamw

Config = Any  # an ml_collections.ConfigDict, whose attributes no checker knows
adamw = use_adamw


def get_config(variant: str = "") -> Config:
    return pick(default_config(), variant, smoke=smoke)


def small(config: Config) -> None:
    """What we found best for ten minutes on two cores, on the larger corpora.

    Many small steps at a high rate. Two cores of an AMD EPYC (AVX-512) without other
    work read 20 thousand characters a second (`configs/wikipedia.py:small`): the 12,000
    steps take ten minutes and a quarter, and the scores come on top.
    """
    config.model.layers = 1
    config.model.features = 512
    config.model.embedding = 64
    config.model.initializer = "torch_rnn"
    config.model.dropout = 0.0
    adamw(config)
    config.optim.learning_rate = 8e-3
    config.optim.warmup = 200
    config.train.batch_size = 16
    config.train.seq_length = 64
    config.train.steps = 12_000
    config.train.eval_every = 4000
    config.train.checkpoint_every = 4000
    config.train.sample_every = 4000


def smoke(config: Config) -> None:
    """A run of seconds, to see that everything works."""
    config.model.layers = min(config.model.layers, 2)
    config.model.features = 16
    config.train.batch_size = 8
    config.train.seq_length = 20
    config.train.steps = 60
    config.train.log_every = 20
    config.train.eval_every = 0
    config.train.checkpoint_every = 30
    config.train.sample_every = 30
    config.train.sample_length = 60


def pick(config: Config, variant: str, **variants: Callable[[Config], None]) -> Config:
    """Returns the config, changed as its variant says: configs/NAME.py:VARIANT."""
    if variant:
        if variant not in variants:
            raise ValueError(
                f"there is no variant {variant!r} of this config; there are"
                f" {', '.join(variants)}"
            )
        variants[variant](config)
    return config
