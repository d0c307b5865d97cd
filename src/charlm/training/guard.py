"""A guard around the training step, against losses and states that are not finite."""

import functools
import math
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool

from charlm.config import TrainConfig
from charlm.data.streams import Batch
from charlm.options import check_options
from charlm.training.step import StepMetrics, TrainState, reset_carry

PyTree = Any
# char-rnn stops at three times its first loss, which is that of a uniform guess
# (train.lua).
MAX_LOSS_RATIO = 3.0


class GuardedMetrics(NamedTuple):
    """Metrics of a step, and whether it was accepted."""

    metrics: StepMetrics
    accepted: Bool[Array, "*k"]


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

    Raises:
      UserError: `bad_steps` is neither.
    """
    check_options(TrainConfig, bad_steps=bad_steps)
    max_loss = MAX_LOSS_RATIO * math.log(vocab_size + 1)

    def guarded_step(state, batch, active=True):
        new_state, metrics = train_step(state, batch)
        norms = (metrics.grad_norm, metrics.max_carry, metrics.update_norm)
        finite = jnp.isfinite(jnp.stack(norms)).all()
        accepted = finite & (metrics.nats_per_char <= max_loss) & active
        if bad_steps == "stop":
            new_state = _select(accepted, new_state, state)
        else:
            skipped = new_state._replace(params=state.params, opt_state=state.opt_state)
            carry = _reset_nonfinite(new_state.carry)
            new_state = _select(accepted, new_state, skipped)._replace(carry=carry)
        return new_state, GuardedMetrics(metrics, accepted)

    return guarded_step


def _select(condition: Array, state: TrainState, other: TrainState) -> TrainState:
    """Returns `state` if the condition holds, else `other`; both have the same key."""
    select = functools.partial(jnp.where, condition)
    chosen = jax.tree.map(select, state._replace(key=()), other._replace(key=()))
    return chosen._replace(key=state.key)


def _reset_nonfinite(carry: PyTree) -> PyTree:
    """Returns the carry with each stream that is not finite reset to zero."""
    bad = [
        ~jnp.isfinite(leaf).reshape(len(leaf), -1).all(axis=-1)
        for leaf in jax.tree.leaves(carry)
    ]
    return reset_carry(carry, jnp.stack(bad).any(axis=0))
