"""Ablation: the loss that holding a unit at its mean costs, and where.

A model need not use a unit that a label can be read from. So the unit is held at its
mean, and the text is predicted again.
"""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float

from charlm.interpret.activations import Activations, read_chunks
from charlm.model.lm import LanguageModel

PyTree = Any
LANES = 32  # holds computed side by side


class Hold(NamedTuple):
    """A unit held at a value: an LSTM's c, from which h = o tanh(c) follows; else h."""

    layer: int
    unit: int
    value: float


class AblationEffect(NamedTuple):
    """What holding a unit at its mean costs, in nats per character of a text."""

    total: float  # over all characters
    inside: float  # of those that follow where the unit's label holds; nan: it does not
    outside: float  # of the others; nan if there are none
    matched: list[float]  # inside too, of other units of about the same variance
    beaten: float  # the share of those that cost less there; nan if there are no others
    # The symbols whose prediction suffers most, and their shares of the whole loss that
    # is added.
    symbols: dict[str, float]


def ablated_nats(
    lm: LanguageModel, params: PyTree, ids: np.ndarray, holds: Sequence[Hold | None]
) -> Float[np.ndarray, "n t"]:
    """Returns nats[n, t], -ln p of character t with the n-th hold; nan at 0.

    None holds nothing.
    """
    rows = []
    for start in range(0, len(holds), LANES):
        some = holds[start : start + LANES]
        lanes = LANES if len(some) > 8 else 8  # two shapes are compiled
        values: dict[str, np.ndarray] = {}
        for lane, hold in enumerate(some):
            if hold is not None:
                name = f"layer_{hold.layer}/{get_state_signal(lm)}"
                free = np.full((lanes, lm.config.features), np.nan, np.float32)
                values.setdefault(name, free)[lane, hold.unit] = hold.value
        chunks = read_chunks(lm, params, ids, lanes=lanes, holds=values)
        nats = np.concatenate([arrays["nats"] for _, arrays in chunks])
        rows.append(nats.T[: len(some)])
    return np.concatenate(rows)


def get_state_signal(lm: LanguageModel) -> str:
    """Returns the signal that is held: "c" of an LSTM, "h" of other cells."""
    return "c" if lm.config.cell == "lstm" else "h"


def matched_units(
    trace: Activations, signal: str, unit: int, *, count: int
) -> list[int]:
    """Returns the `count` other units of a layer of the nearest variance."""
    deviations = trace.signals[signal].astype(np.float32).std(axis=0)
    order = np.argsort(np.abs(np.log((deviations + 1e-6) / (deviations[unit] + 1e-6))))
    return [int(other) for other in order if other != unit][:count]


def ablation_effects(
    lm: LanguageModel,
    params: PyTree,
    trace: Activations,
    units: Sequence[tuple[int, int]],
    masks: Sequence[np.ndarray],
    *,
    controls: int = 10,
) -> list[AblationEffect]:
    """Returns what holding each of some units costs on the text of a trace.

    Args:
      trace: of the text, with the state signal.
      units: (layer, unit) of each.
      masks: bool[t] for each: whether its label holds after character t; the cost
        there is that of predicting character t + 1.
      controls: other units of about the same variance that are held beside each.
    """
    groups = []
    for layer, unit in units:
        signal = f"layer_{layer}/{get_state_signal(lm)}"
        group = [unit, *matched_units(trace, signal, unit, count=controls)]
        means = [float(trace.get_values(signal, u).mean()) for u in group]
        groups.append([Hold(layer, u, m) for u, m in zip(group, means, strict=True)])
    holds = dict.fromkeys(hold for group in groups for hold in group)
    plain, *nats = ablated_nats(lm, params, np.asarray(trace.ids), [None, *holds])
    added = {hold: (n - plain)[1:] for hold, n in zip(holds, nats, strict=True)}
    return [
        _compute_effect([added[hold] for hold in group], mask[:-1].astype(bool), trace)
        for group, mask in zip(groups, masks, strict=True)
    ]


def _compute_effect(added, mask: np.ndarray, trace: Activations) -> AblationEffect:
    """Returns a unit's effect, by what it and its controls add at each character."""
    own, has_inside = added[0], mask.any()
    inside, *matched = (
        float(nats[mask].mean()) if has_inside else math.nan for nats in added
    )
    compared = bool(matched) and has_inside
    sums = np.bincount(trace.ids[1:], own, minlength=len(trace.vocab))
    whole = sums[sums > 0].sum()
    worst = [n for n in np.argsort(-sums)[:3].tolist() if sums[n] > 0]
    return AblationEffect(
        total=float(own.mean()),
        inside=inside,
        outside=float(own[~mask].mean()) if not mask.all() else math.nan,
        matched=matched,
        beaten=float(np.mean(np.asarray(matched) < inside)) if compared else math.nan,
        symbols={trace.vocab.symbols[n]: float(sums[n] / whole) for n in worst},
    )
