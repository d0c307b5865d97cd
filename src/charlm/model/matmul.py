"""Products with weights, and rows of a table, with gradients that are formed fast."""

import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float, Integer

from charlm.model.platform import get_platform

Precision = Any  # None, or the name of one that jax.default_matmul_precision takes

# Rows of the largest table that a TPU takes rows of by a product; it gathers from
# larger ones in fewer cycles (experiments/accelerators).
ONE_HOT_ROWS = {"float32": 128, "bfloat16": 512}


def current_matmul_precision() -> Precision:
    """That of products made now: derivatives are worked out later, and must know it."""
    config: Any = jax.config
    return config.jax_default_matmul_precision


def product(
    x: Float[Array, "*b d"], w: Float[Array, "d n"], precision: Precision = None
) -> Float[Array, "*b n"]:
    """x w in the type of w, summed in float32."""
    return jnp.dot(
        x.astype(w.dtype), w, precision=precision, preferred_element_type=jnp.float32
    )


def matmul_over_time(
    xs: Float[Array, "*b d"], w: Float[Array, "d n"]
) -> Float[Array, "*b n"]:
    """xs w of all rows of a window at once: `product`, with a gradient of its own.

    Autodiff would have the gradient of w as the transpose of the product of the
    gradient with xs, and so transpose the larger of the two in memory.
    """
    return _window_product(current_matmul_precision(), xs, w)


@functools.partial(jax.custom_vjp, nondiff_argnums=(0,))
def _window_product(precision, xs, w):
    return product(xs, w, precision)


def _product_forward(precision, xs, w):
    return product(xs, w, precision), (xs, w)


def _product_backward(precision, kept, gradient):
    xs, w = kept
    d_xs = product(gradient, w.T, precision).astype(xs.dtype)
    return d_xs, weight_gradient(xs, gradient, w.dtype, precision)


_window_product.defvjp(_product_forward, _product_backward)


def weight_gradient(
    xs: Float[Array, "*b d"],
    gradients: Float[Array, "*b n"],
    dtype: Any,
    precision: Precision = None,
) -> Float[Array, "d n"]:
    """The sum over all leading axes of the outer products of xs and gradients."""
    leading = tuple(range(xs.ndim - 1))
    total = lax.dot_general(
        xs.astype(dtype),
        gradients.astype(dtype),
        ((leading, leading), ((), ())),
        precision=precision,
        preferred_element_type=jnp.float32,
    )
    return total.astype(dtype)


def embedding_lookup(
    table: Float[Array, "v n"], ids: Integer[Array | np.ndarray, "*b"]
) -> Float[Array, "*b n"]:
    """table[ids]; the gradient is a scatter on a CPU, elsewhere a product.

    A GPU scatters in no fixed order, and a run must be the same to the bit each time;
    on a CPU the product with one-hot ids is the slower one. A TPU takes rows of a small
    table by a product as well.
    """
    return _look_up(current_matmul_precision(), table, ids)


@functools.partial(jax.custom_vjp, nondiff_argnums=(0,))
def _look_up(precision, table, ids):
    return _take_rows(table, ids)


def _look_up_forward(precision, table, ids):
    # An empty slice carries the table's height and type to the backward pass.
    return _take_rows(table, ids), (table[:, :0], ids)


def _take_rows(table, ids):
    most = ONE_HOT_ROWS.get(jnp.dtype(table.dtype).name, 0)
    if get_platform() == "tpu" and len(table) <= most:
        return take_rows_by_matmul(table, ids)
    return table[ids]


def take_rows_by_matmul(
    table: Float[Array, "v n"], ids: Integer[Array | np.ndarray, "*b"]
) -> Float[Array, "*b n"]:
    """Return table[ids] as a product with the one-hot ids, exact to the bit.

    A TPU's product of float32 sums bfloat16 parts, of which HIGHEST drops none here.
    """
    one_hot = jax.nn.one_hot(ids, len(table), dtype=table.dtype)
    return jnp.dot(one_hot, table, precision=lax.Precision.HIGHEST)


def _look_up_backward(precision, kept, gradient):
    like, ids = kept
    if get_platform() == "cpu":
        rows = row_gradient_by_scatter(len(like), ids, gradient)
    else:
        rows = row_gradient_by_matmul(len(like), ids, gradient, precision)
    return rows.astype(like.dtype), None


_look_up.defvjp(_look_up_forward, _look_up_backward)


def row_gradient_by_scatter(
    height: int, ids: Integer[Array | np.ndarray, "*b"], gradient: Float[Array, "*b n"]
) -> Float[Array, "v n"]:
    """The sum of the gradients of each of `height` rows, added up row by row."""
    return jnp.zeros((height, gradient.shape[-1])).at[ids].add(gradient)


def row_gradient_by_matmul(
    height: int,
    ids: Integer[Array | np.ndarray, "*b"],
    gradient: Float[Array, "*b n"],
    precision: Precision = None,
) -> Float[Array, "v n"]:
    """The same as a product with the one-hot ids."""
    symbols = jnp.arange(height).reshape(-1, *(1 for _ in ids.shape))
    one_hot = (symbols == ids).astype(gradient.dtype)  # [v, *b], as a product reads it
    leading = tuple(range(ids.ndim))
    over = (tuple(axis + 1 for axis in leading), leading)
    return lax.dot_general(one_hot, gradient, (over, ((), ())), precision=precision)
