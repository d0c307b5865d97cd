"""Any text file of your own.

    charlm train my.txt

The model has two LSTM layers of 256 and embedded characters, and trains with AdamW.
These settings suit a megabyte or so of most texts. With more text, increase
`model.features`; if the validation loss rises, set `model.dropout` to about 0.3.

Measured on Tiny Shakespeare's megabyte, whose last tenth is the validation text, on two
cores of an AMD EPYC (AVX-512), before the step became faster.
`:smoke` is a run of seconds.
"""

from charlm import presets

# Validation loss in nats per character, and time, of `charlm configs`.
MEASURED = {
    "": (1.4453, "at most 11 min 11 s"),
}


def get_config(variant: str = ""):
    return presets.pick(presets.text_config(), variant, smoke=presets.smoke)
