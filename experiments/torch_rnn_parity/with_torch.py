"""Trains torch-rnn's recipe with torch.nn.LSTM, without charlm.

python experiments/torch_rnn_parity/with_torch.py [--iterations=1000] [--two_biases]

The model, the loss, the gradient and the update are PyTorch's. It prints the validation
loss every 1,000 iterations.
"""

import argparse

import numpy as np
import torch

from charlm import Streams, open_corpus
from charlm.corpora.fetch import fetch

# 80/10, without the characters that do not fill a batch of 50 x 50.
TRAIN_SIZE, VALID_SIZE = 892_316, 110_000
BATCH, LENGTH, WIDTH, EMBEDDING, LEARNING_RATE = 50, 50, 128, 64, 2e-3


class Net(torch.nn.Module):
    """A 2 x 128 LSTM with torch-rnn's initializers (LSTM.lua, LanguageModel.lua)."""

    def __init__(self, symbols: int, two_biases: bool):
        super().__init__()
        self.embed = torch.nn.Embedding(symbols, EMBEDDING)  # N(0, 1) in both
        self.lstm = torch.nn.LSTM(EMBEDDING, WIDTH, num_layers=2)
        self.head = torch.nn.Linear(WIDTH, symbols)  # the same U in both
        for layer, inputs in ((0, EMBEDDING), (1, WIDTH)):
            for matrix in ("ih", "hh"):
                weight = getattr(self.lstm, f"weight_{matrix}_l{layer}")
                torch.nn.init.normal_(weight, std=(inputs + WIDTH) ** -0.5)
                bias = getattr(self.lstm, f"bias_{matrix}_l{layer}")
                torch.nn.init.zeros_(bias)
                if matrix == "hh":  # torch-rnn has one bias where torch has two
                    bias.requires_grad_(two_biases)
                else:
                    bias.data[WIDTH : 2 * WIDTH] = 1.0

    def loss(self, inputs, targets, state):
        """Returns the mean loss of a window, and the state after it."""
        hidden, state = self.lstm(self.embed(inputs), state)
        logits = self.head(hidden).flatten(0, 1)
        return torch.nn.functional.cross_entropy(logits, targets.flatten()), state


def get_window(streams: Streams, i: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Returns (inputs[t, b], targets[t, b]) of a window."""
    inputs, targets = streams[i][:2]
    return (
        torch.from_numpy(inputs.astype(np.int64)),
        torch.from_numpy(targets.astype(np.int64)),
    )


@torch.no_grad()
def validate(net: Net, streams: Streams) -> float:
    """Returns the mean loss over a text; the state starts at zero and is carried on."""
    total, state = 0.0, None
    for i in range(streams.steps_per_epoch):
        loss, state = net.loss(*get_window(streams, i), state)
        total += float(loss)
    return total / streams.steps_per_epoch


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--iterations", type=int, default=1000)
    parser.add_argument("--two_biases", action="store_true")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    torch.manual_seed(arguments.seed)
    corpus = open_corpus(fetch("tiny_shakespeare"))
    train = Streams(corpus.ids[:TRAIN_SIZE], BATCH, LENGTH)
    valid = Streams(corpus.ids[TRAIN_SIZE : TRAIN_SIZE + VALID_SIZE + 1], BATCH, LENGTH)
    net, state = Net(len(corpus.vocab), arguments.two_biases), None
    weights = [p for p in net.parameters() if p.requires_grad]
    adam = torch.optim.Adam(weights, lr=LEARNING_RATE)
    for i in range(arguments.iterations):
        epoch, place = divmod(i, train.steps_per_epoch)
        if place == 0:  # each epoch starts from a zero state
            state = None
            if epoch >= 4 and (epoch - 4) % 5 == 0:
                rate = LEARNING_RATE * 0.5 ** ((epoch - 4) // 5 + 1)
                adam = torch.optim.Adam(weights, lr=rate)  # its moments start again
        loss, state = net.loss(*get_window(train, i), state)
        state = tuple(part.detach() for part in state)
        adam.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_value_(weights, 5.0)
        adam.step()
        if (i + 1) % 1000 == 0:
            print(f"{i + 1:6}  torch.nn.LSTM {validate(net, valid):.4f}", flush=True)


if __name__ == "__main__":
    main()
