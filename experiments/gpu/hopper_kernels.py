"""The forward and backward loops of an LSTM layer as Pallas kernels for Hopper GPUs.

README.md has what an H200 showed. `hopper_emulation.py` emulates their
exchange and runs their arithmetic (`hopper_gates.py`); `hopper_packing.py` has the
layout of the arrays.

In a step of the forward loop, each SM multiplies the rows of 128 gates with h[h, 16
streams], runs the gates, and sends the new h of 32 units to every SM of the cluster. In
a step of the backward loop, it computes dz of its own gates, multiplies all rows of wh
with it, and sends one block of 32 rows of that partial sum to each SM, which adds up
the blocks that it receives. The other split of the backward loop, in which an SM owns
rows and receives all of dz, would send twice as many bytes (64 KiB an SM and step at h
512, against 32) and take 192 KiB of shared memory before a second buffer.

Each message goes to one of two slots, for even and for odd steps, with a barrier for
each. An SM sends for step t + 1 only after it has received all of step t, and only SMs
that have read step t - 1 have sent it all of step t. So a slot is free when it is
written, and the cluster needs no barrier of its own. A single barrier for both slots
would be wrong: it could count a fast SM's second arrival for a slow SM's first.
"""

import functools
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax
from jax.experimental import pallas as pl
from jax.experimental.mosaic.gpu import fragmented_array as mgpu
from jax.experimental.pallas import mosaic_gpu as plgpu

from experiments.gpu.hopper_gates import run_gates, run_gates_backward
from experiments.gpu.hopper_packing import RESIDUALS, STREAMS, UNITS

BLOCK = (UNITS, STREAMS)
# Each thread has the same columns as in a product's result, and half of its rows.
TILING: Any = mgpu.Tiling(((UNITS, 8), (8, 8), (2,)))
LAYOUT = plgpu.Layout.TILED(TILING, warp_dims=(-5,), lane_dims=(-3, -2), vector_dim=-1)
# Swizzled as the tensor cores read 16 columns of bfloat16, and float32 to match.
NARROW = (plgpu.TilingTransform((8, 16)), plgpu.SwizzleTransform(32))
WIDE = (plgpu.TilingTransform((8, 16)), plgpu.SwizzleTransform(64))


def forward_kernel(
    z: jax.Array, w: jax.Array, h: jax.Array, c: jax.Array
) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Runs the loop over projected inputs.

    Args:
      z: [t, n, c, g, u, s] in float32.
      w: of `pack_forward_weights`.
      h: [n, c, u, s] in bfloat16, before the first step.
      c: the same in float32.

    Returns:
      hs[t, n, c, u, s], the last c, and [t, n, c, 6, u, s] for backward, in float32.
    """
    length, tiles, size = z.shape[:3]
    state = jax.ShapeDtypeStruct(c.shape, jnp.float32)
    run = plgpu.kernel(
        functools.partial(_forward, length, size),
        out_type=(
            jax.ShapeDtypeStruct((length, *c.shape), jnp.float32),
            state,
            jax.ShapeDtypeStruct((length, tiles, size, RESIDUALS, *BLOCK), jnp.float32),
        ),
        scratch_types=[
            plgpu.SMEM((size, 4 * UNITS, UNITS), jnp.bfloat16, transforms=NARROW),
            plgpu.SMEM((2, size, *BLOCK), jnp.bfloat16, transforms=NARROW),
            *_barriers(size),
        ],
        **_launch(tiles, size),
    )
    return run(z, w, h, c)


def backward_kernel(
    residuals: jax.Array, d_hs: jax.Array, w: jax.Array, d_h: jax.Array, d_c: jax.Array
) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Runs the loop of gradients, from the last step to the first.

    Args:
      residuals: [t, n, c, 6, u, s], of `forward_kernel`.
      d_hs: [t, n, c, u, s], gradients of hs.
      w: of `pack_backward_weights`.
      d_h: [n, c, u, s], the gradient of the last h; all gradients are float32.
      d_c: that of the last c.

    Returns:
      dz[t, n, c, g, u, s], and the gradients of the first h and c.
    """
    length, tiles, size = residuals.shape[:3]
    state = jax.ShapeDtypeStruct(d_c.shape, jnp.float32)
    run = plgpu.kernel(
        functools.partial(_backward, length, size),
        out_type=(
            jax.ShapeDtypeStruct((length, tiles, size, 4, *BLOCK), jnp.float32),
            state,
            state,
        ),
        scratch_types=[
            plgpu.SMEM((size * UNITS, 4 * UNITS), jnp.bfloat16, transforms=NARROW),
            plgpu.SMEM((2, size, *BLOCK), jnp.float32, transforms=WIDE),
            plgpu.SMEM((4 * UNITS, STREAMS), jnp.bfloat16, transforms=NARROW),
            *_barriers(size),
        ],
        **_launch(tiles, size),
    )
    return run(residuals, d_hs, w, d_h, d_c)


def _barriers(size):
    """Returns the barriers of the copied weights and of the two slots.

    The slots have two objects, not one of num_barriers=2: JAX 0.10 and 0.11 add the
    offset of an indexed barrier twice when it is addressed in another SM.
    """
    slot = plgpu.Barrier(num_arrivals=size)
    return plgpu.Barrier(), slot, slot


def _launch(tiles, size):
    return {
        "grid": (tiles,),
        "grid_names": ("tile",),
        "cluster": (size,),
        "cluster_names": ("sm",),
        "compiler_params": plgpu.CompilerParams(approx_math=True),
    }


def _forward(
    length, size, z_ref, w_ref, h_ref, c_ref, hs_ref, last_ref, residuals_ref, *scratch
):
    w, h, copied, *slots = scratch
    tile, me = lax.axis_index("tile"), lax.axis_index("sm")
    for sender in range(size):  # a copy has five axes at most, tiles included
        _copy(w_ref.at[me, sender], w.at[sender], copied)
        _copy(h_ref.at[tile, sender], h.at[0, sender], copied)

    def read(t):
        t = jnp.minimum(t, length - 1)
        return tuple(_load(z_ref.at[t, tile, me, gate]) for gate in range(4))

    def step(slot, t, loop):
        c, z = loop
        sums = _product(4 * UNITS, _all_senders(size, w, h.at[slot]))
        z = [x + y for x, y in zip(z, sums, strict=True)]
        c, h_new, residuals = run_gates(jnp.tanh, c, z)
        _send_to_all(size, me, h_new, h.at[1 - slot, me], slots[1 - slot])
        hs_ref[t, tile, me] = h_new
        for n, plane in enumerate(residuals):
            residuals_ref[t, tile, me, n] = plane
        z = read(t + 1)
        plgpu.barrier_wait(slots[1 - slot])
        plgpu.commit_smem()  # the tensor cores read what other SMs wrote
        return c, z

    c, _ = _in_pairs(length, step, (_load(c_ref.at[tile, me]), read(0)))
    last_ref[tile, me] = c


def _backward(length, size, *refs):
    residuals_ref, d_hs_ref, w_ref, d_h_ref, d_c_ref, d_z_ref, *refs = refs
    first_h_ref, first_c_ref, w, sums, dz_smem, copied, *slots = refs
    tile, me = lax.axis_index("tile"), lax.axis_index("sm")
    _copy(w_ref.at[me], w, copied)

    def read(n):
        t = jnp.maximum(length - 1 - n, 0)
        planes = (residuals_ref.at[t, tile, me, plane] for plane in range(RESIDUALS))
        return [_load(plane) for plane in planes], _load(d_hs_ref.at[t, tile, me])

    def step(slot, n, loop):
        dh, dc, (residuals, d_hs) = loop
        dc, gradients = run_gates_backward(dh + d_hs, dc, residuals)
        for gate, dz in enumerate(gradients):
            d_z_ref[length - 1 - n, tile, me, gate] = dz
            rows = pl.ds(gate * UNITS, UNITS)
            dz_smem[rows] = dz.astype(jnp.bfloat16)
        plgpu.commit_smem()
        partial = _product(size * UNITS, lambda acc: plgpu.wgmma(acc, w, dz_smem))
        for d, block in enumerate(partial):
            _send(block, sums.at[1 - slot, me], slots[1 - slot], (me + d) % size)
        inputs = read(n + 1)
        plgpu.barrier_wait(slots[1 - slot])
        dh = functools.reduce(
            jnp.add, (_load(sums.at[1 - slot, sender]) for sender in range(size))
        )
        return dh, dc * residuals[-1], inputs

    start = (_load(d_h_ref.at[tile, me]), _load(d_c_ref.at[tile, me]), read(0))
    dh, dc, _ = _in_pairs(length, step, start)
    first_h_ref[tile, me] = dh
    first_c_ref[tile, me] = dc


def _in_pairs(length, step, loop):
    """Runs step(slot, t, loop) for each t; the compiler knows the slot."""

    def pair(n, loop):
        return step(1, 2 * n + 1, step(0, 2 * n, loop))

    loop = lax.fori_loop(0, length // 2, pair, loop)
    return step(0, length - 1, loop) if length % 2 else loop


def _all_senders(size, w, h):
    def multiply(acc):
        def add_sender(sender, carry):
            plgpu.wgmma(acc, w.at[sender], h.at[sender])
            return carry

        lax.fori_loop(0, size, add_sender, ())

    return multiply


def _product(rows, multiply):
    """Returns what multiply sums in registers, as blocks of 32 rows (`split_rows`)."""

    def run(acc):
        multiply(acc)
        plgpu.wgmma_wait(0)
        return acc[...]

    acc = plgpu.ACC((rows, STREAMS), jnp.float32)
    return _split_registers(rows, pl.run_scoped(run, acc))


def _split_registers(rows, x):
    block = plgpu.ShapeDtypeStruct(BLOCK, jnp.float32, layout=LAYOUT)

    inline: Any = plgpu.inline_mgpu

    @inline(arg_types=(plgpu.Layout.WGMMA,), return_type=(block,) * (rows // UNITS))
    def split(_, x):
        # [64-row group, 8-column group, 1, 1, half, 1, 1, 1, 1] of pairs of columns.
        shape = LAYOUT.to_mgpu().registers_shape(BLOCK)
        return tuple(
            mgpu.FragmentedArray(
                _registers=x.registers[group, :, :, :, half].reshape(shape),
                _layout=LAYOUT.to_mgpu(),
                _is_signed=None,
            )
            for group in range(rows // 64)
            for half in range(2)
        )

    return split(x)


def _send_to_all(size, me, h, ref, barrier):
    h = h.astype(jnp.bfloat16)

    def send_to_one(d, carry):
        _send(h, ref, barrier, (me + d) % size)
        return carry

    lax.fori_loop(0, size, send_to_one, ())


def _send(x, ref, barrier, sm):
    plgpu.async_store_smem(
        x, ref, barrier, cluster_idx=sm, cluster_dim="sm", optimized=False
    )


def _load(ref):
    load: Any = plgpu.load  # JAX 0.10's needs an index
    return load(ref, layout=LAYOUT, optimized=False)


def _copy(source, target, barrier):
    plgpu.copy_gmem_to_smem(source, target, barrier)
    plgpu.barrier_wait(barrier)
