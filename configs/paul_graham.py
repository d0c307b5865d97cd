"""Paul Graham's essays: 3.2 million characters of advice to startups.

    python -m charlm.train --config=configs/paul_graham.py[:VARIANT]

Without a variant: the post's settings, two LSTM layers of 512, dropout 0.5, batches of
100, gradients through 100 characters, RMSProp. We have not yet run this to its end.
`:small` has the best settings that we found for ten minutes on two cores: validation
loss 1.1523 nats, 1.6625 bits per character, in 11 minutes 15 seconds of two cores of an
AMD EPYC (AVX-512) with other work on them. experiments/paul_graham has the rest.
`:smoke` is a run of seconds.
"""

from typing import Any

from configs import default


def get_config(variant: str = ""):
    config: Any = default.get_config()
    config.data.corpus = "paul_graham"
    config.data.split = (0.9, 0.05, 0.05)
    config.model.features = 512
    config.model.dropout = 0.5
    config.train.batch_size = 100
    config.train.seq_length = 100
    config.optim.clip = 0.05  # char-rnn's 5, for the gradient of a mean over 100 steps
    config.train.sample_temperature = 0.7
    return default.pick(config, variant, small=small, smoke=default.smoke)


def small(config):
    default.small(config)
    config.model.dropout = 0.1
