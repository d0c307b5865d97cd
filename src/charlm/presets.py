"""Settings to start from, as ml_collections configs, and what configs/*.py share."""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import ml_collections

from charlm.config import RunConfig, list_options, upgrade
from charlm.errors import UserError
from charlm.options import flatten
from charlm.synonyms import describe_unknown

Config = Any  # an ml_collections.ConfigDict, whose attributes no checker knows


def default_config() -> ml_collections.ConfigDict:
    """Returns the ml_collections config of all defaults, for configs to start from."""
    values = dataclasses.asdict(RunConfig())
    del values["model"]["vocab_size"]
    return ml_collections.ConfigDict(values)


def fill_defaults(values: Mapping[str, Any]) -> ml_collections.ConfigDict:
    """Returns the config of nested values; what they leave out has its default.

    Values are not checked. A UserError names an option that does not exist.
    """
    config: Config = default_config()
    for name, value in flatten(upgrade(values)).items():
        if name == "model.vocab_size":  # the text decides it
            continue
        if name not in list_options():
            raise UserError(describe_unknown(name, list_options()))
        *sections, leaf = name.split(".")
        section = config[sections[0]] if sections else config
        try:
            section[leaf] = value
        except TypeError:  # such as a Cell in place of its name
            with section.ignore_type():
                section[leaf] = value
    return config


def use_adamw(config: Config) -> None:
    """Sets AdamW with a cosine to zero, which trains small nets fastest here."""
    config.optim.update(name="adamw", learning_rate=4e-3, weight_decay=0.05)
    config.optim.update(clip=1.0, clip_by="norm")
    config.optim.update(schedule="cosine", warmup=50, decay=0.0)


def text_config() -> ml_collections.ConfigDict:
    """Returns settings that do well on a megabyte or so of most texts."""
    config: Config = default_config()
    config.data.split = (0.9, 0.1, 0.0)
    config.model.update(features=256, embedding=64, dropout=0.2)
    config.model.initializer = "torch_rnn"
    use_adamw(config)
    config.train.update(batch_size=32, seq_length=64, epochs=20.0)
    config.train.sample_temperature = 0.8
    return config


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
    use_adamw(config)
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
    """Returns the config, changed as its variant says: --config=NAME:VARIANT."""
    if variant:
        if variant not in variants:
            raise UserError(
                f"there is no variant {variant!r} of this config; there are"
                f" {', '.join(variants)}"
            )
        variants[variant](config)
    return config
