"""python experiments/torch_rnn_parity/with_torch.py [--iterations=1000] [--two_biases]

torch-rnn's recipe by torch.nn.LSTM: no line of charlm in the model, the loss, the
gradient or the update. Prints the validation loss, every 1,000 iterations.
"""

import argparse

import numpy as np
import torch

from charlm import Streams, open_corpus
from charlm.corpora.fetch import fetch

TRAIN, VALID = 892_316, 110_000  # 80/10, less what fills no batch of 50 x 50
BATCH, LENGTH, WIDTH, EMBEDDING, RATE = 50, 50, 128, 64, 2e-3


class Net(torch.nn.Module):
    """2 x 128 with torch-rnn's initializers (its LSTM.lua, LanguageModel.lua)."""

    def __init__(self, symbols: int, two_biases: bool):
        super().__init__()
        self.embed = torch.nn.Embedding(symbols, EMBEDDING)  # N(0, 1) in both
        self.lstm = torch.nn.LSTM(EMBEDDING, WIDTH, num_layers=2)
        self.head = torch.nn.Linear(WIDTH, symbols)  # the same U in both
        for layer, inputs in ((0, EMBEDDING), (1, WIDTH)):
            for kind in ("ih", "hh"):
                weight = getattr(self.lstm, f"weight_{kind}_l{layer}")
                torch.nn.init.normal_(weight, std=(inputs + WIDTH) ** -0.5)
                bias = getattr(self.lstm, f"bias_{kind}_l{layer}")
                torch.nn.init.zeros_(bias)
                if kind == "hh":  # torch-rnn has one bias where torch has two
                    bias.requires_grad_(two_biases)
                else:
                    bias.data[WIDTH : 2 * WIDTH] = 1.0

    def loss(self, inputs, targets, state):
        hidden, state = self.lstm(self.embed(inputs), state)
        logits = self.head(hidden).flatten(0, 1)
        return torch.nn.functional.cross_entropy(logits, targets.flatten()), state


def window(streams: Streams, i: int):
    batch = streams[i]
    return [torch.from_numpy(ids.astype(np.int64)) for ids in batch[:2]]


@torch.no_grad()
def validate(net: Net, streams: Streams) -> float:
    """The mean loss over the text, from a zero state that is handed on."""
    total, state = 0.0, None
    for i in range(streams.steps_per_epoch):
        loss, state = net.loss(*window(streams, i), state)
        total += float(loss)
    return total / streams.steps_per_epoch


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--iterations", type=int, default=1000)
    parser.add_argument("--two_biases", action="store_true")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    torch.manual_seed(given.seed)
    corpus = open_corpus(fetch("tiny_shakespeare"))
    train = Streams(corpus.ids[:TRAIN], BATCH, LENGTH)
    valid = Streams(corpus.ids[TRAIN : TRAIN + VALID + 1], BATCH, LENGTH)
    net, state = Net(len(corpus.vocab), given.two_biases), None
    weights = [p for p in net.parameters() if p.requires_grad]
    adam = torch.optim.Adam(weights, lr=RATE)
    for i in range(given.iterations):
        epoch, place = divmod(i, train.windows)
        if place == 0:  # an epoch begins: a zero state, and a rate halved now and then
            state = None
            if epoch >= 4 and (epoch - 4) % 5 == 0:
                halved = RATE * 0.5 ** ((epoch - 4) // 5 + 1)
                adam = torch.optim.Adam(weights, lr=halved)  # its moments anew
        loss, state = net.loss(*window(train, i), state)
        state = tuple(part.detach() for part in state)
        adam.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_value_(weights, 5.0)
        adam.step()
        if (i + 1) % 1000 == 0:
            print(f"{i + 1:6}  torch.nn.LSTM {validate(net, valid):.4f}", flush=True)


if __name__ == "__main__":
    main()
