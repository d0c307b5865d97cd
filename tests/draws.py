"""Random arrays by NumPy: JAX would compile a program for each shape."""

import jax
import jax.numpy as jnp
import numpy as np


def draw(*shape: int, seed: int = 0) -> jax.Array:
    """Standard normal numbers."""
    values = np.random.default_rng([seed, *shape]).standard_normal(shape)
    return jnp.asarray(values, jnp.float32)


def draw_ids(high: int, *shape: int, seed: int = 0) -> jax.Array:
    """Integers below `high`."""
    return jnp.asarray(np.random.default_rng(seed).integers(0, high, shape), jnp.int32)


def draw_params(lm, *, scale: float = 0.25, seed: int = 0):
    """Normal parameters of a model, large enough to matter."""
    rng = np.random.default_rng(seed)
    shapes = jax.eval_shape(lm.init, jax.random.key(0))
    return jax.tree.map(
        lambda p: jnp.asarray(scale * rng.standard_normal(p.shape), p.dtype), shapes
    )
