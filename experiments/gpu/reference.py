"""An LSTM language model as a textbook writes it, to check the fast paths against.

In float64, on the CPU, whatever else the process computes on.
"""

import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from charlm.model.cells import LSTMState

PyTree = Any


def make_reference(layers: int, dropout: float):
    """Returns (params, carry, ids, masks, weights) -> ((loss, aux), gradients).

    Its arguments and results are those of the function that `correct.make_step` makes,
    but for the masks keep[t, b, h] of each layer, in the place of a key.
    """

    def loss(params, carry, ids, masks, weights):
        x, states = jax.nn.one_hot(ids[:-1], len(params["layer_0"]["wx"])), []
        for n in range(layers):
            state, x = unroll(params[f"layer_{n}"], carry[n], x)
            x = jnp.where(masks[n], x / (1 - dropout), 0)
            states.append(state)
        logits = x @ params["head"]["w"] + params["head"]["b"]
        log_p = jax.nn.log_softmax(logits)
        picked = jnp.take_along_axis(log_p, ids[1:, :, None], axis=-1)
        return weigh(-picked.mean(), states, weights), (tuple(states), logits)

    step = jax.jit(jax.value_and_grad(loss, (0, 1), has_aux=True))

    def run(params, carry, *rest):
        with jax.enable_x64(True), jax.default_device(jax.devices("cpu")[0]):
            wide = jax.tree.map(lambda x: np.asarray(x, np.float64), (params, carry))
            return jax.device_get(step(*wide, *rest))

    return run


def unroll(
    params: dict[str, Array], state: LSTMState, xs: Float[Array, "t b d"]
) -> tuple[LSTMState, Float[Array, "t b h"]]:
    """Returns (state after the window, outputs)."""

    def step(state, x):
        z = x @ params["wx"] + state.h @ params["wh"] + params["b"]
        i, f, g, o = jnp.split(z, 4, axis=-1)
        c = jax.nn.sigmoid(f) * state.c + jax.nn.sigmoid(i) * jnp.tanh(g)
        h = jax.nn.sigmoid(o) * jnp.tanh(c)
        return LSTMState(c, h), h

    return jax.lax.scan(step, state, xs)


def weigh(nats: Array, states: PyTree, weights: PyTree) -> Array:
    """Returns a loss that depends on the states after the window as well."""
    products = jax.tree.map(lambda s, w: (s * w).mean(), tuple(states), weights)
    return functools.reduce(jnp.add, jax.tree.leaves(products), nats)


def get_error(found: PyTree, wanted: PyTree) -> tuple[float, str]:
    """Returns the largest relative error of any leaf, |found - wanted| / |wanted|.

    Returns:
      The error, and the path of the leaf.
    """
    errors = {}
    pairs = zip(
        jax.tree_util.tree_leaves_with_path(found), jax.tree.leaves(wanted), strict=True
    )
    for (path, x), y in pairs:
        x, y = np.asarray(x, np.float64), np.asarray(y)
        error = np.linalg.norm(x - y) / np.linalg.norm(y)
        # Not a number is the worst there is.
        errors[jax.tree_util.keystr(path)] = float(np.nan_to_num(error, nan=np.inf))
    worst = max(errors, key=lambda name: errors[name])
    return errors[worst], worst


def draw_masks(
    drop, rate: float, keys: list, shape: tuple[int, int, int]
) -> list[Bool[np.ndarray, "t b h"]]:
    """Returns the mask that `drop` draws with each key."""
    ones = jnp.ones(shape)
    return [np.asarray(drop(rate, key, ones)) != 0 for key in keys]


def draw_ids(vocab_size: int, t: int, b: int, seed: int) -> Int[np.ndarray, "t+1 b"]:
    """Returns ids of a window and of the characters after it."""
    drawn = np.random.default_rng(seed).integers(0, vocab_size, (t + 1, b))
    return drawn.astype(np.int32)
