"""Random LSTM layers, and the results of a window by which two ways are compared."""

import jax
import jax.numpy as jnp
import numpy as np
from draws import draw, draw_ids

from charlm.model.lstm import LSTMState

T, D = 5, 7  # characters of a window, width of an input


def make_layer(width, dtype="float32", *, batch):
    """Returns random parameters and a random state of an LSTM layer."""
    wx = np.asarray(draw(D, 4 * width)) / 2
    wh = np.asarray(draw(width, 4 * width)) / np.float32(width**0.5)
    h = np.tanh(draw(batch, width, seed=1))
    params = {"wx": jnp.asarray(wx, dtype), "wh": jnp.asarray(wh, dtype)}
    params["b"] = draw(4 * width)
    return params, LSTMState(draw(batch, width), jnp.asarray(h))


def make_inputs(one_hot, *, batch):
    """Returns a window of ids[t, b] or of vectors[t, b, d]."""
    if one_hot:
        return draw_ids(D, T, batch)
    return draw(T, batch, D)


def run(unroll, params, state, xs):
    """Returns ((last state, ys), gradients) of a loss that reads all of them.

    The gradients are of parameters, state and, if they are vectors, inputs.
    """
    weights = draw(*xs.shape[:2], state.h.shape[-1])
    inputs = () if jnp.issubdtype(xs.dtype, jnp.integer) else (xs,)

    def compute_loss(params, state, *inputs):
        last, ys = unroll(params, state, *(inputs or (xs,)))
        total = (ys * weights).sum() + 2 * last.c.sum() + 3 * last.h.sum()
        return total, (last, ys)

    arguments = tuple(range(2 + len(inputs)))
    step = jax.jit(jax.value_and_grad(compute_loss, arguments, has_aux=True))
    (_, values), gradients = step(params, state, *inputs)
    return values, gradients


def assert_near(actual, expected, tolerance):
    """Asserts equality of arrays but for `tolerance` of each one's largest entry."""

    def check(x, y):
        x, y = np.asarray(x, np.float32), np.asarray(y, np.float32)
        np.testing.assert_allclose(x, y, rtol=0, atol=tolerance * np.abs(y).max())

    jax.tree.map(check, actual, expected)
