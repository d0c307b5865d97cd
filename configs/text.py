"""Any text file of your own.

    python -m charlm.train --config=configs/text.py --config.data.path=my.txt

Two LSTM layers of 256, embedded characters, AdamW: settings that do well on a megabyte
or so of most texts. Make `model.features` larger for more text, and set `model.dropout`
to 0.3 or so when the validation loss turns up.

On Tiny Shakespeare's megabyte, two cores of an AMD EPYC (AVX-512): validation loss
1.4453 nats, 2.0852 bits per character on the last tenth, in at most 11 minutes 11
seconds (measured before the step was made faster).
"""

from configs import default


def get_config(variant: str = ""):
    config = default.get_config()
    config.data.split = (0.9, 0.1, 0.0)
    config.model.features = 256
    config.model.embedding = 64
    config.model.initializer = "torch_rnn"
    config.model.dropout = 0.2
    default.adamw(config)
    config.train.batch_size = 32
    config.train.epochs = 20.0
    config.train.seq_length = 64
    config.train.sample_temperature = 0.8
    return default.pick(config, variant, smoke=default.smoke)
