"""Nats and bits per character."""

import math

import numpy as np
import optax
from jaxtyping import Array, Float, Int


def nats_per_char(
    logits: Float[Array, "t b v"], targets: Int[Array | np.ndarray, "t b"]
) -> Float[Array, ""]:
    """The mean cross-entropy of the next character, in nats."""
    return optax.softmax_cross_entropy_with_integer_labels(logits, targets).mean()


def bits(nats: float) -> float:
    """Nats in bits."""
    return nats / math.log(2)
