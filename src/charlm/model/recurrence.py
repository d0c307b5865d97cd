"""Layers over a stretch of time; every fast path is chosen here and nowhere else.

Every path gives what `jax.lax.scan` of the cell's step gives, to rounding.
"""

import functools
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

from charlm.model.cells import (
    Cell,
    Input,
    LSTMState,
    Params,
    State,
    fused_gate_affine,
    lstm,
)
from charlm.model.cudnn import has_cudnn, unroll_by_cudnn
from charlm.model.matmul import (
    current_matmul_precision,
    embedding_lookup,
    matmul_over_time,
    product,
    weight_gradient,
)
from charlm.model.platform import get_platform
from charlm.model.tpu import unroll_lstm_on_tpu


def stack(
    layer: Callable[[Params, State, Any], tuple[State, Array]],
    params: Sequence[Params],
    states: Sequence[State],
    x: Any,
) -> tuple[tuple[State, ...], Array]:
    """Returns (states after, output) of layers of which each reads the one before."""
    after = []
    for of_layer, state in zip(params, states, strict=True):
        state, x = layer(of_layer, state, x)
        after.append(state)
    return tuple(after), x


def unroll_layers(
    cell: Cell, params: Sequence[Params], states: Sequence[State], xs: Input
) -> tuple[tuple[State, ...], Float[Array, "t b h"]]:
    """Returns (states after the window, outputs of the last layer).

    Args:
      cell: of all layers.
      params: of each layer.
      states: of each layer, before the window.
      xs: inputs[t, b, d] of the first layer, or ids[t, b].
    """
    if cell is lstm and has_cudnn() and params[0]["wh"].dtype == jnp.float32:
        return unroll_by_cudnn(params, states, xs)
    return stack(functools.partial(unroll_layer, cell), params, states, xs)


def unroll_layer(
    cell: Cell, params: Params, state: State, xs: Input
) -> tuple[State, Float[Array, "t b h"]]:
    """(state after the window, ys[t, b, h]) of inputs xs[t, b, d] or ids xs[t, b].

    The inputs of the whole window are projected in one product; the loop over time
    is left with the recurrent one.
    """
    xs = jnp.asarray(xs)
    if cell is lstm and get_platform() == "tpu":
        return unroll_lstm_on_tpu(unroll_lstm, params, state, xs)
    if cell is lstm:
        return unroll_lstm(params, state, xs)
    if jnp.issubdtype(xs.dtype, jnp.integer):
        zs = cell.project(params, xs)
    else:
        zs = matmul_over_time(xs, params["wx"]) + params["b"]
    return lax.scan(functools.partial(cell.advance, params), state, zs)


def unroll_lstm(
    params: Params, state: LSTMState, xs: Array
) -> tuple[LSTMState, Float[Array, "t b h"]]:
    """The LSTM with the derivative of `_unroll_lstm`."""
    loop = functools.partial(_unroll_lstm, current_matmul_precision(), params["wh"])
    if jnp.issubdtype(xs.dtype, jnp.integer):  # the bias goes into the small table
        rows = params["wx"].astype(jnp.float32) + params["b"]
        return loop(None, state, embedding_lookup(rows, xs))
    return loop(params["b"], state, matmul_over_time(xs, params["wx"]))


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
    scale, shift = fused_gate_affine(wh.shape[0])
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
    d_wh = weight_gradient(kept.h, d_zs, wh.dtype, precision)
    d_b = None if b is None else d_zs.sum(axis=(0, 1))
    return d_wh, d_b, d_state, d_zs


_unroll_lstm.defvjp(_lstm_forward, _lstm_backward)


def _at(xs, t):
    return lax.dynamic_index_in_dim(xs, t, keepdims=False)


def _put(xs, x, t):
    return lax.dynamic_update_index_in_dim(xs, x, t, 0)
