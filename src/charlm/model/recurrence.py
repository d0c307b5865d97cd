"""A stack of layers over a window; the fast paths are chosen here and nowhere else.

Every path gives what `jax.lax.scan` of the cell's step gives, to rounding.
"""

import functools
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

from charlm.model.cell import Cell
from charlm.model.cudnn import has_cudnn, unroll_by_cudnn
from charlm.model.lstm import LSTMState, Params, fused_gate_affine
from charlm.model.matmul import (
    embedding_lookup,
    matmul,
    matmul_over_time,
    weight_gradient,
    with_gradient,
)
from charlm.model.platform import PALLAS, get_platform, is_switched_on
from charlm.model.tpu import unroll_lstm_on_tpu

PyTree = Any


def run_stack(
    run_layer: Callable[[PyTree, PyTree, Any], tuple[PyTree, Array]],
    params: Sequence[PyTree],
    states: Sequence[PyTree],
    x: Any,
) -> tuple[tuple[PyTree, ...], Array]:
    """Runs layers, each on the output of the one before; returns (states, output)."""
    new_states = []
    for layer_params, state in zip(params, states, strict=True):
        state, x = run_layer(layer_params, state, x)
        new_states.append(state)
    return tuple(new_states), x


def unroll_stack(
    cell: Cell, params: Sequence[PyTree], states: Sequence[PyTree], xs: Array
) -> tuple[tuple[PyTree, ...], Float[Array, "t b h"]]:
    """Runs a window through a stack; returns (states, outputs of the last layer).

    xs are inputs[t, b, d] of the first layer, or ids[t, b].
    """
    is_lstm = cell.unroll is unroll_lstm
    if is_lstm and has_cudnn() and params[0]["wh"].dtype == jnp.float32:
        return unroll_by_cudnn(params, states, xs)
    return run_stack(functools.partial(unroll_layer, cell), params, states, xs)


def unroll_layer(
    cell: Cell, params: PyTree, state: PyTree, xs: Array
) -> tuple[PyTree, Float[Array, "t b h"]]:
    """Runs a window through a layer; returns (state, outputs).

    A cell with `project` projects the whole window at once: the loop over time is left
    with the recurrent part.
    """
    if cell.unroll is not None:
        return cell.unroll(params, state, xs)
    if cell.project is None or cell.step_from_projection is None:
        return lax.scan(functools.partial(cell.step, params), state, xs)
    step = functools.partial(cell.step_from_projection, params)
    return lax.scan(step, state, cell.project(params, xs))


def get_lstm_backend() -> str:
    """Returns how this process runs a window of an LSTM."""
    if has_cudnn():
        return "cuDNN"
    return "Pallas" if get_platform() == "tpu" and is_switched_on(PALLAS) else "scan"


def unroll_lstm(
    params: Params, state: LSTMState, xs: Array
) -> tuple[LSTMState, Float[Array, "t b h"]]:
    """Runs a window through an LSTM layer by the fast path of this platform."""
    if get_platform() == "tpu":
        return unroll_lstm_on_tpu(scan_lstm, params, state, xs)
    return scan_lstm(params, state, xs)


def scan_lstm(
    params: Params, state: LSTMState, xs: Array
) -> tuple[LSTMState, Float[Array, "t b h"]]:
    """Runs a window through an LSTM layer by a loop with a derivative of its own."""
    loop = functools.partial(_scan_lstm, params["wh"])
    if jnp.issubdtype(xs.dtype, jnp.integer):  # the bias goes into the small table
        rows = params["wx"].astype(jnp.float32) + params["b"]
        return loop(None, state, embedding_lookup(rows, xs))
    return loop(params["b"], state, matmul_over_time(xs, params["wx"]))


class _Residuals(NamedTuple):
    """Local derivatives of each step of the LSTM, which the backward loop reads."""

    slopes: Array  # [t, b, 4h], by z; before its step, the projected input
    dh_dc: Array  # [t, b, h]
    f: Array  # [t, b, h], the forget gate: of c by the previous c
    h: Array  # [t, b, h], the previous hidden state


def _make_step(wh, b):
    """Returns (state, z) -> (state, gates, tanh_c); the tanh's scale is in wh and b."""
    scale, shift = fused_gate_affine(wh.shape[0])
    wh = wh * scale.astype(wh.dtype)
    b = 0.0 if b is None else b * scale

    def step(state, z):
        a = jnp.tanh(z * scale + b + matmul(state.h, wh))
        i, f, g, o = gates = jnp.split(a * scale + shift, 4, axis=-1)
        c = f * state.c + i * g
        tanh_c = jnp.tanh(c)
        return LSTMState(c, o * tanh_c), gates, tanh_c

    return step


def _run_loop(wh, b, state, zs):
    step = _make_step(wh, b)

    def tick(state, z):
        state, *_ = step(state, z)
        return state, state.h

    return lax.scan(tick, state, zs)


def _lstm_forward(wh, b, state, zs):
    step = _make_step(wh, b)
    length, batch, width = *zs.shape[:2], wh.shape[0]

    def tick(t, loop):
        state, residuals, hs = loop
        (c, h), (i, f, g, o), tanh_c = step(state, _at(residuals.slopes, t))
        # dz = (dc, dc, dc, dh) slopes, and dc = ... + dh dh_dc
        slopes = (g * i * (1 - i), state.c * f * (1 - f), i * (1 - g * g), h * (1 - o))
        dh_dc = o * (1 - tanh_c * tanh_c)
        now = _Residuals(jnp.concatenate(slopes, axis=-1), dh_dc, f, state.h)
        residuals = jax.tree.map(lambda xs, x: _put(xs, x, t), residuals, now)
        return LSTMState(c, h), residuals, _put(hs, h, t)

    narrow = jnp.zeros((length, batch, width), jnp.float32)
    loop = (state, _Residuals(zs, narrow, narrow, narrow), narrow)
    last, residuals, hs = lax.fori_loop(0, length, tick, loop)
    return (last, hs), (wh, b, residuals)


def _lstm_backward(saved, gradients):
    wh, b, residuals = saved
    d_last, d_hs = gradients
    length, wh_t = len(d_hs), wh.T

    def tick(n, loop):
        (dc, dh), d_zs = loop
        t = length - 1 - n
        slope_i, slope_f, slope_g, slope_o = jnp.split(_at(d_zs, t), 4, axis=-1)
        dh = dh + _at(d_hs, t)
        dc = dc + dh * _at(residuals.dh_dc, t)
        dz = [dc * slope_i, dc * slope_f, dc * slope_g, dh * slope_o]
        dz = jnp.concatenate(dz, axis=-1)
        previous = LSTMState(dc * _at(residuals.f, t), matmul(dz, wh_t))
        return previous, _put(d_zs, dz, t)

    d_state, d_zs = lax.fori_loop(0, length, tick, (d_last, residuals.slopes))
    d_wh = weight_gradient(residuals.h, d_zs, wh.dtype)
    d_b = None if b is None else d_zs.sum(axis=(0, 1))
    return d_wh, d_b, d_state, d_zs


def _at(xs, t):
    return lax.dynamic_index_in_dim(xs, t, keepdims=False)


def _put(xs, x, t):
    return lax.dynamic_update_index_in_dim(xs, x, t, 0)


# The LSTM's loop over projected inputs: (wh, b[4h] or None, state, zs[t, b, 4h]) ->
# (last state, hs). The forward pass of its derivative computes the local derivatives,
# so that the backward loop needs one matmul and a few element-wise products. These
# slopes overwrite zs, and the gradients of zs overwrite the slopes: a layer moves one
# array of [t, b, 4h]. The gradient of wh is one product after the loop.
_scan_lstm = with_gradient(_run_loop, _lstm_forward, _lstm_backward)
