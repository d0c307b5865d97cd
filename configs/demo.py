"""The demo: a minute or two of learning to write Python, from Python's own library.

    python -m charlm.train --config=configs/demo.py[:small]

1 minute 32 seconds of training on two cores of an AMD EPYC (AVX-512); validation loss
1.5359 nats, 2.2158 bits per character. At this rate of learning rounding tells: code
that adds up in another order came to 1.5189, 1.5505 and 1.5674.
`:small`, as other corpora have it: validation loss 1.4110 nats, 2.0356
bits per character, in 17 minutes 15 seconds of two such cores that had other work
beside.
"""

from configs import default


def get_config(variant: str = ""):
    config = default.get_config()
    config.data.corpus = "python_stdlib"
    config.data.split = (0.98, 0.01, 0.01)
    default.small(config)
    config.model.features = 384
    config.train.seq_length = 50
    config.train.steps = 3200
    config.train.eval_every = 800
    config.train.checkpoint_every = 1600
    config.train.sample_every = 800
    config.train.sample_length = 300
    config.train.sample_temperature = 0.7
    return default.pick(config, variant, small=small, smoke=default.smoke)


def small(config):
    default.small(config)
    config.train.sample_length = 500
