"""The Stacks project: a book of algebraic geometry in LaTeX, 27.7 million characters.

    charlm train --config=latex[:VARIANT]

The post had 16 MB of it, of 2015. Without a variant: two LSTM layers of 512 and the
post's batches. We have not yet run this to its end.
`:small` has the best settings that we found for ten minutes on two cores. Measured on
two cores of an AMD EPYC (AVX-512) with other work on them; experiments/latex has the
rest.
`:smoke` is a run of seconds.
"""

from typing import Any

from charlm import presets

# Validation loss in nats per character, and time, of `charlm configs`.
MEASURED = {
    "small": (0.6994, "14 min 20 s"),
}


def get_config(variant: str = ""):
    config: Any = presets.default_config()
    config.data.corpus = "latex"
    config.data.split = (0.98, 0.01, 0.01)
    config.model.features = 512
    config.model.dropout = 0.2
    config.train.batch_size = 100
    config.train.seq_length = 100
    config.train.epochs = 20.0
    config.optim.clip = 0.05  # char-rnn's 5, for the gradient of a mean over 100 steps
    config.train.sample_temperature = 0.8
    return presets.pick(config, variant, small=presets.small, smoke=presets.smoke)
