"""One layer over a stretch of time; the fast paths live here and nowhere else.

Every path gives what `jax.lax.scan` of the cell's step gives, to rounding.
"""

import functools

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from charlm.model.cells import Cell, Input, LSTMState, Params, State, activate, lstm
from charlm.model.cells import product as dot


def unroll_layer(
    cell: Cell, params: Params, state: State, xs: Input
) -> tuple[State, Float[Array, "t b h"]]:
    """(state after the window, ys[t, b, h]) of inputs xs[t, b, d] or ids xs[t, b].

    The inputs of the whole window are projected in one product; the loop over time
    is left with the recurrent one.
    """
    zs = cell.project(params, xs)
    if cell is lstm:
        return _unroll_lstm(params["wh"], state, zs)
    return jax.lax.scan(functools.partial(cell.advance, params), state, zs)


@jax.custom_vjp
def _unroll_lstm(wh, state, zs):
    """The LSTM's loop over projected inputs zs[t, b, 4h].

    Its own derivative works out, on the way forward, by what each gradient will have to
    be multiplied: the backward loop is left with one product and few others. And it
    forms the gradient of wh in one product after the loop, not as a sum of small ones.
    """

    def tick(state, z):
        return lstm.advance({"wh": wh}, state, z)

    return jax.lax.scan(tick, state, zs)


def _lstm_forward(wh, state, zs):
    def tick(state, z):
        a = activate(z + dot(state.h, wh))
        i, f, g, o = jnp.split(a, 4, axis=-1)
        c = f * state.c + i * g
        t = jnp.tanh(c)
        h = o * t
        # dz = (dc, dc, dc, dh) slopes, and dc = ... + dh through_h
        slopes = (g * i * (1 - i), state.c * f * (1 - f), i * (1 - g * g))
        slopes = jnp.concatenate([*slopes, t * o * (1 - o)], axis=-1)
        through_h = o * (1 - t * t)
        return LSTMState(c, h), (slopes, through_h, f, h)

    last, (slopes, through_h, fs, hs) = jax.lax.scan(tick, state, zs)
    return (last, hs), (wh, state.h, slopes, through_h, fs, hs)


def _lstm_backward(kept, gradients):
    wh, h_first, slopes, through_h, fs, hs = kept
    d_last, d_hs = gradients
    wh_t = wh.T

    def tick(after, now):
        dc, dh = after
        dy, slope, through, f = now
        dh = dh + dy
        dc = dc + dh * through
        of_i, of_f, of_g, of_o = jnp.split(slope, 4, axis=-1)
        dz = jnp.concatenate([dc * of_i, dc * of_f, dc * of_g, dh * of_o], axis=-1)
        return LSTMState(dc * f, dot(dz, wh_t)), dz

    d_state, d_zs = jax.lax.scan(
        tick, d_last, (d_hs, slopes, through_h, fs), reverse=True
    )
    h_before = jnp.concatenate([h_first[None], hs[:-1]])
    rows = h_before.reshape(-1, h_before.shape[-1]).astype(wh.dtype)
    d_wh = dot(rows.T, d_zs.reshape(-1, d_zs.shape[-1]).astype(wh.dtype))
    return d_wh.astype(wh.dtype), d_state, d_zs


_unroll_lstm.defvjp(_lstm_forward, _lstm_backward)
