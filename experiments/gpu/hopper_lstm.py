"""An LSTM layer by the Hopper kernels: value and gradient.

Weights and exchanged states are bfloat16, sums and states are float32; the hidden width
is 64, 128, 256 or 512. README.md has what an H200 showed. charlm does not use them yet.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from charlm.model.lstm import LSTMState, Params
from charlm.model.matmul import embedding_lookup, matmul_over_time, weight_gradient
from experiments.gpu.hopper_packing import (
    pack_backward_weights,
    pack_forward_weights,
    pack_gates,
    pack_state,
    unpack_gates,
    unpack_state,
)

Unroll = Callable[[Params, LSTMState, Array], tuple[LSTMState, Array]]


def unroll_lstm_on_hopper(
    params: Params, state: LSTMState, xs: Array
) -> tuple[LSTMState, Float[Array, "t b h"]]:
    """Returns (state after the window, ys) of inputs xs[t, b, d] or ids xs[t, b]."""
    from experiments.gpu.hopper_kernels import backward_kernel, forward_kernel

    return make_unroll(forward_kernel, backward_kernel)(params, state, xs)


def make_unroll(forward: Callable, backward: Callable) -> Unroll:
    """Returns the layer whose loops are `forward` and `backward`.

    Args:
      forward: with the arguments and results of hopper_kernels.forward_kernel.
      backward: with those of hopper_kernels.backward_kernel.
    """
    loop = _make_loop(forward, backward)

    def unroll(params, state, xs):
        if jnp.issubdtype(xs.dtype, jnp.integer):
            zs = embedding_lookup(params["wx"].astype(jnp.float32), xs)
        else:
            zs = matmul_over_time(xs, params["wx"])
        return loop(params["wh"], state, zs + params["b"])

    return unroll


def _make_loop(forward, backward):
    """Returns (wh, state, zs[t, b, 4h]) -> (last state, hs), differentiable."""

    def run(wh, state, zs):
        batch = zs.shape[1]
        packed = pack_state(state.h).astype(jnp.bfloat16), pack_state(state.c)
        hs, c, residuals = forward(pack_gates(zs), pack_forward_weights(wh), *packed)
        hs = unpack_state(hs, batch)
        return (LSTMState(unpack_state(c, batch), hs[-1]), hs), residuals

    @jax.custom_vjp
    def loop(wh, state, zs):
        return run(wh, state, zs)[0]

    def loop_forward(wh, state, zs):
        results, residuals = run(wh, state, zs)
        return results, (wh, state.h, results[1], residuals)

    def loop_backward(saved, gradients):
        wh, first_h, hs, residuals = saved
        d_last, d_hs = gradients
        batch = hs.shape[1]
        packed: Any = map(pack_state, (d_last.h, d_last.c))
        weights = pack_backward_weights(wh)
        d_zs, d_h, d_c = backward(residuals, pack_state(d_hs), weights, *packed)
        d_zs = unpack_gates(d_zs, batch)
        before = jnp.concatenate([first_h[None], hs[:-1]])
        d_wh = weight_gradient(before, d_zs, wh.dtype)
        d_state = LSTMState(unpack_state(d_c, batch), unpack_state(d_h, batch))
        return d_wh, d_state, d_zs

    loop.defvjp(loop_forward, loop_backward)
    return loop
