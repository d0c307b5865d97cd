"""python experiments/speed/run.py [--cases NAME ...] [--json]

Whole training steps (forward, loss, backward, clip, update) of charlm and of its peers,
measured in turn in one run; medians, and the peer's time over ours.
"""

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax

from charlm import make_language_model
from charlm.model import devices
from charlm.text.streams import Streams
from charlm.training.optimizer import make_optimizer
from charlm.training.step import (
    init_state,
    make_train_step,
    make_train_steps,
    shardings_of,
)

# name: layers, features, batch size, sequence length, symbols, dropout, steps a turn
CASES = {
    "train-2x128": (2, 128, 50, 50, 65, 0.0, 20),
    "train-2x512": (2, 512, 100, 50, 96, 0.5, 2),
}
TURNS = 11


def text_of(batch, length, symbols):
    ids = np.random.default_rng(0).integers(0, symbols, 4 * batch * length + 1)
    return ids.astype(np.uint8)


def charlm_steps(layers, features, batch, length, symbols, dropout):
    """Our steps, as `fit` runs them: many a dispatch, the text on the device."""
    lm = make_language_model(
        vocab_size=symbols, layers=layers, features=features, dropout=dropout
    )
    optimizer = make_optimizer(learning_rate=2e-3, name="adam")
    streams = Streams(text_of(batch, length, symbols), batch, length)
    ids = jnp.asarray(streams.ids)
    mesh = devices.mesh_of(batch)
    run = make_train_steps(
        make_train_step(lm, optimizer),
        lambda ids, step, _: streams.cut(ids, step),
        mesh,
    )
    state = [
        jax.device_put(init_state(lm, optimizer, batch_size=batch), shardings_of(mesh))
    ]
    ids = jax.device_put(ids, devices.whole(mesh))

    def steps(count):
        state[0], metrics = run(state[0], ids, count)
        jax.block_until_ready(metrics)

    return steps


def flax_steps(layers, features, batch, length, symbols, dropout):
    """Flax's nn.RNN(OptimizedLSTMCell), one step a dispatch."""

    class Net(nn.Module):
        @nn.compact
        def __call__(self, ids, deterministic):
            x = jax.nn.one_hot(ids, symbols)
            for _ in range(layers):
                x = nn.RNN(nn.OptimizedLSTMCell(features))(x)
                x = nn.Dropout(dropout, deterministic=deterministic)(x)
            return nn.Dense(symbols)(x)

    net, key = Net(), jax.random.key(0)
    window = jnp.asarray(text_of(batch, length, symbols)[: batch * (length + 1)])
    window = window.reshape(batch, length + 1).astype(jnp.int32)
    params = net.init(key, window[:, :-1], True)
    optimizer = optax.chain(optax.clip(5.0), optax.adam(2e-3))

    @jax.jit
    def step(params, opt_state, key):
        def loss(params):
            rngs = {"dropout": key}
            logits = net.apply(params, window[:, :-1], False, rngs=rngs)
            losses = optax.softmax_cross_entropy_with_integer_labels
            return losses(logits, window[:, 1:]).mean()

        nats, gradient = jax.value_and_grad(loss)(params)
        updates, opt_state = optimizer.update(gradient, opt_state)
        return optax.apply_updates(params, updates), opt_state, nats

    state = [params, optimizer.init(params)]

    def steps(count):
        nats = None
        for n in range(count):
            *state[:], nats = step(*state, jax.random.fold_in(key, n))
        jax.block_until_ready(nats)

    return steps


def torch_steps(layers, features, batch, length, symbols, dropout):
    """torch.nn.LSTM, as a good engineer would write it."""
    import torch

    lstm = torch.nn.LSTM(symbols, features, layers, dropout=dropout)
    head, drop = torch.nn.Linear(features, symbols), torch.nn.Dropout(dropout)
    weights = [*lstm.parameters(), *head.parameters()]
    optimizer = torch.optim.Adam(weights, lr=2e-3)
    window = text_of(batch, length, symbols)[: batch * (length + 1)]
    window = torch.from_numpy(window.reshape(length + 1, batch).astype(np.int64))
    one_hot = torch.nn.functional.one_hot(window[:-1], symbols).float()

    def steps(count):
        for _ in range(count):
            logits = head(drop(lstm(one_hot)[0]))
            loss = torch.nn.functional.cross_entropy(
                logits.flatten(0, 1), window[1:].flatten()
            )
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_value_(weights, 5.0)
            optimizer.step()

    return steps


PEERS = {"flax nn.RNN": flax_steps, "torch.nn.LSTM": torch_steps}


def available_peers() -> dict[str, Callable]:
    """The peers that are installed here; the others are named."""
    try:
        import torch  # noqa: F401
    except ImportError:
        print("torch is not installed: its rows are left out", file=sys.stderr)
        return {name: make for name, make in PEERS.items() if "torch" not in name}
    return PEERS


def measure(case: str) -> list[dict]:
    """The rows of a case: ours and each peer's, in turn, TURNS times."""
    *shape, count = CASES[case]
    runs = {"charlm": charlm_steps(*shape)}
    runs |= {name: make(*shape) for name, make in available_peers().items()}
    taken: dict[str, list[float]] = {name: [] for name in runs}
    for run in runs.values():
        run(count)  # compiles, and warms up
    for _ in range(TURNS):
        for name, run in runs.items():
            began = time.perf_counter()
            run(count)
            taken[name].append(1000 * (time.perf_counter() - began) / count)
    ours = statistics.median(taken["charlm"])
    ratio = {
        name: statistics.median(
            theirs / our for our, theirs in zip(taken["charlm"], times, strict=True)
        )
        for name, times in taken.items()
    }
    return [
        {
            "case": case,
            "peer": name,
            "ours_ms": round(ours, 2),
            "peer_ms": round(statistics.median(taken[name]), 2),
            "ratio": round(ratio[name], 3),
        }
        for name in runs
        if name != "charlm"
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", nargs="+", choices=CASES, default=list(CASES))
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    rows = [row for case in given.cases for row in measure(case)]
    if given.json:
        print(json.dumps(rows))
        return
    print(f"{'case':14}{'peer':16}{'ours, ms':>10}{'peer, ms':>10}{'peer / ours':>13}")
    for row in rows:
        print(
            f"{row['case']:14}{row['peer']:16}{row['ours_ms']:10.1f}"
            f"{row['peer_ms']:10.1f}{row['ratio']:13.2f}"
        )


if __name__ == "__main__":
    main()
