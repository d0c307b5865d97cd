"""War and Peace, the text of the post's samples during training: 3,258,246 bytes.

    charlm train --config=war_and_peace[:VARIANT]

It is read as bytes and split 80/10/10, as in A. Karpathy, J. Johnson and L. Fei-Fei,
"Visualizing and understanding recurrent networks", 2015. Without a variant: two LSTM
layers of 512 and that paper's settings, except for dropout, which the paper chose on
the validation text. We have not yet run this to its end.
`:small` has the best settings that we found for ten minutes on two cores. Measured on
two cores of an AMD EPYC (AVX-512) with other work on them; experiments/war_and_peace
has the rest.
`:smoke` is a run of seconds.
"""

from typing import Any

from charlm import presets

# Validation loss in nats per character, and time, of `charlm configs`.
MEASURED = {
    "small": (1.1473, "11 min 21 s"),
}


def get_config(variant: str = ""):
    config: Any = presets.default_config()
    config.data.corpus = "war_and_peace"
    config.data.unit = "byte"
    config.data.split = (0.8, 0.1, 0.1)
    config.model.features = 512
    config.model.dropout = 0.5
    config.train.batch_size = 100
    config.train.seq_length = 100
    config.optim.clip = 0.05  # char-rnn's 5, for the gradient of a mean over 100 steps
    config.optim.decay = 0.95
    config.train.sample_temperature = 0.8
    return presets.pick(config, variant, small=small, smoke=presets.smoke)


def small(config):
    presets.small(config)
    config.model.dropout = 0.1
