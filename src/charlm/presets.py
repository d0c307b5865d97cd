"""Settings to start from, as ml_collections configs."""

import dataclasses
from typing import Any

import ml_collections

from charlm.config import RunConfig


def default_config() -> ml_collections.ConfigDict:
    """Returns the ml_collections config of all defaults, for configs to start from."""
    values = dataclasses.asdict(RunConfig())
    del values["model"]["vocab_size"]
    return ml_collections.ConfigDict(values)


def use_adamw(config: Any) -> None:
    """Sets AdamW with a cosine to zero, which trains small nets fastest here."""
    config.optim.update(name="adamw", learning_rate=4e-3, weight_decay=0.05)
    config.optim.update(clip=1.0, clip_by="norm")
    config.optim.update(schedule="cosine", warmup=50, decay=0.0)


def text_config() -> ml_collections.ConfigDict:
    """Returns settings that do well on a megabyte or so of most texts."""
    config: Any = default_config()
    config.data.split = (0.9, 0.1, 0.0)
    config.model.update(features=256, embedding=64, dropout=0.2)
    config.model.initializer = "torch_rnn"
    use_adamw(config)
    config.train.update(batch_size=32, seq_length=64, epochs=20.0)
    config.train.sample_temperature = 0.8
    return config
