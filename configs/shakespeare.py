"""All of Shakespeare's plays: 4,573,338 characters, the post's own file.

    charlm train --config=shakespeare[:VARIANT]

Without a variant: the post's three LSTM layers of 512, with char-rnn's settings and the
post's batches. We have not yet run this to its end.
`:small` has the best settings that we found for ten minutes on two cores. Measured on
two cores of an AMD EPYC (AVX-512) with other work on them; experiments/shakespeare
has the rest.
`:smoke` is a run of seconds.
"""

from typing import Any

from charlm import presets

# Validation loss in nats per character, and time, of `charlm configs`.
MEASURED = {
    "small": (1.3015, "16 min 53 s"),
}


def get_config(variant: str = ""):
    config: Any = presets.default_config()
    config.data.corpus = "shakespeare"
    config.data.split = (0.9, 0.05, 0.05)
    config.model.layers = 3
    config.model.features = 512
    config.model.dropout = 0.5
    config.train.batch_size = 100
    config.train.seq_length = 100
    config.optim.clip = 0.05  # char-rnn's 5, for the gradient of a mean over 100 steps
    config.train.sample_temperature = 0.8
    return presets.pick(config, variant, small=presets.small, smoke=presets.smoke)
