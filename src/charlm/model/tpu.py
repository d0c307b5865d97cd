"""The LSTM on a TPU: padded to whole vector registers, its loop in fast memory."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from charlm.model.lstm import LSTMState, Params
from charlm.model.matmul import current_matmul_precision, project_inputs
from charlm.model.platform import PALLAS, is_switched_on

LANES = 128  # of a vector register: gates are cut at its multiples only


def get_vmem() -> int:
    """Returns the bytes of fast memory that a kernel may take on this process's TPU.

    They are 0 on a chip that JAX does not know, and before TPU v4, where kernels have
    no bfloat16 products.
    """
    # Pallas takes a quarter of a second to import, which only a TPU should.
    from jax.experimental.pallas import tpu

    try:
        info = tpu.get_tpu_info()
    except ValueError:  # a newer chip than this JAX
        return 0
    return 3 * info.vmem_capacity_bytes // 4 if info.generation >= 4 else 0


def fits_in_vmem(batch: int, width: int, dtype: Any) -> bool:
    """Returns whether the kernels have room for a layer."""
    return count_bytes(batch, width, dtype) <= get_vmem()


def count_bytes(batch: int, width: int, dtype: Any) -> int:
    """Returns the bytes of VMEM that the kernels ask for; `dtype` is the weights'.

    They are what the kernels need and half of it again: XLA takes its own arrays out
    of what a kernel asks for.
    """
    size, rows = jnp.dtype(dtype).itemsize, -(-batch // 16) * 16
    width = -(-width // LANES) * LANES
    weights = width * 4 * width * size
    # A step's blocks, twice: z, slopes; dh_dc, f, previous h; hs. Then six states.
    blocks = 2 * rows * width * (4 * 4 + 4 * size + 3 * size + 4)
    return 3 * (weights + blocks + 6 * rows * width * 4) // 2


def unroll_lstm_on_tpu(
    unroll_lstm: Callable[[Params, LSTMState, Array], tuple[LSTMState, Array]],
    params: Params,
    state: LSTMState,
    xs: Array,
) -> tuple[LSTMState, Float[Array, "t b h"]]:
    """Returns (state after the window, ys), of a layer padded to whole registers.

    The loop is that of the kernels, if they have room for the layer and $CHARLM_PALLAS
    is not 0, else `unroll_lstm`. xs are inputs[t, b, d] or ids[t, b].
    """
    batch, width = state.h.shape
    if is_switched_on(PALLAS) and fits_in_vmem(batch, width, params["wh"].dtype):
        unroll_lstm = unroll_lstm_in_vmem
    last, ys = unroll_lstm(*pad_lstm(params, state), xs)
    return LSTMState(last.c[:, :width], last.h[:, :width]), ys[..., :width]


def unroll_lstm_in_vmem(
    params: Params, state: LSTMState, xs: Array
) -> tuple[LSTMState, Float[Array, "t b h"]]:
    """Returns (state after the window, ys) of a padded layer, by the kernels."""
    from charlm.model.tpu_kernels import unroll_in_vmem

    zs = project_inputs(params["wx"], xs)
    # A kernel's products have no precision between bfloat16's and float32's.
    precision = None if current_matmul_precision() is None else "float32"
    with jax.default_matmul_precision(precision):
        return unroll_in_vmem(params["wh"], params["b"], state, zs)


def pad_lstm(params: Params, state: LSTMState) -> tuple[Params, LSTMState]:
    """Returns the layer with units added up to the next multiple of LANES.

    All weights and states of the new units are 0. They stay 0, since g = tanh(0), and
    feed nothing, since their rows of wh are 0: what the layer computes is the same.
    """
    width = state.h.shape[-1]
    more = -width % LANES

    def pad(x):
        return jnp.pad(x, [(0, 0)] * (x.ndim - 1) + [(0, more)])

    def pad_blocks(w):
        blocks = pad(w.reshape(*w.shape[:-1], 4, width))
        return blocks.reshape(*w.shape[:-1], 4 * (width + more))

    padded = {name: pad_blocks(w) for name, w in params.items()}
    padded["wh"] = jnp.pad(padded["wh"], [(0, more), (0, 0)])
    return padded, LSTMState(*(pad(x) for x in state))
