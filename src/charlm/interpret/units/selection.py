"""Which unit tracks which label: chosen on half of a text, measured on the other.

    context = context_controls(trace.ids, labels)
    untrained = best_scores(trace_of_untrained.signals, labels)
    found = find(trace.signals, labels, untrained=untrained, context=context)

Without controls, 500 units times 20 labels always yield winners.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Integer

from charlm.errors import UserError
from charlm.interpret.units.permutation_test import LEAST, scored, thresholds_of, unfit
from charlm.interpret.units.results import Finding, Findings, beats, ranked

if TYPE_CHECKING:
    from charlm.interpret.labels.labels import Label
else:  # all that has the fields of a Label will do
    Label = Any

Signals = Mapping[str, Integer[np.ndarray, "t _"]]
FEW = 20  # shifts that tell a label's mean null, for choosing


def find(
    signals: Signals,
    labels: Sequence[Label],
    *,
    shifts: int = 100,
    seed: int = 0,
    family: float = 0.05,
    candidates: int = 1,
    untrained: Mapping[str, float] | None = None,
    context: Mapping[str, float] | None = None,
) -> Findings:
    """Which unit tracks which label, with a verdict on each.

    A unit's own label is that of which its |score| on the first half covers most of the
    way from chance, the mean of the null's maxima there, to 1; a label's own unit is
    that of the highest |score| there. Only the score on the second half counts.

    The null is the largest |score| on the second half of all units of all signals,
    while all labels are shifted round: with units that know nothing of the labels, the
    chance that any pair exceeds its threshold is about `family`. What can pass is less,
    a pair or two of each unit, chosen elsewhere, that keeps its sign: so the verdicts
    are conservative. On short texts they need to be: there shifts are few that differ
    for slow units and rare labels, thresholds by themselves are somewhat low, and what
    passes is about as much as `family` says.

    Args:
      signals: integers[t, h] by name, as in Activations; of signals whose values rise
        together, as c and tanh c, give one.
      labels: of the same text.
      shifts: how many make the null.
      seed: of the shifts.
      family: chance that labels and units that are independent pass anywhere.
      candidates: how many units a label has, the best of the first half; of each the
        signal that is best there.
      untrained: `best_scores` of an untrained net of this size, by label.
      context: `context_controls` of the text, by label.

    Raises:
      UserError: the text is too short for two halves, lengths differ, two labels have
        one name, the shifts are too few for `family`, or no candidate is asked for.
    """
    _check_shifts(shifts, family)
    if candidates < 1:
        raise UserError(f"candidates={candidates}: take 1 unit of a label or more")
    first, second = _halves(signals, labels)
    fit, left_out = _fit(labels, (first, second))
    widths = {name.rpartition("/")[0]: u.shape[1] for name, u in signals.items()}
    if not fit:
        return Findings([], [], left_out, widths)
    amounts = np.random.default_rng(seed).random(shifts)
    chosen = scored(signals, fit, first, amounts[:FEW])
    held_out = scored(signals, fit, second, amounts)
    thresholds = thresholds_of(held_out.highest, family)
    pairs = [
        (name, u) for name, units in signals.items() for u in range(units.shape[1])
    ]

    def finding(row: int, n: int) -> Finding:
        before, score = float(chosen.scores[row, n]), float(held_out.scores[row, n])
        label = fit[n].name
        limits = (
            float(thresholds[n]),
            (untrained or {}).get(label, math.nan),
            (context or {}).get(label, math.nan),
        )
        passed = before * score > 0 and all(beats(score, x) for x in limits)
        return Finding(*pairs[row], label, score, before, *limits, passed)

    chance = chosen.highest.mean(axis=1)
    own = ((np.abs(chosen.scores) - chance) / (1 - chance + 1e-6)).argmax(axis=1)
    order = np.argsort(-np.abs(chosen.scores), axis=0, kind="stable")
    units = [(name.rpartition("/")[0], u) for name, u in pairs]
    return Findings(
        units=ranked(finding(row, n) for row, n in enumerate(own.tolist())),
        labels=ranked(
            finding(row, n)
            for n in range(len(fit))
            for row in _first_of_each(order[:, n].tolist(), units, candidates)
        ),
        left_out=left_out,
        widths=widths,
    )


def _first_of_each(
    order: Iterable[int], units: Sequence[tuple[str, int]], count: int
) -> list[int]:
    """The first rows of `order`, of `count` units, one of each."""
    rows: dict[tuple[str, int], int] = {}
    for row in order:
        rows.setdefault(units[row], row)
        if len(rows) == count:
            break
    return list(rows.values())


def best_scores(signals: Signals, labels: Sequence[Label]) -> dict[str, float]:
    """By label, the |score| of the best unit, chosen on one half, told on the other.

    Of an untrained net it is a control. Labels that could not be scored are missing.

    Raises:
      UserError: as `find`.
    """
    first, second = _halves(signals, labels)
    fit, _ = _fit(labels, (first, second))
    nothing = np.empty(0)
    chosen = np.abs(scored(signals, fit, first, nothing).scores).argmax(axis=0)
    held_out = np.abs(scored(signals, fit, second, nothing).scores)
    return {
        label.name: float(held_out[row, n])
        for n, (label, row) in enumerate(zip(fit, chosen, strict=True))
    }


def _check_shifts(shifts: int, family: float) -> None:
    if not 0 < family < 1:
        raise UserError(f"family={family} is no probability; take one between 0 and 1")
    least = max(3, math.ceil(1 / family - 1 - 1e-9))
    if shifts < least:
        raise UserError(
            f"{shifts} shifts are too few for family={family}; take {least} or more"
        )


def _halves(signals: Signals, labels: Sequence[Label]) -> tuple[slice, slice]:
    """The two halves of the text that signals and labels are of."""
    lengths = {len(units) for units in signals.values()}
    lengths |= {len(label.values) for label in labels}
    if not signals or len(lengths) > 1:
        raise UserError(
            f"signals and labels of {sorted(lengths)} characters; give signals, and all"
            " of the same text"
        )
    [t] = lengths
    if t < 2 * LEAST:
        raise UserError(
            f"the text has {t} characters; take {2 * LEAST} or more, to choose on"
            " a half and to measure on the other"
        )
    return slice(0, t // 2), slice(t // 2, t)


def _fit(
    labels: Sequence[Label], halves: tuple[slice, slice]
) -> tuple[list[Label], dict[str, str]]:
    """The labels that can be scored, and why the others cannot."""
    if len({label.name for label in labels}) < len(labels):
        raise UserError("two labels have the same name; name each as no other")
    reasons = {
        label.name: reason
        for label in labels
        for half in halves
        if (reason := unfit(label, half))
    }
    return [label for label in labels if label.name not in reasons], reasons
