"""RMSProp, Adam, AdamW; clipping; schedules: an optax.GradientTransformation."""

import math
from collections.abc import Callable

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array

from charlm.errors import UserError

OPTIMIZERS = ("rmsprop", "adam", "adamw")
SCHEDULES = ("constant", "epochs", "cosine")
CLIPPINGS = ("value", "norm")


def make_schedule(
    *,
    learning_rate: float,
    schedule: str = "constant",
    warmup: int = 0,
    decay: float = 0.97,
    decay_after: int = 10,
    decay_every: int = 1,
    windows: int = 1,
    steps: int = 1,
) -> optax.Schedule:
    """The learning rate as a function of the steps taken.

    Args:
      learning_rate: the rate at its height.
      schedule: "constant"; "epochs", times `decay` at the end of epoch `decay_after`
        and of every `decay_every`-th after it (char-rnn: 0.97, 10, 1; torch-rnn: 0.5,
        4, 5); "cosine", down to `decay` times the rate at the last step.
      warmup: steps of a linear rise from zero, before any of these.
      decay: as `schedule` says.
      decay_after: as `schedule` says, in epochs.
      decay_every: as `schedule` says, in epochs.
      windows: steps in an epoch.
      steps: of the whole run.

    Raises:
      UserError: a value that makes no schedule.
    """
    if schedule not in SCHEDULES:
        raise UserError(
            f"optim.schedule is {schedule!r}; choose one of {', '.join(SCHEDULES)}"
        )
    if not 0 < learning_rate < math.inf:
        raise UserError(
            f"optim.learning_rate is {learning_rate}; it must be above 0, and finite"
        )
    if not 0 <= decay <= 1:
        raise UserError(f"optim.decay is {decay}; it must be from 0 to 1")
    if warmup < 0 or decay_after < 0 or decay_every < 1:
        raise UserError(
            "optim.warmup and optim.decay_after must be at least 0,"
            " optim.decay_every at least 1"
        )

    def by_epochs(step):
        times = decays((step + warmup) // windows, decay_after, decay_every)
        return learning_rate * decay**times

    after: optax.Schedule = by_epochs
    if schedule == "constant":
        after = optax.constant_schedule(learning_rate)
    elif schedule == "cosine":
        length = max(steps - warmup, 1)
        after = optax.cosine_decay_schedule(learning_rate, length, alpha=decay)
    if not warmup:
        return after
    rise = optax.linear_schedule(0.0, learning_rate, warmup)
    return optax.join_schedules([rise, after], [warmup])


def decays(epochs: Array | int, decay_after: int, decay_every: int) -> Array:
    """How often the schedule "epochs" has decayed when `epochs` are over."""
    return jnp.maximum(0, (epochs - decay_after) // decay_every + 1)


def make_optimizer(
    *,
    learning_rate: optax.Schedule | float,
    name: str = "rmsprop",
    rms_decay: float = 0.95,
    weight_decay: float = 0.0,
    clip: float = 5.0,
    clip_by: str = "value",
    restart: Callable[[Array], Array] | None = None,
) -> optax.GradientTransformation:
    """The gradient transformation: clip, then the update.

    Args:
      learning_rate: a rate, or a function of the step.
      name: "rmsprop" (torch's: epsilon 1e-8 outside the root; Tieleman and Hinton
        2012), "adam" (Kingma and Ba 2015) or "adamw" (Loshchilov and Hutter 2019).
      rms_decay: RMSProp's memory of the squared gradients.
      weight_decay: AdamW's, of matrices, not of biases.
      clip: each element of the gradient to [-clip, clip], or its norm to at most clip;
        0 does not clip. char-rnn clips at 5 a gradient that is summed over time: with
        our mean that is 5 / seq_length.
      clip_by: "value" or "norm".
      restart: (step) -> whether the moments start from zero again before that step.

    Raises:
      UserError: a value that no optimiser can have.
    """
    for key, value, allowed in (
        ("name", name, OPTIMIZERS),
        ("clip_by", clip_by, CLIPPINGS),
    ):
        if value not in allowed:
            raise UserError(
                f"optim.{key} is {value!r}; choose one of {', '.join(allowed)}"
            )
    if not 0 <= rms_decay < 1:
        raise UserError(
            f"optim.rms_decay is {rms_decay}; it must be at least 0 and below 1"
        )
    if not (0 <= clip < math.inf and 0 <= weight_decay < math.inf):
        raise UserError("optim.clip and optim.weight_decay must be at least 0")
    if name == "rmsprop":
        direction = optax.scale_by_rms(rms_decay, eps=1e-8, eps_in_sqrt=False)
    else:
        direction = optax.scale_by_adam()
    parts = [_restarted(direction, restart) if restart else direction]
    if clip:
        by_value, by_norm = optax.clip(clip), optax.clip_by_global_norm(clip)
        parts.insert(0, by_value if clip_by == "value" else by_norm)
    if name == "adamw":
        matrices = lambda params: jax.tree.map(lambda p: p.ndim > 1, params)  # noqa: E731
        parts.append(optax.add_decayed_weights(weight_decay, matrices))
    return optax.chain(*parts, optax.scale_by_learning_rate(learning_rate))


def restart_at_decay(
    *, windows: int, decay_after: int, decay_every: int
) -> Callable[[Array], Array]:
    """A `restart` at each decay of the schedule "epochs": what torch-rnn does.

    It makes its optimiser's table anew to change the rate, and the moments are gone.
    """

    def restart(step):
        now = decays(step // windows, decay_after, decay_every)
        return now != decays((step - 1) // windows, decay_after, decay_every)

    return restart


def _restarted(
    inner: optax.GradientTransformation, restart: Callable[[Array], Array]
) -> optax.GradientTransformation:
    """`inner`, whose state is made anew at the steps that `restart` names."""

    def init(params):
        return jnp.int32(0), inner.init(params)

    def update(updates, state, params=None):
        step, kept = state
        fresh = inner.init(updates)
        kept = jax.tree.map(lambda f, k: jnp.where(restart(step), f, k), fresh, kept)
        updates, kept = inner.update(updates, kept, params)
        return updates, (step + 1, kept)

    return optax.GradientTransformation(init, update)
