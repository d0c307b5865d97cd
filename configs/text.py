"""Any text file of your own.

    python -m charlm.train --config=configs/text.py --config.data.path=my.txt

The model has two LSTM layers of 256 and embedded characters, and trains with AdamW.
These settings suit a megabyte or so of most texts. With more text, increase
`model.features`; if the validation loss rises, set `model.dropout` to about 0.3.

On Tiny Shakespeare's megabyte, on two cores of an AMD EPYC (AVX-512), the validation
loss of the last tenth is 1.4453 nats, 2.0852 bits per character, in at most 11 minutes
11 seconds (measured before the step became faster).
`:smoke` is a run of seconds.
"""

from charlm.presets import text_config
from configs import default


def get_config(variant: str = ""):
    return default.pick(text_config(), variant, smoke=default.smoke)
