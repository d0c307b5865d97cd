"""LSTM layers by cuDNN, on NVIDIA GPUs, in float32 or TF32."""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax
from jax.experimental import rnn as jax_rnn
from jax.experimental.layout import Layout, with_layout_constraint
from jaxtyping import Array, Float

from charlm.model.lstm import LSTMState, Params
from charlm.model.matmul import current_matmul_precision
from charlm.model.platform import CUDNN, get_platform, is_switched_on


def has_cudnn() -> bool:
    """Returns whether this is an NVIDIA GPU and $CHARLM_CUDNN is not 0."""
    if not is_switched_on(CUDNN) or get_platform() != "cuda":
        return False
    return hasattr(jax_rnn.gpu_rnn, "compute_rnn_workspace_reserve_space_sizes")


def unroll_by_cudnn(
    layers: Sequence[Params], states: Sequence[LSTMState], xs: Array
) -> tuple[tuple[LSTMState, ...], Float[Array, "t b h"]]:
    """Runs a window through consecutive LSTM layers of one width in one call.

    cuDNN takes x, not ids, with the batch first. Its gates are ordered as ours, i f g
    o; its weights are one vector, each matrix as (out, in), all matrices before all
    biases, of which it adds two. Arguments and results are those of `unroll_stack`.
    """
    d = layers[0]["wx"].shape[0]
    if jnp.issubdtype(xs.dtype, jnp.integer):
        xs = jax.nn.one_hot(xs, d)
    length, batch = xs.shape[:2]
    run: Any = jax_rnn.lstm
    ys, h, c = map(
        _pin,
        run(
            _pin(xs.swapaxes(0, 1)),
            _pin(jnp.stack([state.h for state in states])),
            _pin(jnp.stack([state.c for state in states])),
            _pack(layers),
            jnp.full((batch,), length, jnp.int32),
            *(d, layers[0]["wh"].shape[0], len(layers)),
            *(0.0, False),  # dropout, bidirectional
            lax.Precision.HIGHEST if current_matmul_precision() == "float32" else None,
        ),
    )
    after = tuple(LSTMState(c[n], h[n]) for n in range(len(layers)))
    return after, ys.swapaxes(0, 1)


def _pin(x: Array) -> Array:
    """Asks XLA for x with its last axis innermost, which is how cuDNN reads it.

    JAX's call of cuDNN names no layout of its operands, so XLA may choose any, and
    between two transpositions of batch and time it chooses one that cuDNN misreads
    without an error (jax-ml/jax issue 19177). The transpose of the constraint pins the
    gradients.
    """
    return with_layout_constraint(x, Layout(major_to_minor=tuple(range(x.ndim))))


def _pack(layers: Sequence[Params]) -> Float[Array, " n"]:
    """Returns the parameters of the layers as cuDNN's one vector."""
    matrices = [layer[name].T.ravel() for layer in layers for name in ("wx", "wh")]
    biases = [b for layer in layers for b in (layer["b"], jnp.zeros_like(layer["b"]))]
    return jnp.concatenate([*matrices, *biases])
