"""Tiny Shakespeare, the text of char-rnn and nanoGPT: 1,115,394 characters, 65 symbols.

    python -m charlm.train --config=configs/tiny_shakespeare.py[:VARIANT]

The times are of two cores of an AMD EPYC (AVX-512), with the start. The losses are of
the validation text, in nats and bits per character.

Without a variant: char-rnn's defaults, split 90/10. It took 8 minutes 44 seconds,
before the step became faster. The best loss is 1.5678 nats, 2.2619 bits, after 8,000 of
20,050 steps.
`:torch_rnn` has torch-rnn's defaults and its split 80/10/10. It took 6 minutes 52
seconds, before the step became faster: 1.5449 nats, 2.2288 bits (0.01 less or more with
another seed). experiments/torch_rnn_parity has the rest.
`:cpu` suits two slow cores and a minute, split 90/10. It takes 47 seconds: 1.5283 nats,
2.2048 bits.
`:smoke` is a run of seconds.
"""

from typing import Any

from configs import default


def get_config(variant: str = ""):
    config: Any = default.get_config()
    config.data.corpus = "tiny_shakespeare"
    config.data.split = (0.9, 0.1, 0.0)
    config.train.sample_temperature = 0.8
    return default.pick(
        config, variant, torch_rnn=torch_rnn, cpu=cpu, smoke=default.smoke
    )


def torch_rnn(config):
    # 80/10/10 as torch-rnn's scripts/preprocess.py rounds it.
    config.data.split = (892_316, 111_539, 111_539)
    config.data.reset_probability = 0.0
    config.model.embedding = 64
    config.model.initializer = "torch_rnn"
    config.optim.name = "adam"
    config.optim.clip = 5.0
    config.optim.decay = 0.5
    config.optim.decay_after = 4
    config.optim.decay_every = 5
    config.optim.restart_at_decay = True


def cpu(config):
    default.small(config)
    config.model.features = 256
    config.optim.learning_rate = 1.5e-2  # high, for so short a run
    config.train.seq_length = 50
    config.train.steps = 2800
    config.train.log_every = 250
    config.train.eval_every = 0
    config.train.checkpoint_every = 0
    config.train.sample_every = 0
