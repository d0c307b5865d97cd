"""Ablation: the loss that holding a unit at its mean costs, and where.

A model need not use a unit that a label can be read from. So the unit is held at its
mean, and the text is predicted again.
"""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from charlm.interpret.activations import Activations
from charlm.model.lm import LanguageModel, cached_by_config, observe

PyTree = Any
CHUNK_CHARS = 1024  # of one dispatch
LANES = 32  # holds computed side by side


class Hold(NamedTuple):
    """A unit held at a value: an LSTM's c, from which h = o tanh(c) follows; else h."""

    layer: int
    unit: int
    value: float


class AblationEffect(NamedTuple):
    """What clamping a unit at its mean costs, in nats per character of a text.

    Attributes:
      total: over all characters.
      inside: of those that follow where the unit's label holds; nan if it never does.
      outside: of the others; nan if there are none.
      matched: inside too, of other units of about the same variance.
      beaten: the share of those that cost less there; nan if there are no others.
      symbols: the symbols whose prediction suffers most, and their shares of the whole
        loss that is added.
    """

    total: float
    inside: float
    outside: float
    matched: list[float]
    beaten: float
    symbols: dict[str, float]


def ablated_nats(
    lm: LanguageModel, params: PyTree, ids: np.ndarray, holds: Sequence[Hold | None]
) -> Float[np.ndarray, "n t"]:
    """Returns nats[n, t], -ln p of character t with the n-th hold; nan at 0.

    None holds nothing.
    """
    rows = [
        _compute_lanes(lm, params, ids, [*holds[start : start + LANES]])
        for start in range(0, len(holds), LANES)
    ]
    return np.concatenate(rows)


def _compute_lanes(lm, params, ids, holds):
    """Returns `ablated_nats` of at most LANES holds."""
    count = len(holds)
    # Two shapes are compiled.
    holds += [None] * (LANES - count if count > 8 else 8 - count)
    mask: dict[str, np.ndarray] = {}
    values = np.zeros(len(holds), np.float32)
    for lane, hold in enumerate(holds):
        if hold is not None:
            name = f"layer_{hold.layer}/{get_state_signal(lm)}"
            mask.setdefault(name, np.zeros((len(holds), lm.config.features), bool))
            mask[name][lane, hold.unit] = True
            values[lane] = hold.value
    read = get_reader(lm)
    carry = lm.initial_carry(len(holds))
    log_p = jnp.full((len(holds), lm.config.vocab_size), jnp.nan)
    chunks = []
    for start in range(0, len(ids), CHUNK_CHARS):
        chunk = np.asarray(ids[start : start + CHUNK_CHARS], np.int32)
        padded = np.pad(chunk, (0, CHUNK_CHARS - len(chunk)))
        carry, log_p, nats = read(params, carry, log_p, mask, values[:, None], padded)
        chunks.append(np.asarray(nats)[: len(chunk)])
    return np.concatenate(chunks).T[:count]


def get_state_signal(lm: LanguageModel) -> str:
    """Returns the signal that is held: "c" of an LSTM, "h" of other cells."""
    return "c" if lm.config.cell == "lstm" else "h"


@cached_by_config
def get_reader(lm: LanguageModel):
    """Returns the compiled (params, carry, log_p, mask, values, ids[t]) -> ....

    mask has, by signal, which unit of each lane is held at its value.
    """

    @jax.jit
    def read(params, carry, log_p, mask, values, ids):
        def edit(name, value):
            return jnp.where(mask[name], values, value) if name in mask else value

        def read_id(loop, id):
            carry, log_p = loop
            nats = -log_p[:, id]
            same = jnp.broadcast_to(id, (len(values),))
            carry, logits, _ = observe(lm, params, carry, same, edit)
            return (carry, jax.nn.log_softmax(logits)), nats

        (carry, log_p), nats = jax.lax.scan(read_id, (carry, log_p), ids)
        return carry, log_p, nats

    return read


def matched_units(
    trace: Activations, signal: str, unit: int, *, count: int
) -> list[int]:
    """The `count` other units of a layer whose variance is nearest to a unit's."""
    deviations = trace.signals[signal].astype(np.float32).std(axis=0)
    order = np.argsort(np.abs(np.log((deviations + 1e-6) / (deviations[unit] + 1e-6))))
    return [int(other) for other in order if other != unit][:count]


def ablation_effects(
    lm: LanguageModel,
    params: PyTree,
    trace: Activations,
    cells: Sequence[tuple[int, int]],
    holds: Sequence[np.ndarray],
    *,
    controls: int = 10,
) -> list[AblationEffect]:
    """What clamping each of some units costs on the text of a trace.

    Args:
      lm: the model.
      params: its parameters.
      trace: of the text, with c (of a GRU or an RNN with h).
      cells: (layer, unit) of each.
      holds: holds[t] for each: whether its label holds after character t; the cost
        there is that of predicting character t + 1.
      controls: other units of about the same variance that are clamped beside each.
    """
    groups = []
    for layer, unit in cells:
        signal = f"layer_{layer}/{'c' if trace.cell == 'lstm' else 'h'}"
        units = [unit, *matched_units(trace, signal, unit, count=controls)]
        means = [float(trace.get_values(signal, u).mean()) for u in units]
        groups.append([Hold(layer, u, m) for u, m in zip(units, means, strict=True)])
    ids = np.asarray(trace.ids)
    clamps = dict.fromkeys(clamp for group in groups for clamp in group)
    plain, *nats = ablated_nats(lm, params, ids, [None, *clamps])
    added = {c: (n - plain)[1:] for c, n in zip(clamps, nats, strict=True)}
    return [
        _cost([added[clamp] for clamp in group], held[:-1].astype(bool), trace)
        for group, held in zip(groups, holds, strict=True)
    ]


def _cost(
    added: list[np.ndarray], holds: np.ndarray, trace: Activations
) -> AblationEffect:
    """The effect of a unit, by what it and its controls add at each character."""
    own = added[0]
    inside, *matched = (
        float(nats[holds].mean()) if holds.any() else math.nan for nats in added
    )
    compared = bool(matched) and holds.any()
    return AblationEffect(
        total=float(own.mean()),
        inside=inside,
        outside=float(own[~holds].mean()) if not holds.all() else math.nan,
        matched=matched,
        beaten=float(np.mean(np.asarray(matched) < inside)) if compared else math.nan,
        symbols=_worst(own, np.asarray(trace.ids[1:]), trace.vocab),
    )


def _worst(added: np.ndarray, ids: np.ndarray, vocab, count: int = 3):
    """The symbols with the largest shares of what is added, where it is positive."""
    sums = np.bincount(ids, added, minlength=len(vocab))
    whole = sums[sums > 0].sum()
    worst = [n for n in np.argsort(-sums)[:count].tolist() if sums[n] > 0]
    return {vocab.symbols[n]: float(sums[n] / whole) for n in worst}
