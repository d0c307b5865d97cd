"""First names, one a line: 7,578 names to make up new ones from.

    python -m charlm.train --config=configs/names.py[:VARIANT]
    python -m charlm.sample --workdir=runs/names --length=400

The list is shuffled and has each name once, so that no name of the validation text is
in the training text. Without a variant: char-rnn's two LSTM layers of 128, with
dropout. We have not yet run this to its end.
`:small` has the best settings that we found on two cores: validation loss 1.9973 nats,
2.8815 bits per character, in 37 seconds of two cores of an AMD EPYC (AVX-512).
experiments/names has the rest. Longer training only memorizes the list.
`:smoke` is a run of seconds.
"""

from typing import Any

from configs import default


def get_config(variant: str = ""):
    config: Any = default.get_config()
    config.data.corpus = "names"
    config.data.split = (0.8, 0.1, 0.1)
    config.model.dropout = 0.5
    config.train.batch_size = 20
    config.train.eval_every = 200
    config.train.checkpoint_every = 200
    return default.pick(config, variant, small=small, smoke=default.smoke)


def small(config):
    config.data.reset_probability = 0.3  # a name does not depend on the one before
    config.model.layers = 1
    config.model.features = 256
    config.model.embedding = 32
    config.model.initializer = "torch_rnn"
    default.adamw(config)
    config.optim.learning_rate = 8e-3
    config.optim.weight_decay = 0.3
    config.train.steps = 1200
