"""The loss of a language model: nats per character."""

import math

import jax.numpy as jnp
import numpy as np
import optax
from jax import lax
from jaxtyping import Array, Float, Int

from charlm.model.platform import get_platform


def nats_per_char(
    logits: Float[Array, "t b v"], targets: Int[Array | np.ndarray, "t b"]
) -> Float[Array, ""]:
    """Returns the mean cross-entropy of the next character, in nats."""
    if get_platform() == "cpu":
        return optax.softmax_cross_entropy_with_integer_labels(logits, targets).mean()
    return cross_entropy_by_mask(logits, targets).mean()


def cross_entropy_by_mask(
    logits: Float[Array, "t b v"], targets: Int[Array | np.ndarray, "t b"]
) -> Float[Array, "t b"]:
    """Returns the cross-entropy of each target, in nats, without a scatter.

    A mask picks the logit of a target. Optax picks it by its index, and the gradient of
    an index is a scatter, which a GPU adds up in no fixed order.
    """
    logits = logits - lax.stop_gradient(logits.max(axis=-1, keepdims=True))
    is_target = jnp.arange(logits.shape[-1]) == targets[..., None]
    target_logits = jnp.where(is_target, logits, 0).sum(axis=-1)
    return jnp.log(jnp.exp(logits).sum(axis=-1)) - target_logits


def nats_to_bits(nats: float) -> float:
    """Returns nats in bits."""
    return nats / math.log(2)
