"""One layer over a stretch of time; the fast paths live here and nowhere else.

Every path gives what `jax.lax.scan` of the cell's step gives, to rounding.
"""

import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jax.experimental import rnn as jax_rnn
from jaxtyping import Array, Float

from charlm.model.cells import Cell, Input, LSTMState, Params, State, lstm, one_tanh
from charlm.model.products import (
    look_up,
    precision_now,
    product,
    sum_of_outer,
    window_product,
)
from charlm.model.tpu import fits_in_vmem, is_tpu, unroll_lstm_in_vmem


def unroll_layer(
    cell: Cell, params: Params, state: State, xs: Input
) -> tuple[State, Float[Array, "t b h"]]:
    """(state after the window, ys[t, b, h]) of inputs xs[t, b, d] or ids xs[t, b].

    The inputs of the whole window are projected in one product; the loop over time
    is left with the recurrent one.
    """
    xs = jnp.asarray(xs)
    if cell is lstm and has_cudnn() and params["wh"].dtype == jnp.float32:
        return unroll_lstm_by_cudnn(params, state, xs)
    wh = params["wh"]
    if cell is lstm and is_tpu() and fits_in_vmem(len(state.h), len(wh), wh.dtype):
        return unroll_lstm_in_vmem(params, state, xs)
    if cell is lstm:
        return unroll_lstm(params, state, xs)
    if jnp.issubdtype(xs.dtype, jnp.integer):
        zs = cell.project(params, xs)
    else:
        zs = window_product(xs, params["wx"]) + params["b"]
    return lax.scan(functools.partial(cell.advance, params), state, zs)


def unroll_lstm(
    params: Params, state: LSTMState, xs: Array
) -> tuple[LSTMState, Float[Array, "t b h"]]:
    """The LSTM with the derivative of `_unroll_lstm`."""
    loop = functools.partial(_unroll_lstm, precision_now(), params["wh"])
    if jnp.issubdtype(xs.dtype, jnp.integer):  # the bias goes into the small table
        rows = params["wx"].astype(jnp.float32) + params["b"]
        return loop(None, state, look_up(rows, xs))
    return loop(params["b"], state, window_product(xs, params["wx"]))


class _Kept(NamedTuple):
    """What the LSTM's backward loop reads, of every step.

    Attributes:
      slopes: [t, b, 4h], of z; before its step, the projected input.
      through: [t, b, h], of h with regard to c.
      f: [t, b, h], the forget gate: of c with regard to the c before.
      h: [t, b, h], the one before.
    """

    slopes: Array
    through: Array
    f: Array
    h: Array


@functools.partial(jax.custom_vjp, nondiff_argnums=(0,))
def _unroll_lstm(precision, wh, b, state, zs):
    """The LSTM's loop over projected inputs zs[t, b, 4h]; b[4h], if any, is added.

    Its derivative works out, on the way forward, by what each gradient will have to be
    multiplied: the backward loop is left with one product and few others. These slopes
    overwrite zs, and the gradients of zs overwrite the slopes: one array of [t, b, 4h]
    is all that a layer moves. The gradient of wh is one product after the loop.
    """
    gates = _gates_of(precision, wh, b)

    def tick(state, z):
        i, f, g, o = gates(state, z)
        c = f * state.c + i * g
        h = o * jnp.tanh(c)
        return LSTMState(c, h), h

    return lax.scan(tick, state, zs)


def _gates_of(precision, wh, b):
    """(state, z) -> i, f, g, o; the halves of the one tanh are folded into wh and b."""
    scale, shift = one_tanh(wh.shape[0])
    wh = wh * scale.astype(wh.dtype)
    b = 0.0 if b is None else b * scale

    def gates(state, z):
        a = jnp.tanh(z * scale + b + product(state.h, wh, precision))
        return jnp.split(a * scale + shift, 4, axis=-1)

    return gates


def _lstm_forward(precision, wh, b, state, zs):
    gates = _gates_of(precision, wh, b)
    length, batch, width = *zs.shape[:2], wh.shape[0]

    def tick(t, loop):
        state, kept, hs = loop
        i, f, g, o = gates(state, _at(kept.slopes, t))
        c = f * state.c + i * g
        tanh_c = jnp.tanh(c)
        h = o * tanh_c
        # dz = (dc, dc, dc, dh) slopes, and dc = ... + dh through
        slopes = (g * i * (1 - i), state.c * f * (1 - f), i * (1 - g * g), h * (1 - o))
        through = o * (1 - tanh_c * tanh_c)
        now = _Kept(jnp.concatenate(slopes, axis=-1), through, f, state.h)
        kept = jax.tree.map(lambda xs, x: _put(xs, x, t), kept, now)
        return LSTMState(c, h), kept, _put(hs, h, t)

    narrow = jnp.zeros((length, batch, width))
    kept = _Kept(zs, narrow, narrow, narrow)
    last, kept, hs = lax.fori_loop(0, length, tick, (state, kept, narrow))
    return (last, hs), (wh, b, kept)


def _lstm_backward(precision, residuals, gradients):
    wh, b, kept = residuals
    d_last, d_hs = gradients
    length, wh_t = len(d_hs), wh.T

    def tick(n, loop):
        (dc, dh), d_zs = loop
        t = length - 1 - n
        of_i, of_f, of_g, of_o = jnp.split(_at(d_zs, t), 4, axis=-1)
        dh = dh + _at(d_hs, t)
        dc = dc + dh * _at(kept.through, t)
        dz = jnp.concatenate([dc * of_i, dc * of_f, dc * of_g, dh * of_o], axis=-1)
        before = LSTMState(dc * _at(kept.f, t), product(dz, wh_t, precision))
        return before, _put(d_zs, dz, t)

    d_state, d_zs = lax.fori_loop(0, length, tick, (d_last, kept.slopes))
    d_wh = sum_of_outer(kept.h, d_zs, wh.dtype, precision)
    d_b = None if b is None else d_zs.sum(axis=(0, 1))
    return d_wh, d_b, d_state, d_zs


_unroll_lstm.defvjp(_lstm_forward, _lstm_backward)


def _at(xs, t):
    return lax.dynamic_index_in_dim(xs, t, keepdims=False)


def _put(xs, x, t):
    return lax.dynamic_update_index_in_dim(xs, x, t, 0)


def has_cudnn() -> bool:
    """Whether this process computes on an NVIDIA GPU for which JAX has cuDNN's RNNs."""
    if jax.default_backend() != "gpu":
        return False
    return hasattr(jax_rnn.gpu_rnn, "compute_rnn_workspace_reserve_space_sizes")


def unroll_lstm_by_cudnn(
    params: Params, state: LSTMState, xs: Array
) -> tuple[LSTMState, Float[Array, "t b h"]]:
    """The LSTM by cuDNN, in float32 or TF32; it wants the batch first, and x, not ids.

    Its blocks are ours, i f g o; its weights lie in one row, each matrix as (out, in),
    and it has two biases to add.
    """
    wx, wh, b = (params[name] for name in ("wx", "wh", "b"))
    if jnp.issubdtype(xs.dtype, jnp.integer):
        xs = jax.nn.one_hot(xs, wx.shape[0])
    length, batch = xs.shape[:2]
    weights = jnp.concatenate([wx.T.ravel(), wh.T.ravel(), b, jnp.zeros_like(b)])
    run: Any = jax_rnn.lstm
    ys, h, c = run(
        xs.swapaxes(0, 1),
        state.h[None],
        state.c[None],
        weights,
        jnp.full((batch,), length, jnp.int32),
        *(wx.shape[0], wh.shape[0], 1),  # input size, hidden size, layers
        *(0.0, False),  # dropout, bidirectional
        lax.Precision.HIGHEST if precision_now() == "float32" else None,
    )
    return LSTMState(c[0], h[0]), ys.swapaxes(0, 1)
