"""Matrix products with weights and embedding lookups, with fast gradients."""

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float, Integer

from charlm.model.platform import get_platform

Ids = Integer[Array | np.ndarray, "*b"]
Input = Float[Array, "*b d"] | Ids

# The height of the largest table whose rows a TPU takes by a matmul. It is a choice: it
# has not been measured from where on a gather is faster.
MAX_ONE_HOT_ROWS = {"float32": 128, "bfloat16": 512}


def current_matmul_precision() -> str | None:
    """Returns the name of the precision of products that are traced now."""
    config: Any = jax.config
    return config.jax_default_matmul_precision


def with_gradient(
    function: Callable[..., Any],
    forward: Callable[..., Any],
    backward: Callable[..., Any],
) -> Callable[..., Any]:
    """Returns a function with a derivative of its own, as jax.custom_vjp does.

    The backward pass is traced later; its products have the precision of the forward
    pass.

    Args:
      function: (*args) -> result.
      forward: (*args) -> (result, residuals).
      backward: (residuals, gradient of the result) -> gradients of the args.
    """

    @functools.partial(jax.custom_vjp, nondiff_argnums=(0,))
    def differentiable(precision, *args):
        return function(*args)

    def run_backward(precision, residuals, gradient):
        with jax.default_matmul_precision(precision):
            return backward(residuals, gradient)

    differentiable.defvjp(lambda precision, *args: forward(*args), run_backward)
    return lambda *args: differentiable(current_matmul_precision(), *args)


def matmul(x: Float[Array, "*b d"], w: Float[Array, "d n"]) -> Float[Array, "*b n"]:
    """Returns x w, computed in the type of w and summed in float32."""
    return jnp.dot(x.astype(w.dtype), w, preferred_element_type=jnp.float32)


def _matmul_forward(xs, w):
    return matmul(xs, w), (xs, w)


def _matmul_backward(residuals, gradient):
    xs, w = residuals
    d_xs = matmul(gradient, w.T).astype(xs.dtype)
    return d_xs, weight_gradient(xs, gradient, w.dtype)


# xs[.., d] w[d, n] for all rows of a window. Autodiff would compute the gradient of w
# as the transpose of a product, and so transpose the larger operand in memory.
matmul_over_time = with_gradient(matmul, _matmul_forward, _matmul_backward)


def weight_gradient(
    xs: Float[Array, "*b d"], gradients: Float[Array, "*b n"], dtype: Any
) -> Float[Array, "d n"]:
    """Returns the sum over all leading axes of the outer products xs x gradients."""
    leading = tuple(range(xs.ndim - 1))
    total = lax.dot_general(
        xs.astype(dtype),
        gradients.astype(dtype),
        ((leading, leading), ((), ())),
        preferred_element_type=jnp.float32,
    )
    return total.astype(dtype)


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


def row_gradient_by_scatter(
    height: int, ids: Ids, gradient: Float[Array, "*b n"]
) -> Float[Array, "v n"]:
    """Returns the sum of the gradients of each of `height` rows, by a scatter."""
    return jnp.zeros((height, gradient.shape[-1]), jnp.float32).at[ids].add(gradient)


def row_gradient_by_matmul(
    height: int, ids: Ids, gradient: Float[Array, "*b n"]
) -> Float[Array, "v n"]:
    """Returns the sum of the gradients of each of `height` rows, by a matmul."""
    symbols = jnp.arange(height).reshape(-1, *(1 for _ in ids.shape))
    one_hot = (symbols == ids).astype(gradient.dtype)  # [v, *b], as the matmul reads it
    over = tuple(range(1, 1 + ids.ndim)), tuple(range(ids.ndim))
    return lax.dot_general(one_hot, gradient, (over, ((), ())))


def _lookup_forward(table, ids):
    # An empty slice carries the table's height and type to the backward pass.
    return _take_rows(table, ids), (table[:, :0], ids)


def _lookup_backward(residuals, gradient):
    like, ids = residuals
    on_cpu = get_platform() == "cpu"
    sum_rows = row_gradient_by_scatter if on_cpu else row_gradient_by_matmul
    return sum_rows(len(like), ids, gradient).astype(like.dtype), None


# table[v, n][ids]. The gradient is a scatter on a CPU, where the matmul with one-hot
# ids is slower, and elsewhere that matmul: a GPU scatters in no fixed order, and runs
# must be equal to the bit. A TPU takes rows of a small table by a matmul.
embedding_lookup = with_gradient(_take_rows, _lookup_forward, _lookup_backward)


def project_inputs(wx: Float[Array, "d n"], xs: Input) -> Float[Array, "*b n"]:
    """Returns xs wx for inputs[.., d], or the rows of wx for ids, in the type of wx."""
    is_ids = jnp.issubdtype(xs.dtype, jnp.integer)
    return embedding_lookup(wx, xs) if is_ids else matmul_over_time(xs, wx)
