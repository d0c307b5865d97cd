"""study(model, text): which units of a network follow which labels."""

from collections.abc import Sequence
from typing import NamedTuple

import jax
import numpy as np

from charlm.interpret.ablation import AblationEffect, ablation_effects, get_state_signal
from charlm.interpret.activations import (
    Activations,
    Model,
    get_cell_name,
    list_signals,
    record_activations,
)
from charlm.interpret.labels.labels import Label, select_labels
from charlm.interpret.units.baselines import last_k_baseline
from charlm.interpret.units.selection import (
    UnitResult,
    UnitResults,
    compute_best_scores,
    select_units,
)

ABLATION_CHARS = 10_000  # on which ablated units are compared
MIN_ABLATION_SCORE = 0.5  # on the second half; units below it are not ablated


class Study(NamedTuple):
    """What the units of a network follow in a text."""

    activations: Activations
    labels: list[Label]
    results: UnitResults
    untrained_control: UnitResults | None  # of a network of this shape; None: not asked
    # By result, the effect of ablating its unit, of the labels' own units that passed
    # with MIN_ABLATION_SCORE or more; none if not asked for.
    ablations: dict[UnitResult, AblationEffect]


def study(
    model: Model,
    text: str | bytes | np.ndarray,
    *,
    signals: Sequence[str] = (),
    candidates: int = 3,
    thorough: bool = True,
) -> Study:
    """Returns which units of a network follow which labels of a text.

    Raises UserError if the text is too short or has unseen characters, or the cell has
    no such signal.

    Args:
      model: (lm, params, vocab).
      text: that it was not trained on, or its ids[t].
      signals: that are scored, as "h" or "f"; none is all. Instead of tanh c, c is,
        which has the same ranks.
      candidates: units of each label that are judged, the best of the first half.
      thorough: whether units are ablated, and the untrained control, which sets a limit
        in any case, is searched as the network is.
    """
    lm, params, vocab = model
    signals = signals or [s.rpartition("/")[2] for s in list_signals(lm, params)]
    same_ranks = {"tanh_c": "c"} if get_cell_name(lm) == "lstm" else {}
    names = dict.fromkeys(same_ranks.get(s, s) for s in signals)
    untrained_model = (lm, lm.init(jax.random.key(0)), vocab)
    untrained = record_activations(untrained_model, text, signals=[*names])
    ids, labels = untrained.ids, select_labels(untrained.text)
    context = last_k_baseline(np.asarray(ids), labels)
    best = compute_best_scores(untrained.signals, labels)
    options = {"candidates": candidates, "context": context}
    control = select_units(untrained.signals, labels, **options) if thorough else None
    del untrained  # two activations at a time are more than a laptop may hold
    # The state too, for its means, at which units are held.
    needed = [*names, get_state_signal(lm)]
    activations = record_activations(model, ids, signals=needed)
    units = activations.signals.items()
    scored = {name: u for name, u in units if name.rpartition("/")[2] in names}
    results = select_units(scored, labels, untrained=best, **options)
    by_label = results.by_label if thorough else []
    ablations = ablate_units(model, activations, labels, by_label)
    return Study(activations, labels, results, control, ablations)


def ablate_units(
    model: Model,
    activations: Activations,
    labels: Sequence[Label],
    results: Sequence[UnitResult],
) -> dict[UnitResult, AblationEffect]:
    """Returns, by result, the effect of ablating its unit.

    Only results that passed with MIN_ABLATION_SCORE or more are taken. The effect is
    measured on a part of the half on which no unit was chosen.
    """
    passed = [r for r in results if r.passed and abs(r.score) >= MIN_ABLATION_SCORE]
    if not passed:
        return {}
    masks = {label.name: get_mask(label) for label in labels}
    part = choose_part([masks[result.label] for result in passed])
    units = [(result.layer, result.unit) for result in passed]
    parts = [masks[result.label][part] for result in passed]
    trace = slice_activations(activations, part)
    effects = ablation_effects(*model[:2], trace, units, parts)
    return dict(zip(passed, effects, strict=True))


def choose_part(masks: Sequence[np.ndarray]) -> slice:
    """Returns ABLATION_CHARS of the second half in which every label holds somewhere.

    Of all such parts it is the one where the label that holds, or fails to hold, least
    often does so most often: the effect is to be seen where each label holds.
    """
    half = len(masks[0]) // 2
    last = max(len(masks[0]) - ABLATION_CHARS, half)
    starts = range(half, last + 1, ABLATION_CHARS // 4)

    def get_least_share(part: slice) -> float:
        shares = [mask[part].mean() for mask in masks]
        return min(min(share, 1 - share) for share in shares)

    parts = (slice(start, start + ABLATION_CHARS) for start in starts)
    return max(parts, key=get_least_share)


def get_mask(label: Label) -> np.ndarray:
    """Returns bool[t]: where a yes/no label says yes; where a graded one is not 0."""
    mask = label.values > 0
    return mask if label.where is None else mask & label.where


def slice_activations(activations: Activations, part: slice) -> Activations:
    """Returns the activations on a part of the text, read with all before it."""
    names = ("ids", "top_k_ids", "top_k_probs", "nats")
    return activations._replace(
        signals={name: rows[part] for name, rows in activations.signals.items()},
        **{name: getattr(activations, name)[part] for name in names},
    )
