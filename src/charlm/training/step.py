"""One step of training as a pure function of its state, and the loss."""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import lax
from jaxtyping import Array, Bool, Float, Int, Key

from charlm.data.streams import Batch
from charlm.model.lm import LanguageModel
from charlm.model.platform import get_platform

PyTree = Any


class TrainState(NamedTuple):
    """The complete state of a run, apart from its config. Data only.

    Attributes:
      step: optimizer steps taken; it also determines the next batch.
      params: of the model.
      opt_state: of the optimizer.
      carry: of the model, handed on from window to window.
      key: of all randomness, as fold_in(key, step).
    """

    step: Int[Array, ""]
    params: PyTree
    opt_state: PyTree
    carry: PyTree
    key: Key[Array, ""]


class StepMetrics(NamedTuple):
    """What a training step measures.

    Attributes:
      nats_per_char: the loss.
      grad_norm: global norm of the gradient.
      update_norm: global norm of the update.
      max_carry: the largest |value| in the carry.
    """

    nats_per_char: Float[Array, "*k"]
    grad_norm: Float[Array, "*k"]
    update_norm: Float[Array, "*k"]
    max_carry: Float[Array, "*k"]


def init_state(
    lm: LanguageModel,
    optimizer: optax.GradientTransformation,
    *,
    batch_size: int,
    seed: int = 0,
    params: PyTree | None = None,
) -> TrainState:
    """Returns the state before the first step.

    Args:
      lm: the model.
      optimizer: any optax transformation.
      batch_size: number of streams, b.
      seed: of the parameters, and of dropout.
      params: to start from, in place of random ones.
    """
    init_key, key = jax.random.split(jax.random.key(seed))
    start: Any = params
    if params is None:
        start = jax.jit(lm.init)(init_key)
    else:  # a copy: a compiled step donates its state
        start = jax.tree.map(jnp.array, params)
    return TrainState(
        step=jnp.int32(0),
        params=start,
        opt_state=optimizer.init(start),
        carry=lm.initial_carry(batch_size),
        key=key,
    )


def make_train_step(
    lm: LanguageModel, optimizer: optax.GradientTransformation
) -> Callable[[TrainState, Batch], tuple[TrainState, StepMetrics]]:
    """Returns the pure function (state, batch) -> (state, metrics).

    Truncated back-propagation through time: the carry comes from the window before, and
    no gradient flows back into it.
    """

    def loss(params, carry, batch, key):
        carry, logits = lm.unroll(params, carry, batch.inputs, key)
        return nats_per_char(logits, batch.targets), carry

    def train_step(state, batch):
        key = jax.random.fold_in(state.key, state.step)
        carry = reset_carry(state.carry, batch.reset)
        (nats, carry), gradients = jax.value_and_grad(loss, has_aux=True)(
            state.params, carry, batch, key
        )
        updates, opt_state = optimizer.update(gradients, state.opt_state, state.params)
        params = optax.apply_updates(state.params, updates)
        metrics = StepMetrics(
            nats_per_char=nats,
            grad_norm=optax.tree.norm(gradients),
            update_norm=optax.tree.norm(updates),
            max_carry=jnp.stack(
                [jnp.abs(leaf).max() for leaf in jax.tree.leaves(carry)]
            ).max(),
        )
        return TrainState(state.step + 1, params, opt_state, carry, state.key), metrics

    return train_step


def reset_carry(carry: PyTree, reset: Bool[Array | np.ndarray, " b"]) -> PyTree:
    """Returns the carry with the rows of streams to `reset` set to zero."""

    def reset_rows(leaf):
        return jnp.where(reset.reshape(-1, *(1 for _ in leaf.shape[1:])), 0, leaf)

    return jax.tree.map(reset_rows, carry)


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
