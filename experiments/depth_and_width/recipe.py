"""The architectures of Karpathy, Johnson and Li's table, and how they are trained."""

from itertools import product
from typing import NamedTuple

from experiments.depth_and_width.widths import find_width

VOCAB_SIZE = 87  # distinct bytes of War and Peace
# Test losses of the paper, by budget and layers.
PAPER = {
    (64, 1): {"lstm": 1.449, "rnn": 1.446, "gru": 1.398},
    (64, 2): {"lstm": 1.442, "rnn": 1.401, "gru": 1.373},
    (128, 1): {"lstm": 1.277, "rnn": 1.417, "gru": 1.230},
    (128, 2): {"lstm": 1.227, "rnn": 1.286, "gru": 1.226},
}
EPOCHS = {64: 10, 128: 6}
LEARNING_RATES = {"lstm": 8e-3, "gru": 8e-3, "rnn": 3e-3}  # at budget 64
RECIPE = {
    "model.dropout": 0.0,
    "model.initializer": "torch_rnn",
    "model.embedding": 64,
    "model.forget_bias": -1.0,
    "optim.name": "adamw",
    "optim.weight_decay": 0.01,
    "optim.clip": 0.2,
    "optim.clip_by": "norm",
    "optim.schedule": "cosine",
    "optim.warmup": 100,
    "optim.decay": 0.0,
    "train.batch_size": 16,
    "train.seq_length": 50,
    "train.log_every": 500,
    "train.eval_every": 3258,  # an epoch
    "train.checkpoint_every": 3258,
    "train.sample_length": 0,
}


class Architecture(NamedTuple):
    """An entry of the paper's table.

    Attributes:
      budget: the width of the LSTM layer with as many parameters.
      layers: 1 or 2.
      cell: "lstm", "gru" or "rnn".
    """

    budget: int
    layers: int
    cell: str

    @property
    def width(self) -> int:
        return find_width(
            self.cell, layers=self.layers, budget=self.budget, vocab_size=VOCAB_SIZE
        )

    @property
    def paper(self) -> float:
        return PAPER[self.budget, self.layers][self.cell]

    @property
    def name(self) -> str:
        return f"{self.cell}-{self.layers}-{self.budget}"


# The longest first, so that no core waits for the other at the end.
ARCHITECTURES = [
    Architecture(*values)
    for values in product((128, 64), (2, 1), ("lstm", "gru", "rnn"))
]


def get_flags(architecture: Architecture) -> list[str]:
    """Returns the flags of charlm.train for an architecture."""
    rate = LEARNING_RATES[architecture.cell] * (64 / architecture.budget) ** 0.5
    options = RECIPE | {
        "model.cell": architecture.cell,
        "model.layers": architecture.layers,
        "model.features": architecture.width,
        "optim.learning_rate": round(rate, 6),
        "train.epochs": float(EPOCHS[architecture.budget]),
    }
    return [f"--config.{name}={value}" for name, value in options.items()]
