"""Sampling and scoring by charlm and by PyTorch.

Each function of a shape returns a function without arguments.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np

from charlm import score
from charlm.generation.sampler import CHUNK_DRAWN, SamplingParams, make_sampler
from experiments.speed.peers import (
    Shape,
    make_model,
    set_torch_precision,
    torch_device,
)


def charlm_sampling(shape: Shape) -> Callable[[], None]:
    """Draws shape.length characters of shape.batch texts, CHUNK_DRAWN in a dispatch."""
    lm = make_model(shape)
    params, sampler = lm.init(jax.random.key(0)), make_sampler(lm)
    weights = sampler.pack_params(params)
    keys = jax.random.split(jax.random.key(1), shape.batch)
    sampling = SamplingParams(jnp.float32(1), jnp.int32(0), jnp.float32(1))
    start = sampler.prefill(params, np.zeros(1, np.int32), shape.batch)

    def run():
        state = start
        for _ in range(shape.length // CHUNK_DRAWN):
            state, ids = sampler.decode(weights, state, keys, sampling, CHUNK_DRAWN)
            np.asarray(ids)

    return run


def torch_sampling(shape: Shape, *, cells: bool) -> Callable[[], None]:
    """Does the same with torch.nn.LSTM a step at a time, or with torch.nn.LSTMCells."""
    import torch

    device, h = torch_device(), shape.features
    set_torch_precision(shape.dtype)
    widths = [shape.symbols, *[h] * (shape.layers - 1)]
    stack = [torch.nn.LSTMCell(d, h).to(device) for d in widths]
    lstm = torch.nn.LSTM(shape.symbols, h, shape.layers).to(device)
    head = torch.nn.Linear(h, shape.symbols).to(device)
    one_hot = torch.eye(shape.symbols, device=device)

    def zeros(*size):
        return torch.zeros(*size, shape.batch, h, device=device)

    def step_cells(states, x):
        for n, cell in enumerate(stack):
            states[n] = cell(x, states[n])
            x = states[n][0]
        return states, x

    def step_lstm(states, x):
        y, states = lstm(x[None], states)
        return states, y[0]

    step = step_cells if cells else step_lstm

    @torch.inference_mode()
    def run():
        states = [(zeros(), zeros()) for _ in stack]
        if not cells:
            states = (zeros(shape.layers), zeros(shape.layers))
        ids = torch.zeros(shape.batch, dtype=torch.long, device=device)
        draws = []
        for _ in range(shape.length):
            states, y = step(states, one_hot[ids])
            ids = torch.multinomial(torch.softmax(head(y), -1), 1)[:, 0]
            draws.append(ids)
        torch.stack(draws).cpu()

    return run


def charlm_scoring(shape: Shape, windows: int) -> Callable[[], None]:
    """Scores a text with that many windows in every stream."""
    lm = make_model(shape)
    params, ids = lm.init(jax.random.key(0)), _make_text(shape, windows)

    def run():
        score(lm, params, ids, streams=shape.batch, seq_length=shape.length)

    return run


def torch_scoring(shape: Shape, windows: int) -> Callable[[], None]:
    """Does the same with torch.nn.LSTM in inference mode."""
    import torch

    device = torch_device()
    set_torch_precision(shape.dtype)
    lstm = torch.nn.LSTM(shape.symbols, shape.features, shape.layers).to(device)
    head = torch.nn.Linear(shape.features, shape.symbols).to(device)
    ids = torch.from_numpy(_make_text(shape, windows).astype(np.int64)).to(device)
    inputs = ids[:-1].view(shape.batch, windows, shape.length).permute(1, 2, 0)
    targets = ids[1:].view(shape.batch, windows, shape.length).permute(1, 2, 0)

    @torch.inference_mode()
    def run():
        states, total = None, 0.0
        for window, target in zip(inputs, targets, strict=True):
            one_hot = torch.nn.functional.one_hot(window, shape.symbols).float()
            y, states = lstm(one_hot, states)
            logits = head(y).flatten(0, 1)
            losses = torch.nn.functional.cross_entropy(
                logits, target.flatten(), reduction="sum"
            )
            total += float(losses)

    return run


def _make_text(shape, windows):
    size = shape.batch * windows * shape.length + 1
    return np.random.default_rng(0).integers(0, shape.symbols, size).astype(np.uint8)
