"""RMSProp, Adam, AdamW; clipping; schedules: an optax.GradientTransformation."""

import functools
from collections.abc import Callable

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array

from charlm.config import OptimConfig
from charlm.errors import UserError
from charlm.options import CUSTOM, check_options

DEFAULTS = OptimConfig()


def make_schedule(
    *,
    learning_rate: float,
    schedule: str = "constant",
    warmup: int = DEFAULTS.warmup,
    decay: float = DEFAULTS.decay,
    decay_after: int = DEFAULTS.decay_after,
    decay_every: int = DEFAULTS.decay_every,
    steps_per_epoch: int = 1,
    steps: int = 1,
) -> optax.Schedule:
    """Returns the learning rate as a function of the steps taken.

    Args:
      learning_rate: its highest value.
      schedule: "constant"; "epochs", times `decay` at the end of epoch `decay_after`
        and of every `decay_every`-th after it (char-rnn: 0.97, 10, 1; torch-rnn: 0.5,
        4, 5); "cosine", down to `decay` times the rate at the last step.
      warmup: steps of a linear rise from zero, before any of these.
      decay, decay_after, decay_every: as `schedule` says; the last two in epochs.
      steps_per_epoch, steps: of the run.
    """
    check_options(
        OptimConfig,
        learning_rate=learning_rate,
        schedule=schedule,
        warmup=warmup,
        decay=decay,
        decay_after=decay_after,
        decay_every=decay_every,
    )

    def by_epochs(step):
        epochs = (step + warmup) // steps_per_epoch
        return learning_rate * decay ** count_decays(epochs, decay_after, decay_every)

    main: optax.Schedule = by_epochs
    if schedule == "constant":
        main = optax.constant_schedule(learning_rate)
    elif schedule == "cosine":
        length = max(steps - warmup, 1)
        main = optax.cosine_decay_schedule(learning_rate, length, alpha=decay)
    if not warmup:
        return main
    rise = optax.linear_schedule(0.0, learning_rate, warmup)
    return optax.join_schedules([rise, main], [warmup])


def count_decays(epochs: Array | int, decay_after: int, decay_every: int) -> Array:
    """Returns how often the schedule "epochs" has decayed after so many epochs."""
    return jnp.maximum(0, (epochs - decay_after) // decay_every + 1)


def make_optimizer(
    *,
    learning_rate: optax.Schedule | float,
    name: str = DEFAULTS.name,
    rms_decay: float = DEFAULTS.rms_decay,
    weight_decay: float = DEFAULTS.weight_decay,
    clip: float = DEFAULTS.clip,
    clip_by: str = DEFAULTS.clip_by,
    restart: Callable[[Array], Array] | None = None,
) -> optax.GradientTransformation:
    """Returns the gradient transformation: clip, then the update.

    Args:
      learning_rate: a rate, or a function of the step.
      name: "rmsprop" (torch's: epsilon 1e-8 outside the root; Tieleman and Hinton
        2012), "adam" (Kingma and Ba 2015) or "adamw" (Loshchilov and Hutter 2019).
      rms_decay: RMSProp's decay of the mean of squared gradients.
      weight_decay: AdamW's, of matrices, not of biases.
      clip: each element of the gradient to [-clip, clip], or its norm to at most clip;
        0 does not clip. char-rnn clips at 5 a gradient that is summed over time: with
        our mean that is 5 / seq_length.
      clip_by: "value" or "norm".
      restart: (step) -> whether the moments start from zero again before that step.
    """
    check_options(
        OptimConfig,
        name=name,
        rms_decay=rms_decay,
        weight_decay=weight_decay,
        clip=clip,
        clip_by=clip_by,
    )
    if name == CUSTOM:
        raise UserError(
            f"name is {name!r}: this run has an optimizer of its own; pass the object"
            " that it was trained with, as fit(..., optimizer=my_optimizer)"
        )
    if name == "rmsprop":
        direction = optax.scale_by_rms(rms_decay, eps=1e-8, eps_in_sqrt=False)
    else:
        direction = optax.scale_by_adam()
    transformations = [restarted(direction, restart) if restart else direction]
    if clip:
        by_value, by_norm = optax.clip(clip), optax.clip_by_global_norm(clip)
        transformations.insert(0, by_value if clip_by == "value" else by_norm)
    if name == "adamw":
        transformations.append(optax.add_decayed_weights(weight_decay, _is_matrix))
    return optax.chain(*transformations, optax.scale_by_learning_rate(learning_rate))


def _is_matrix(params):
    return jax.tree.map(lambda p: p.ndim > 1, params)


def make_restart(
    config: OptimConfig, *, steps_per_epoch: int
) -> Callable[[Array], Array] | None:
    """Returns a `restart` at each decay of the schedule "epochs"; None without it.

    torch-rnn makes its optimizer's table anew to change the rate, which loses the
    moments.
    """
    if not (config.restart_at_decay and config.schedule == "epochs"):
        return None

    def count(step):
        epochs = step // steps_per_epoch
        return count_decays(epochs, config.decay_after, config.decay_every)

    return lambda step: count(step) != count(step - 1)


def restarted(
    inner: optax.GradientTransformation, restart: Callable[[Array], Array]
) -> optax.GradientTransformation:
    """Returns `inner`, whose state is initialized anew at the steps of `restart`."""

    def init(params):
        return jnp.int32(0), inner.init(params)

    def update(updates, state, params=None):
        step, inner_state = state
        select = functools.partial(jnp.where, restart(step))
        inner_state = jax.tree.map(select, inner.init(updates), inner_state)
        updates, inner_state = inner.update(updates, inner_state, params)
        return updates, (step + 1, inner_state)

    return optax.GradientTransformation(init, update)
