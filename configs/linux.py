"""The C of Linux: the post's largest model, of three layers and ten million parameters.

    charlm train --config=linux[:VARIANT]

Without a variant: every .c and .h file of a release, half a gigabyte. We have not yet
run this to its end.
`:kernel` is the same model on the kernel/ folder of Linux 6.1 alone, 11.7 million
characters, 90/5/5. We have not run it either.
`:small` has the best settings that we found for ten minutes on two cores, on that
folder. Measured on two cores of an AMD EPYC (AVX-512) with other work on them;
experiments/linux has the rest.
`:smoke` is a run of seconds on the same text as `:small`.
"""

from typing import Any

from charlm import presets

# Validation loss in nats per character, and time, of `charlm configs`.
MEASURED = {
    "small": (1.0866, "13 min 42 s"),
}


def get_config(variant: str = ""):
    config: Any = presets.default_config()
    config.data.corpus = "linux"
    config.data.split = (0.98, 0.01, 0.01)
    config.model.layers = 3
    config.model.features = 680
    config.train.batch_size = 100
    config.train.seq_length = 100
    config.train.epochs = 5.0
    config.optim.clip = 0.05  # char-rnn's 5, for the gradient of a mean over 100 steps
    config.optim.decay_after = 1
    config.train.sample_temperature = 0.7
    return presets.pick(config, variant, kernel=kernel, small=small, smoke=smoke)


def kernel(config):
    config.data.corpus = "linux_kernel_6.1"
    config.data.split = (0.9, 0.05, 0.05)
    config.model.dropout = 0.2
    config.train.epochs = 50.0
    config.optim.decay_after = 10


def small(config):
    kernel(config)
    presets.small(config)


def smoke(config):
    kernel(config)
    presets.smoke(config)
