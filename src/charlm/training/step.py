"""TrainState, init_state, make_train_step: a step of training as a pure function."""

import functools
import math
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax.sharding import Mesh
from jaxtyping import Array, Bool, Float, Int, Key

from charlm.data.streams import Batch
from charlm.errors import UserError
from charlm.model import sharding
from charlm.model.lm import LanguageModel
from charlm.training.losses import nats_per_char

PyTree = Any
DISPATCH = 64  # steps of one dispatch, at most
# A loss above so many times that of a guess among all symbols has exploded: char-rnn
# stops at three times its first loss, which is that of a guess (train.lua).
MAX_LOSS_RATIO = 3.0
BAD_STEPS = ("stop", "skip")


class TrainState(NamedTuple):
    """All that a run is, beside its config: data, and no functions.

    Attributes:
      step: optimiser steps taken; it also tells the next batch.
      params: of the model.
      opt_state: of the optimiser.
      carry: of the model, handed on from window to window.
      key: of all randomness, as fold_in(key, step).
    """

    step: Int[Array, ""]
    params: PyTree
    opt_state: PyTree
    carry: PyTree
    key: Key[Array, ""]


class StepMetrics(NamedTuple):
    """Of one step.

    Attributes:
      nats_per_char: its loss.
      grad_norm: of its gradient.
      max_carry: the largest |state| carried.
      good: whether it was taken: all is finite and the loss has not exploded.
    """

    nats_per_char: Float[Array, "*k"]
    grad_norm: Float[Array, "*k"]
    max_carry: Float[Array, "*k"]
    good: Bool[Array, "*k"]


def init_state(
    lm: LanguageModel,
    optimizer: optax.GradientTransformation,
    *,
    batch_size: int,
    seed: int = 0,
    params: PyTree | None = None,
) -> TrainState:
    """The state before the first step.

    Args:
      lm: the model.
      optimizer: its optimiser.
      batch_size: streams.
      seed: of the parameters, and of dropout.
      params: to start from, in place of drawn ones.
    """
    init_key, key = jax.random.split(jax.random.key(seed))
    # A copy: the train step donates its state, and the caller's arrays stay theirs.
    given = None if params is None else jax.tree.map(jnp.array, params)
    start: Any = jax.jit(lm.init)(init_key) if given is None else given
    return TrainState(
        step=jnp.int32(0),
        params=start,
        opt_state=optimizer.init(start),
        carry=lm.initial_carry(batch_size),
        key=key,
    )


def make_train_step(
    lm: LanguageModel,
    optimizer: optax.GradientTransformation,
    *,
    bad_steps: str = "stop",
) -> Callable[[TrainState, Batch], tuple[TrainState, StepMetrics]]:
    """The pure function (state, window, due=True) -> (state, metrics).

    `due` says whether the window is that of the state's step; if not, nothing is taken.
    Truncated back-propagation through time: the carry comes in from the window before
    and no gradient goes back into it.

    Args:
      lm: the model.
      optimizer: of make_optimizer.
      bad_steps: what becomes of the state at a step that is not `good`: "stop" leaves
        all of it, so that this step would be the next one again; "skip" leaves the
        parameters and the optimiser's state, and goes on to the next step.
    """
    if bad_steps not in BAD_STEPS:
        raise UserError(
            f"train.bad_steps is {bad_steps!r}; choose one of {', '.join(BAD_STEPS)}"
        )

    def loss(params, carry, window, key):
        carry, logits = lm.unroll(params, carry, window.inputs, key)
        limit = MAX_LOSS_RATIO * math.log(logits.shape[-1] + 1)
        return nats_per_char(logits, window.targets), (carry, limit)

    def train_step(state, window, due=True):
        key = jax.random.fold_in(state.key, state.step)
        carry = reset(state.carry, window.fresh)
        (nats, (carry, limit)), gradients = jax.value_and_grad(loss, has_aux=True)(
            state.params, carry, window, key
        )
        updates, opt_state = optimizer.update(gradients, state.opt_state, state.params)
        params = optax.apply_updates(state.params, updates)
        largest = [jnp.abs(leaf).max() for leaf in jax.tree.leaves(carry)]
        norm, most = optax.tree.norm(gradients), jnp.stack(largest).max()
        finite = jnp.isfinite(jnp.stack([norm, most, optax.tree.norm(updates)])).all()
        good = finite & (nats <= limit) & due
        after = TrainState(state.step + 1, params, opt_state, carry, state.key)
        if bad_steps == "stop":
            after = _where(good, after, state)
        else:
            kept = after._replace(params=state.params, opt_state=state.opt_state)
            after = _where(good, after, kept)._replace(carry=_familiar(carry))
        return after, StepMetrics(nats, norm, most, good)

    return train_step


def _where(good: Array, state: TrainState, other: TrainState) -> TrainState:
    """`state` if `good`, else `other`; the key is the same in both."""
    pick = functools.partial(jnp.where, good)
    picked = jax.tree.map(pick, state._replace(key=()), other._replace(key=()))
    return picked._replace(key=state.key)


def _familiar(carry: PyTree) -> PyTree:
    """The carry, its streams that are not finite from zero again."""
    lost = [~jnp.isfinite(leaf).all(axis=-1) for leaf in jax.tree.leaves(carry)]
    return reset(carry, jnp.stack(lost).any(axis=0))


def reset(carry: PyTree, fresh: Bool[Array | np.ndarray, " b"]) -> PyTree:
    """The carry with the rows of `fresh` streams set to zero."""
    return jax.tree.map(lambda c: jnp.where(fresh[:, None], 0, c), carry)


def state_shardings(mesh: Mesh) -> TrainState:
    """Where each part of a state lives: the carry's rows apart, the rest everywhere."""
    everywhere: Any = sharding.whole(mesh)
    state = TrainState(*(everywhere for _ in TrainState._fields))
    return state._replace(carry=sharding.shard_rows(mesh))


def make_train_steps(
    train_step: Callable[..., tuple[TrainState, StepMetrics]],
    window: Callable[[Any, Array, Array], Batch],
    mesh: Mesh | None = None,
) -> Callable[..., tuple[TrainState, StepMetrics]]:
    """The compiled (state, data, count, first) -> (state, metrics), of `count` steps.

    One program for every count up to DISPATCH, so that where dispatches begin and end
    changes no bit of what they compute. The state's buffers are donated. `first` is the
    step of the first window, the state's own by default: a state that stands elsewhere,
    since a bad step has stopped it, stays as it is.

    Args:
      train_step: of make_train_step.
      window: (data, step, place in the dispatch) -> the batch of that step.
      mesh: the devices that share the batch's rows; by default, where the state is.
    """
    shardings = None if mesh is None else (state_shardings(mesh), sharding.whole(mesh))

    @functools.partial(jax.jit, donate_argnums=0, out_shardings=shardings)
    def train_steps(state, data, count, first=None):
        first = state.step if first is None else first

        def body(n, loop):
            state, kept = loop
            due = state.step == first + n  # not, once a bad step has stopped the run
            state, metrics = train_step(state, window(data, state.step, n), due)
            return state, jax.tree.map(lambda k, m: k.at[n].set(m), kept, metrics)

        nothing = jnp.zeros(DISPATCH)
        empty = StepMetrics(nothing, nothing, nothing, jnp.zeros(DISPATCH, bool))
        return jax.lax.fori_loop(0, count, body, (state, empty))

    return train_steps
