"""Every knob of charlm, with its meaning; the other configs change some of them.

The model, the optimiser and the windows are char-rnn's defaults where it has the knob.
"""

from collections.abc import Callable

import ml_collections

Config = ml_collections.ConfigDict


def get_config(variant: str = "") -> Config:
    config = ml_collections.ConfigDict()
    config.seed = 123  # of parameters, dropout and resets

    data = config.data = ml_collections.ConfigDict()
    data.corpus = ""  # a name that `python -m charlm.corpora list` shows
    data.path = ""  # a text file of your own; wins over corpus
    data.unit = "char"  # "char", or "byte" for any file at all
    data.encoding = "utf-8"  # of the file, by its Python name
    # train, valid and test, in this order: shares of the text, or exact sizes.
    data.split = (0.95, 0.05, 0.0)
    # How likely a stream is to start from the zero carry in any window.
    data.reset_probability = 0.02
    # A text of more bytes than this is read from its file, not kept on the device;
    # -1 is a tenth of an accelerator's memory, and 2**28 on a CPU.
    data.device_bytes = -1

    model = config.model = ml_collections.ConfigDict()
    model.cell = "lstm"  # "lstm", "gru" (char-rnn's) or "rnn"
    model.layers = 2
    model.features = 128  # width of each layer
    model.embedding = 0  # width of a learnt embedding; 0 reads characters one-hot
    model.dropout = 0.0  # of what a layer passes up: to the next layer, to the head
    # "char_rnn": U(-0.08, 0.08); "torch_rnn": N(0, 1 / (inputs + features)).
    model.initializer = "char_rnn"
    model.forget_bias = 1.0  # what an LSTM's forget gates start from
    # Of products: "auto", which is bfloat16 on a TPU and float32 elsewhere; "float32";
    # "tf32", which NVIDIA's GPUs round to 10 bits of mantissa and CPUs do not; or
    # "bfloat16", in which an NVIDIA GPU's LSTMs are a scan and not cuDNN's.
    model.dtype = "auto"

    optim = config.optim = ml_collections.ConfigDict()
    optim.name = "rmsprop"  # "rmsprop", "adam" or "adamw"
    optim.learning_rate = 2e-3
    optim.rms_decay = 0.95  # RMSProp's memory of squared gradients
    optim.weight_decay = 0.0  # AdamW's
    # char-rnn clips at 5 a gradient summed over its 50 steps: of our mean, at 0.1.
    optim.clip = 0.1  # 0 does not clip
    optim.clip_by = "value"  # "value" (each element) or "norm" (the whole)
    # "constant"; "epochs": times decay at the end of epoch decay_after and of every
    # decay_every-th after it; "cosine": down to decay times the rate at the last step.
    optim.schedule = "epochs"
    optim.warmup = 0  # steps of a linear rise before it
    optim.decay = 0.97
    optim.decay_after = 10
    optim.decay_every = 1
    # Whether "epochs" starts the moments anew at each decay, as torch-rnn does.
    optim.restart_at_decay = False

    train = config.train = ml_collections.ConfigDict()
    train.batch_size = 50  # streams read side by side
    train.seq_length = 50  # characters of a window: how far gradients go back
    train.steps = 0  # how many; 0 leaves it to epochs
    train.epochs = 50.0
    # At a step whose loss, gradient or states are not finite, or whose loss has
    # exploded: "stop", the state before it saved; or "skip", leaving it out.
    train.bad_steps = "stop"
    train.log_every = 100  # steps between lines of training in metrics.jsonl
    # Steps between scores of the whole validation text, between checkpoints (the best
    # is kept too) and between samples in samples.txt; 0 is at the end only.
    train.eval_every = 1000
    train.checkpoint_every = 1000
    train.sample_every = 1000
    train.sample_length = 500  # characters of those; 0 draws none
    train.sample_temperature = 1.0  # of those
    train.init_from = ""  # a workdir whose best weights to start from
    return pick(config, variant, smoke=smoke)


def adamw(config: Config) -> None:
    """AdamW with a cosine down to nothing: what trains small nets fastest here."""
    config.optim.name = "adamw"
    config.optim.learning_rate = 4e-3
    config.optim.weight_decay = 0.05
    config.optim.clip = 1.0
    config.optim.clip_by = "norm"
    config.optim.schedule = "cosine"
    config.optim.warmup = 50
    config.optim.decay = 0.0


def small(config: Config) -> None:
    """What we found best for ten minutes on two cores, on the larger corpora.

    Many small steps at a high rate. Two cores of an AMD EPYC (AVX-512) that had nothing
    else to do read 20 thousand characters a second (`configs/wikipedia.py:small`): the
    12,000 steps are ten minutes and a quarter, and the scores come on top.
    """
    config.model.layers = 1
    config.model.features = 512
    config.model.embedding = 64
    config.model.initializer = "torch_rnn"
    config.model.dropout = 0.0
    adamw(config)
    config.optim.learning_rate = 8e-3
    config.optim.warmup = 200
    config.train.batch_size = 16
    config.train.seq_length = 64
    config.train.steps = 12_000
    config.train.eval_every = 4000
    config.train.checkpoint_every = 4000
    config.train.sample_every = 4000


def smoke(config: Config) -> None:
    """A run of seconds, to see that everything works."""
    config.model.features = 16
    config.train.batch_size = 8
    config.train.seq_length = 20
    config.train.steps = 60
    config.train.log_every = 20
    config.train.eval_every = 0
    config.train.checkpoint_every = 30
    config.train.sample_every = 30
    config.train.sample_length = 60


def pick(config: Config, variant: str, **variants: Callable[[Config], None]) -> Config:
    """The config, changed as its variant says: configs/NAME.py:VARIANT."""
    if variant:
        if variant not in variants:
            raise ValueError(
                f"there is no variant {variant!r} of this config; there are"
                f" {', '.join(variants)}"
            )
        variants[variant](config)
    return config
