"""An LSTM language model in the equations of a textbook, to check the fast paths.

It computes in float64 on the CPU, whatever else the process computes on.
"""

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from charlm.model.dropout import apply_dropout
from charlm.model.lstm import LSTMState

PyTree = Any


def make_reference(layers: int, dropout: float) -> Callable[..., Any]:
    """Returns (params, carry, ids, masks, weights) -> ((loss, aux), gradients).

    Its arguments and results are those of the function of `correctness.make_step`,
    except that the masks keep[t, b, h] of each layer take the place of a key.
    """

    def compute_loss(params, carry, ids, masks, weights):
        x, states = jax.nn.one_hot(ids[:-1], len(params["layer_0"]["wx"])), []
        for n in range(layers):
            state, x = unroll(params[f"layer_{n}"], carry[n], x)
            x = jnp.where(masks[n], x / (1 - dropout), 0)
            states.append(state)
        logits = x @ params["head"]["w"] + params["head"]["b"]
        log_p = jax.nn.log_softmax(logits)
        target_log_p = jnp.take_along_axis(log_p, ids[1:, :, None], axis=-1)
        loss = add_weighted_states(-target_log_p.mean(), states, weights)
        return loss, (tuple(states), logits)

    step = jax.jit(jax.value_and_grad(compute_loss, (0, 1), has_aux=True))

    def run(params, carry, *rest):
        # NumPy's arrays are on no device, so that the CPU computes.
        with jax.enable_x64(True), jax.default_device(jax.devices("cpu")[0]):
            wide = jax.tree.map(lambda x: np.asarray(x, np.float64), (params, carry))
            return jax.device_get(step(*wide, *jax.device_get(rest)))

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


def add_weighted_states(nats: Array, states: PyTree, weights: PyTree) -> Array:
    """Returns a loss that depends on the states after the window as well."""
    products = jax.tree.map(lambda s, w: (s * w).mean(), tuple(states), weights)
    return functools.reduce(jnp.add, jax.tree.leaves(products), nats)


def get_error(actual: PyTree, expected: PyTree) -> tuple[float, str]:
    """Returns the largest relative error of a leaf, |actual - expected| / |expected|.

    Returns:
      The error, and the path of the leaf.
    """
    errors = {}
    leaves = jax.tree_util.tree_leaves_with_path(actual)
    for (path, x), y in zip(leaves, jax.tree.leaves(expected), strict=True):
        x, y = np.asarray(x, np.float64), np.asarray(y)
        error = np.linalg.norm(x - y) / np.linalg.norm(y)
        # NaN counts as infinite.
        errors[jax.tree_util.keystr(path)] = float(np.nan_to_num(error, nan=np.inf))
    path = max(errors, key=lambda name: errors[name])
    return errors[path], path


@functools.partial(jax.jit, static_argnums=(0, 2))
def draw_mask(
    rate: float, key: Array, shape: tuple[int, int, int]
) -> Bool[Array, "t b h"]:
    """Returns the mask that charlm's dropout draws with a key."""
    outputs: Any = apply_dropout(rate, key, jnp.ones(shape))
    return outputs != 0


def draw_ids(vocab_size: int, t: int, b: int, seed: int) -> Int[np.ndarray, "t+1 b"]:
    """Returns ids of a window and of the characters after it."""
    ids = np.random.default_rng(seed).integers(0, vocab_size, (t + 1, b))
    return ids.astype(np.int32)
