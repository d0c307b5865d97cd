"""One step of training as a pure function, its loss, and a guard for bad steps."""

import functools
import math
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import lax
from jaxtyping import Array, Bool, Float, Int, Key

from charlm.config import TrainConfig
from charlm.data.streams import Batch
from charlm.model.lm import LanguageModel
from charlm.model.platform import get_platform
from charlm.options import check_options

PyTree = Any
MAX_LOSS_RATIO = 3.0  # to a uniform guess, char-rnn's first loss (train.lua)


class TrainState(NamedTuple):
    """The complete state of a run, apart from its config. Data only."""

    step: Int[Array, ""]  # optimizer steps taken; it also determines the next batch
    params: PyTree  # of the model
    opt_state: PyTree  # of the optimizer
    carry: PyTree  # of the model, handed on from window to window
    key: Key[Array, ""]  # of all randomness, as fold_in(key, step)


class StepMetrics(NamedTuple):
    """What a training step measures."""

    nats_per_char: Float[Array, "*k"]  # the loss
    grad_norm: Float[Array, "*k"]  # global norm of the gradient
    update_norm: Float[Array, "*k"]  # global norm of the update
    max_carry: Float[Array, "*k"]  # the largest |value| in the carry


class GuardedMetrics(NamedTuple):
    """Metrics of a step, and whether it was accepted."""

    metrics: StepMetrics
    accepted: Bool[Array, "*k"]


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
    # A copy of those given: a compiled step donates its state.
    given = params is not None
    start = jax.tree.map(jnp.array, params) if given else jax.jit(lm.init)(init_key)
    carry = lm.initial_carry(batch_size)
    return TrainState(jnp.int32(0), start, optimizer.init(start), carry, key)


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


def make_guarded_step(
    train_step: Callable[[TrainState, Batch], tuple[TrainState, StepMetrics]],
    *,
    vocab_size: int,
    bad_steps: str = "stop",
) -> Callable[..., tuple[TrainState, GuardedMetrics]]:
    """Returns (state, batch, active=True) -> (state, GuardedMetrics).

    A step is accepted if its loss, gradient, update and carry are finite and its loss
    is at most three times that of a uniform guess. If `active` is false, it is not.

    Args:
      train_step: of make_train_step.
      vocab_size: v, of the uniform guess.
      bad_steps: what a step that is not accepted leaves: "stop" leaves the state as it
        was, so that the same step would follow again; "skip" keeps the parameters and
        the optimizer's state, and goes on to the next step.
    """
    check_options(TrainConfig, bad_steps=bad_steps)
    max_loss = MAX_LOSS_RATIO * math.log(vocab_size + 1)

    def guarded_step(state, batch, active=True):
        new_state, metrics = train_step(state, batch)
        norms = (metrics.grad_norm, metrics.max_carry, metrics.update_norm)
        finite = jnp.isfinite(jnp.stack(norms)).all()
        accepted = finite & (metrics.nats_per_char <= max_loss) & active
        select = functools.partial(jnp.where, accepted)
        if bad_steps == "skip":
            carry = _reset_nonfinite(new_state.carry)
            new_state = new_state._replace(carry=carry)
            state = new_state._replace(params=state.params, opt_state=state.opt_state)
        new_state = jax.tree.map(select, new_state, state)
        return new_state, GuardedMetrics(metrics, accepted)

    return guarded_step


def _reset_nonfinite(carry: PyTree) -> PyTree:
    """Returns the carry with each stream that is not finite reset to zero."""
    bad = [
        ~jnp.isfinite(leaf).reshape(len(leaf), -1).all(axis=-1)
        for leaf in jax.tree.leaves(carry)
    ]
    return reset_carry(carry, jnp.stack(bad).any(axis=0))


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
