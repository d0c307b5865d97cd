"""Matrix products with weights and embedding lookups, with fast gradients."""

import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float, Integer

from charlm.model.platform import get_platform

Ids = Integer[Array | np.ndarray, "*b"]
Input = Float[Array, "*b d"] | Ids
Precision = Any  # None, or the name of one that jax.default_matmul_precision takes

# The height of the largest table whose rows a TPU takes by a matmul. From larger ones a
# gather takes fewer cycles (experiments/accelerators).
MAX_ONE_HOT_ROWS = {"float32": 128, "bfloat16": 512}


def current_matmul_precision() -> Precision:
    """Returns the matmul precision at trace time.

    Custom derivatives store it, since their backward pass is traced later.
    """
    config: Any = jax.config
    return config.jax_default_matmul_precision


def matmul(
    x: Float[Array, "*b d"], w: Float[Array, "d n"], precision: Precision = None
) -> Float[Array, "*b n"]:
    """Returns x w, computed in the type of w and summed in float32."""
    return jnp.dot(
        x.astype(w.dtype), w, precision=precision, preferred_element_type=jnp.float32
    )


def matmul_over_time(
    xs: Float[Array, "*b d"], w: Float[Array, "d n"]
) -> Float[Array, "*b n"]:
    """Returns xs w for all rows of a window, with a derivative of its own.

    Autodiff would compute the gradient of w as the transpose of a product, and so
    transpose the larger of the two operands in memory.
    """
    return _matmul_over_time(current_matmul_precision(), xs, w)


@functools.partial(jax.custom_vjp, nondiff_argnums=(0,))
def _matmul_over_time(precision, xs, w):
    return matmul(xs, w, precision)


def _matmul_forward(precision, xs, w):
    return matmul(xs, w, precision), (xs, w)


def _matmul_backward(precision, residuals, gradient):
    xs, w = residuals
    d_xs = matmul(gradient, w.T, precision).astype(xs.dtype)
    return d_xs, weight_gradient(xs, gradient, w.dtype, precision)


_matmul_over_time.defvjp(_matmul_forward, _matmul_backward)


def weight_gradient(
    xs: Float[Array, "*b d"],
    gradients: Float[Array, "*b n"],
    dtype: Any,
    precision: Precision = None,
) -> Float[Array, "d n"]:
    """Returns the sum over all leading axes of the outer products xs x gradients."""
    leading = tuple(range(xs.ndim - 1))
    total = lax.dot_general(
        xs.astype(dtype),
        gradients.astype(dtype),
        ((leading, leading), ((), ())),
        precision=precision,
        preferred_element_type=jnp.float32,
    )
    return total.astype(dtype)


def embedding_lookup(table: Float[Array, "v n"], ids: Ids) -> Float[Array, "*b n"]:
    """Returns table[ids]. The gradient is a scatter on a CPU, elsewhere a matmul.

    A GPU scatters in no fixed order, and runs must be equal to the bit. On a CPU the
    matmul with one-hot ids is slower. A TPU takes rows of a small table by a matmul.
    """
    return _lookup(current_matmul_precision(), table, ids)


def project_inputs(wx: Float[Array, "d n"], xs: Input) -> Float[Array, "*b n"]:
    """Returns xs wx for inputs[.., d], or the rows of wx for ids, in the type of wx."""
    if jnp.issubdtype(xs.dtype, jnp.integer):
        return embedding_lookup(wx, xs)
    return matmul_over_time(jnp.asarray(xs), wx)


@functools.partial(jax.custom_vjp, nondiff_argnums=(0,))
def _lookup(precision, table, ids):
    return _take_rows(table, ids)


def _lookup_forward(precision, table, ids):
    # An empty slice carries the table's height and type to the backward pass.
    return _take_rows(table, ids), (table[:, :0], ids)


def _take_rows(table, ids):
    max_rows = MAX_ONE_HOT_ROWS.get(table.dtype.name, 0)
    if get_platform() == "tpu" and len(table) <= max_rows:
        return take_rows_by_matmul(table, ids)
    return table[ids]


def take_rows_by_matmul(table: Float[Array, "v n"], ids: Ids) -> Float[Array, "*b n"]:
    """Returns table[ids] as a matmul with the one-hot ids, exact to the bit.

    A TPU's matmul of float32 sums bfloat16 parts, of which HIGHEST drops none here.
    """
    one_hot = jax.nn.one_hot(ids, len(table), dtype=table.dtype)
    return jnp.dot(one_hot, table, precision=lax.Precision.HIGHEST)


def _lookup_backward(precision, residuals, gradient):
    like, ids = residuals
    if get_platform() == "cpu":
        rows = row_gradient_by_scatter(len(like), ids, gradient)
    else:
        rows = row_gradient_by_matmul(len(like), ids, gradient, precision)
    return rows.astype(like.dtype), None


_lookup.defvjp(_lookup_forward, _lookup_backward)


def row_gradient_by_scatter(
    height: int, ids: Ids, gradient: Float[Array, "*b n"]
) -> Float[Array, "v n"]:
    """Returns the sum of the gradients of each of `height` rows, by a scatter."""
    return jnp.zeros((height, gradient.shape[-1])).at[ids].add(gradient)


def row_gradient_by_matmul(
    height: int, ids: Ids, gradient: Float[Array, "*b n"], precision: Precision = None
) -> Float[Array, "v n"]:
    """Returns the sum of the gradients of each of `height` rows, by a matmul."""
    symbols = jnp.arange(height).reshape(-1, *(1 for _ in ids.shape))
    one_hot = (symbols == ids).astype(gradient.dtype)  # [v, *b], as the matmul reads it
    over = tuple(range(1, 1 + ids.ndim)), tuple(range(ids.ndim))
    return lax.dot_general(one_hot, gradient, (over, ((), ())), precision=precision)
