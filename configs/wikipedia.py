"""Wikipedia as raw XML: enwik8, a hundred million bytes, split as by Graves.

    charlm train --config=wikipedia[:VARIANT]

Without a variant: 96 million bytes to train on and 4 million to validate on, as in A.
Graves, "Generating sequences with recurrent neural networks", 2013. We have not yet run
this to its end.
`:ninety` has 90/5/5 million bytes, the split of most later papers. We have not run it
either.
`:prefix` is the same model on the first 4,154,399 bytes alone, 90/5/5. We have not run
it either.
`:small` has the best settings that we found for ten minutes on two cores, on that
prefix. Measured on two cores of an AMD EPYC (AVX-512); experiments/wikipedia has the
rest.
`:smoke` is a run of seconds on the same text as `:small`.
"""

from typing import Any

from charlm import presets

# Validation loss in nats per character, and time, of `charlm configs`.
MEASURED = {
    "small": (1.4583, "11 min 9 s"),
}


def get_config(variant: str = ""):
    config: Any = presets.default_config()
    config.data.corpus = "wikipedia"
    config.data.unit = "byte"  # as in the literature, which states bits per byte
    config.data.split = (96_000_000, 4_000_000, 0)
    config.model.layers = 3
    config.model.features = 680
    config.train.batch_size = 100
    config.train.seq_length = 100
    config.train.epochs = 10.0
    config.optim.clip = 0.05  # char-rnn's 5, for the gradient of a mean over 100 steps
    config.optim.decay_after = 3
    config.train.sample_temperature = 0.8
    return presets.pick(
        config,
        variant,
        ninety=ninety,
        prefix=prefix,
        small=small,
        smoke=smoke,
    )


def ninety(config):
    config.data.split = (90_000_000, 5_000_000, 5_000_000)


def prefix(config):
    config.data.corpus = "wikipedia_prefix"
    config.data.split = (0.9, 0.05, 0.05)


def small(config):
    prefix(config)
    presets.small(config)


def smoke(config):
    prefix(config)
    presets.smoke(config)
