"""Paul Graham's essays: 3.2 million characters of advice to startups.

    charlm train --config=paul_graham[:VARIANT]

Without a variant: the post's settings, two LSTM layers of 512, dropout 0.5, batches of
100, gradients through 100 characters, RMSProp. We have not yet run this to its end.
`:small` has the best settings that we found for ten minutes on two cores. Measured on
two cores of an AMD EPYC (AVX-512) with other work on them; experiments/paul_graham
has the rest.
`:smoke` is a run of seconds.
"""

from typing import Any

from charlm import presets

# Validation loss in nats per character, and time, of `charlm configs`.
MEASURED = {
    "small": (1.1523, "11 min 15 s"),
}


def get_config(variant: str = ""):
    config: Any = presets.default_config()
    config.data.corpus = "paul_graham"
    config.data.split = (0.9, 0.05, 0.05)
    config.model.features = 512
    config.model.dropout = 0.5
    config.train.batch_size = 100
    config.train.seq_length = 100
    config.optim.clip = 0.05  # char-rnn's 5, for the gradient of a mean over 100 steps
    config.train.sample_temperature = 0.7
    return presets.pick(config, variant, small=small, smoke=presets.smoke)


def small(config):
    presets.small(config)
    config.model.dropout = 0.1
