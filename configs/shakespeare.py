"""All of Shakespeare's plays: 4,573,338 characters, the post's own file.

    python -m charlm.train --config=configs/shakespeare.py[:VARIANT]

Without a variant: the post's three LSTM layers of 512, with char-rnn's settings and the
post's batches. We have not yet run this to its end.
`:small` has the best settings that we found for ten minutes on two cores: validation
loss 1.3015 nats, 1.8777 bits per character, in 16 minutes 53 seconds of two cores of an
AMD EPYC (AVX-512) with other work on them. experiments/shakespeare has the rest.
`:smoke` is a run of seconds.
"""

from typing import Any

from configs import default


def get_config(variant: str = ""):
    config: Any = default.get_config()
    config.data.corpus = "shakespeare"
    config.data.split = (0.9, 0.05, 0.05)
    config.model.layers = 3
    config.model.features = 512
    config.model.dropout = 0.5
    config.train.batch_size = 100
    config.train.seq_length = 100
    config.optim.clip = 0.05  # char-rnn's 5, for the gradient of a mean over 100 steps
    config.train.sample_temperature = 0.8
    return default.pick(config, variant, small=default.small, smoke=default.smoke)
