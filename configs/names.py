"""First names, one a line: 7,578 names to make up new ones from.

    charlm train --config=names[:VARIANT]
    charlm sample runs/names --length=400

The list is shuffled and has each name once, so that no name of the validation text is
in the training text. Without a variant: char-rnn's two LSTM layers of 128, with
dropout. We have not yet run this to its end.
`:small` has the best settings that we found on two cores. Measured on two cores of an
AMD EPYC (AVX-512); experiments/names has the rest. Longer training only memorizes the
list.
`:smoke` is a run of seconds.
"""

from typing import Any

from charlm import presets

# Validation loss in nats per character, and time, of `charlm configs`.
MEASURED = {
    "small": (1.9973, "37 s"),
}


def get_config(variant: str = ""):
    config: Any = presets.default_config()
    config.data.corpus = "names"
    config.data.split = (0.8, 0.1, 0.1)
    config.model.dropout = 0.5
    config.train.batch_size = 20
    config.train.eval_every = 200
    config.train.checkpoint_every = 200
    return presets.pick(config, variant, small=small, smoke=presets.smoke)


def small(config):
    config.data.reset_probability = 0.3  # a name does not depend on the one before
    config.model.layers = 1
    config.model.features = 256
    config.model.embedding = 32
    config.model.initializer = "torch_rnn"
    presets.use_adamw(config)
    config.optim.learning_rate = 8e-3
    config.optim.weight_decay = 0.3
    config.train.steps = 1200
