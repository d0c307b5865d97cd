"""Dropout of a window, with masks that are cheap to draw and small to keep."""

import functools

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float, Key

from charlm.model.platform import get_platform

BITS = 16  # of a random word decide about a unit: the rate is exact to 2^-16


@functools.partial(jax.custom_vjp, nondiff_argnums=(0,))
def apply_dropout(
    rate: float, key: Key[Array, ""], xs: Float[Array, "t b h"]
) -> Float[Array, "t b h"]:
    """Returns xs with a share `rate` set to zero and the rest scaled up.

    (Inverted dropout; Srivastava et al. 2014.) Each step has a mask of its own, drawn
    two units a random word and stored as one byte a unit. On a CPU a loop over the
    steps draws each mask where it is used, since XLA does not recompute a loop's output
    in every consumer. Elsewhere such a loop would be many tiny kernels, and all masks,
    which are the same bits, are drawn at once.
    """
    return _forward(rate, key, xs)[0]


def _forward(rate, key, xs):
    def drop_step(t, x):
        keep = _mask(rate, jax.random.fold_in(key, t), x.shape)
        return jnp.where(keep, x / (1 - rate), 0), keep

    steps = (jnp.arange(len(xs)), xs)
    if get_platform() == "cpu":
        return lax.scan(lambda _, step: (None, drop_step(*step)), None, steps)[1]
    return jax.vmap(drop_step)(*steps)


def _mask(rate, key, shape):
    """Returns keep[b, h], each true with probability 1 - rate."""
    batch, width = shape
    words = jax.random.bits(key, (batch, -(-width // 2)), jnp.uint32)
    halves = jnp.concatenate([words >> BITS, words & (2**BITS - 1)], axis=-1)
    return halves[:, :width] >= round(rate * 2**BITS)


def _backward(rate, keep, gradient):
    return None, jnp.where(keep, gradient / (1 - rate), 0)


apply_dropout.defvjp(_forward, _backward)
