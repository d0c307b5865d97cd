"""Pallas kernels of the LSTM's loop over time, for TPUs.

The recurrent weights and the state stay in fast memory (VMEM) for the whole window;
the blocks of the steps before and after move while a step is computed. XLA's own loop
waits for what it moves, and where the window is large it leaves the weights outside
(experiments/accelerators). The equations are those of recurrence.py.

XLA cannot split a kernel over devices: a program for several chips would have to call
these under `jax.shard_map`. charlm takes one (sharding.make_mesh).
"""

import functools
from typing import Any

import jax
import jax.numpy as jnp
from jax.experimental import pallas as pl
from jax.experimental.pallas import tpu as pltpu
from jaxtyping import Array, Float

from charlm.model.lstm import LSTMState, fused_gate_affine
from charlm.model.matmul import matmul, weight_gradient
from charlm.model.platform import get_platform
from charlm.model.tpu import LANES, count_bytes


@functools.partial(jax.custom_vjp, nondiff_argnums=(0,))
def unroll_in_vmem(
    precision: Any,
    wh: Float[Array, "h 4*h"],
    b: Float[Array, " 4*h"],
    state: LSTMState,
    zs: Float[Array, "t b 4*h"],
) -> tuple[LSTMState, Float[Array, "t b h"]]:
    """Return (last state, hs) of the LSTM's loop over projected inputs.

    What the backward loop reads is stored in the type of wh. h is a multiple of LANES,
    and zs are without the bias.
    """
    last, hs, _ = _run_forward(precision, wh, b, state, zs, store=False)
    return last, hs


def _forward(precision, wh, b, state, zs):
    last, hs, stored = _run_forward(precision, wh, b, state, zs, store=True)
    # An empty slice carries the type of zs to the backward pass.
    return (last, hs), (wh, stored, zs[:0, :0, :0])


def _backward(precision, residuals, gradients):
    wh, (slopes, dh_dc, f, before), like = residuals
    d_state, d_zs = _run_backward(precision, wh, slopes, dh_dc, f, *gradients)
    d_wh = weight_gradient(before, d_zs, wh.dtype, precision)
    d_b = d_zs.sum(axis=(0, 1), dtype=jnp.float32)
    return d_wh, d_b, d_state, d_zs.astype(like.dtype)


unroll_in_vmem.defvjp(_forward, _backward)


def _run_forward(precision, wh, b, state, zs, *, store):
    length, batch, wide = zs.shape
    width = wide // 4
    step, whole = _make_blocks(length, reverse=False)
    narrow = whole(batch, width, jnp.float32)
    hs, of_h = step(batch, width, jnp.float32), step(batch, width, wh.dtype)
    stored = [step(batch, wide, wh.dtype), of_h, of_h, of_h] if store else []
    scale, _ = fused_gate_affine(width)
    *stored, hs, c, h = _call(
        "lstm_forward",
        functools.partial(_forward_step, precision),
        [whole(1, wide), whole(width, wide), narrow, narrow, step(batch, wide)],
        [*stored, hs, narrow, narrow],
        {4: 0} if store and zs.dtype == wh.dtype else {},  # slopes overwrite zs
        length,
        wh.dtype,
    )((b * scale)[None], wh * scale.astype(wh.dtype), *state, zs)
    return LSTMState(c, h), hs, stored


def _forward_step(precision, b, wh, c_first, h_first, z, *rest):
    *stored, hs, c_last, h_last, c_now, h_now = rest
    t, width = pl.program_id(0), c_now.shape[-1]

    @pl.when(t == 0)
    def _():
        c_now[:], h_now[:] = c_first[:], h_first[:]

    h_before = h_now[:].astype(wh.dtype)
    for unit in range(0, width, LANES):  # LANES units at a time: they fit in registers
        here = pl.ds(unit, LANES)
        gates = [
            _activate(precision, k, h_before, wh, b, z, pl.ds(k * width + unit, LANES))
            for k in range(4)
        ]
        c_before = c_now[:, here]
        i, f, g, o = gates
        c = f * c_before + i * g
        tanh_c = jnp.tanh(c)
        c_now[:, here], h_now[:, here] = c, o * tanh_c
        hs[0, :, here] = h_now[:, here]
        if stored:
            _store(stored, unit, gates, c_before, tanh_c, h_before)

    @pl.when(t == pl.num_programs(0) - 1)
    def _():
        c_last[:], h_last[:] = c_now[:], h_now[:]


def _activate(precision, k, h, wh, b, z, at):
    """Return units `at` of gate k; scales are folded into wh and b, not into z."""
    scale = 1.0 if k == 2 else 0.5
    x = z[0, :, at].astype(jnp.float32) * scale + b[:, at]
    return jnp.tanh(x + matmul(h, wh[:, at], precision)) * scale + (1 - scale)


def _store(stored, unit, gates, c_before, tanh_c, h_before):
    """Write what the backward loop reads; see recurrence._Residuals."""
    slopes, dh_dc, forget, before = stored
    i, f, g, o = gates
    width, here = before.shape[-1], pl.ds(unit, LANES)
    of_g, of_o = i * (1 - g * g), o * tanh_c * (1 - o)
    for k, slope in enumerate((g * i * (1 - i), c_before * f * (1 - f), of_g, of_o)):
        at = pl.ds(k * width + unit, LANES)
        slopes[0, :, at] = slope.astype(slopes.dtype)
    dh_dc[0, :, here] = (o * (1 - tanh_c * tanh_c)).astype(dh_dc.dtype)
    forget[0, :, here] = f.astype(forget.dtype)
    before[0, :, here] = h_before[:, unit : unit + LANES]


def _run_backward(precision, wh, slopes, dh_dc, f, d_last, d_hs):
    length, batch, wide = slopes.shape
    width = wide // 4
    step, whole = _make_blocks(length, reverse=True)
    narrow, stored = whole(batch, width, jnp.float32), step(batch, width)
    d_zs, dc, dh = _call(
        "lstm_backward",
        functools.partial(_backward_step, precision),
        [whole(wide, width), narrow, narrow, step(batch, wide), *[stored] * 3],
        [step(batch, wide, slopes.dtype), narrow, narrow],
        {3: 0},  # gradients overwrite slopes
        length,
        wh.dtype,
    )(wh.T, *d_last, slopes, dh_dc, f, d_hs)
    return LSTMState(dc, dh), d_zs


def _backward_step(precision, wh_t, dc_last, dh_last, slopes, dh_dc, f, d_hs, *rest):
    d_z, dc_first, dh_first, dc_now, dh_now = rest
    n, width = pl.program_id(0), dc_now.shape[-1]

    @pl.when(n == 0)
    def _():
        dc_now[:], dh_now[:] = dc_last[:], dh_last[:]

    for unit in range(0, width, LANES):
        here = pl.ds(unit, LANES)
        dh = dh_now[:, here] + d_hs[0, :, here]
        dc = dc_now[:, here] + dh * dh_dc[0, :, here]
        dc_now[:, here] = dc * f[0, :, here]
        for k, above in enumerate((dc, dc, dc, dh)):
            at = pl.ds(k * width + unit, LANES)
            d_z[0, :, at] = (above * slopes[0, :, at]).astype(d_z.dtype)
    dh_now[:] = matmul(d_z[0], wh_t[:], precision)

    @pl.when(n == pl.num_programs(0) - 1)
    def _():
        dc_first[:], dh_first[:] = dc_now[:], dh_now[:]


def _make_blocks(length, *, reverse):
    """Return step and whole: (rows, columns, dtype=None) -> a block and its array.

    The grid walks over the steps; a `whole` array stays in VMEM and has one buffer.
    """

    def step(rows, columns, dtype=None):
        place = (lambda n: (length - 1 - n, 0, 0)) if reverse else lambda n: (n, 0, 0)
        shape = (length, rows, columns)
        return pl.BlockSpec((1, rows, columns), place), shape, dtype

    def whole(rows, columns, dtype=None):
        once = pl.Buffered(1)
        spec = pl.BlockSpec((rows, columns), lambda n: (0, 0), pipeline_mode=once)
        return spec, (rows, columns), dtype

    return step, whole


def _call(name, kernel, inputs, outputs, aliases, length, dtype):
    """Return the function of arrays that runs `kernel` for each step of a window.

    The kernel is (*input blocks, *output blocks, c[b, h], h[b, h]) -> None; the last
    output is a state; aliases are {input: the output that takes its place}.
    """
    rows, width = outputs[-1][1]
    return pl.pallas_call(
        kernel,
        grid=(length,),
        in_specs=[spec for spec, *_ in inputs],
        out_specs=[spec for spec, *_ in outputs],
        out_shape=[jax.ShapeDtypeStruct(shape, kind) for _, shape, kind in outputs],
        scratch_shapes=[pltpu.VMEM((rows, width), jnp.float32)] * 2,
        input_output_aliases=aliases,
        compiler_params=pltpu.CompilerParams(
            dimension_semantics=("arbitrary",),
            vmem_limit_bytes=count_bytes(rows, width, dtype),
        ),
        name=name,
        interpret=get_platform() == "cpu",  # in tests
    )
