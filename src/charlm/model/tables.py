"""Rows of a table, with a gradient that a CPU forms fast."""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Integer


@jax.custom_vjp
def look_up(
    table: Float[Array, "v n"], ids: Integer[Array | np.ndarray, "*b"]
) -> Float[Array, "*b n"]:
    """table[ids]; the gradient is a product with the one-hot ids, not a scatter."""
    return table[ids]


def _forward(table, ids):
    # An empty slice carries the table's height and type to the backward pass.
    return table[ids], (table[:, :0], ids)


def _backward(kept, gradient):
    like, ids = kept
    height, width = like.shape[0], gradient.shape[-1]
    one_hot = jax.nn.one_hot(ids.reshape(-1), height, dtype=gradient.dtype)
    return jnp.dot(one_hot.T, gradient.reshape(-1, width)).astype(like.dtype), None


look_up.defvjp(_forward, _backward)
