"""Pallas kernels of the LSTM's loop over time, for TPUs.

The recurrent weights and the state stay in fast memory (VMEM) for the whole window;
the blocks of the steps before and after move while a step is computed. XLA's own loop
waits for what it moves, and where the window is large it leaves the weights outside
(experiments/accelerators). The equations are those of recurrence.py.

XLA cannot split a kernel over devices: a program for several chips would have to call
these under `jax.shard_map`. charlm takes one (sharding.make_mesh).
"""

import jax
import jax.numpy as jnp
from jax.experimental import pallas as pl
from jax.experimental.pallas import tpu as pltpu

from charlm.model.lstm import LSTMState, fused_gate_affine
from charlm.model.matmul import matmul, weight_gradient, with_gradient
from charlm.model.platform import get_platform
from charlm.model.tpu import LANES, count_bytes

Struct = jax.ShapeDtypeStruct


def _unroll(wh, b, state, zs):
    last, hs, _ = _run_forward(wh, b, state, zs, store=False)
    return last, hs


def _forward(wh, b, state, zs):
    last, hs, stored = _run_forward(wh, b, state, zs, store=True)
    # An empty slice carries the type of zs to the backward pass.
    return (last, hs), (wh, stored, zs[:0, :0, :0])


def _backward(residuals, gradients):
    wh, (slopes, dh_dc, f, before), like = residuals
    d_last, d_hs = gradients
    state = Struct(d_last.c.shape, jnp.float32)
    d_zs, dc, dh = _call(
        "lstm_backward",
        _backward_step,
        [wh.T, *d_last, slopes, dh_dc, f, d_hs],
        [Struct(slopes.shape, slopes.dtype), state, state],
        {3: 0},  # gradients overwrite slopes
        wh.dtype,
        reverse=True,
    )
    d_wh = weight_gradient(before, d_zs, wh.dtype)
    d_b = d_zs.sum(axis=(0, 1), dtype=jnp.float32)
    return d_wh, d_b, LSTMState(dc, dh), d_zs.astype(like.dtype)


# The LSTM's loop over projected inputs: (wh[h, 4h], b[4h], state, zs[t, b, 4h]) ->
# (last state, hs). h is a multiple of LANES, and zs are without the bias. What the
# backward loop reads is stored in the type of wh.
unroll_in_vmem = with_gradient(_unroll, _forward, _backward)


def _run_forward(wh, b, state, zs, *, store):
    h_shape, last = (*zs.shape[:2], len(wh)), Struct(state.c.shape, jnp.float32)
    slopes, of_h = Struct(zs.shape, wh.dtype), Struct(h_shape, wh.dtype)
    stored = [slopes, of_h, of_h, of_h] if store else []
    scale, _ = fused_gate_affine(len(wh))
    *stored, hs, c, h = _call(
        "lstm_forward",
        _forward_step,
        [(b * scale)[None], wh * scale.astype(wh.dtype), *state, zs],
        [*stored, Struct(h_shape, jnp.float32), last, last],
        {4: 0} if store and zs.dtype == wh.dtype else {},  # slopes overwrite zs
        wh.dtype,
    )
    return LSTMState(c, h), hs, stored


def _forward_step(b, wh, c_first, h_first, z, *rest):
    *stored, hs, c_last, h_last, c_now, h_now = rest
    t, width = pl.program_id(0), c_now.shape[-1]

    @pl.when(t == 0)
    def _():
        c_now[:], h_now[:] = c_first[:], h_first[:]

    h_before = h_now[:].astype(wh.dtype)
    for unit in range(0, width, LANES):  # LANES units at a time: they fit in registers
        here = pl.ds(unit, LANES)
        gates = [
            _activate(k, h_before, wh, b, z, pl.ds(k * width + unit, LANES))
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


def _activate(k, h, wh, b, z, at):
    """Returns units `at` of gate k; scales are folded into wh and b, not into z."""
    scale = 1.0 if k == 2 else 0.5
    x = z[0, :, at].astype(jnp.float32) * scale + b[:, at]
    return jnp.tanh(x + matmul(h, wh[:, at])) * scale + (1 - scale)


def _store(stored, unit, gates, c_before, tanh_c, h_before):
    """Writes what the backward loop reads; see recurrence._Residuals."""
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


def _backward_step(wh_t, dc_last, dh_last, slopes, dh_dc, f, d_hs, *rest):
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
    dh_now[:] = matmul(d_z[0], wh_t[:])

    @pl.when(n == pl.num_programs(0) - 1)
    def _():
        dc_first[:], dh_first[:] = dc_now[:], dh_now[:]


def _call(name, kernel, inputs, outputs, aliases, dtype, *, reverse=False):
    """Runs `kernel` for each step of a window; returns the outputs.

    The kernel is (*input blocks, *output blocks, c[b, h], h[b, h]) -> None. The grid
    walks over the steps of arrays [t, ...]; other arrays stay in VMEM and have one
    buffer. The last output is a state; aliases are {input: the output in its place}.
    """
    length = outputs[0].shape[0]

    def make_spec(x):
        if x.ndim == 2:
            once = pl.Buffered(1)
            return pl.BlockSpec(x.shape, lambda n: (0, 0), pipeline_mode=once)
        place = (lambda n: (length - 1 - n, 0, 0)) if reverse else lambda n: (n, 0, 0)
        return pl.BlockSpec((1, *x.shape[1:]), place)

    rows, width = outputs[-1].shape
    return pl.pallas_call(
        kernel,
        grid=(length,),
        in_specs=list(map(make_spec, inputs)),
        out_specs=list(map(make_spec, outputs)),
        out_shape=outputs,
        scratch_shapes=[pltpu.VMEM((rows, width), jnp.float32)] * 2,
        input_output_aliases=aliases,
        compiler_params=pltpu.CompilerParams(
            dimension_semantics=("arbitrary",),
            vmem_limit_bytes=count_bytes(rows, width, dtype),
        ),
        name=name,
        interpret=get_platform() == "cpu",  # in tests
    )(*inputs)
