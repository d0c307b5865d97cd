"""Which unit follows which label: chosen on half of a text, scored on the other.

Some of 500 units follow any 20 labels, so the controls decide: shifted labels, an
untrained network (`compute_best_scores`), and the last characters (`last_k_baseline`).
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Integer

from charlm.errors import UserError
from charlm.interpret.labels.labels import Label
from charlm.interpret.units.permutation_test import (
    MIN_CHARS,
    compute_thresholds,
    explain_unfit,
    score_signals,
)

Signals = Mapping[str, Integer[np.ndarray, "t _"]]
ALPHA = 0.05  # chance that labels and units that are independent pass anywhere
NUM_SHIFTS = 100  # of the labels, from which the thresholds are computed
NUM_CHANCE_SHIFTS = 20  # from which a label's mean maximum is estimated, for choosing
TOLERANCE = 1e-4  # of scores: those of labels that are predicted for certain are all 1


class UnitResult(NamedTuple):
    """A unit and a label, chosen on the first half of a text.

    Attributes:
      signal: as "layer_0/c".
      unit: its number.
      label: the label's name.
      score: on the second half, 2 AUC - 1 or Spearman's rho.
      chosen_score: the same on the first half, on which it was chosen.
      threshold: the |score| that chance exceeds on any label with p <= ALPHA.
      untrained: |score| of the best untrained unit; nan if unknown.
      context: |score| of the last characters alone; nan if unknown.
      passed: whether the score has the sign of chosen_score, and is above all three in
        size.
    """

    signal: str
    unit: int
    label: str
    score: float
    chosen_score: float
    threshold: float
    untrained: float
    context: float
    passed: bool

    @property
    def layer(self) -> int:
        """The layer of the unit."""
        return int(self.signal.partition("/")[0].removeprefix("layer_"))


class UnitResults(NamedTuple):
    """The results of `select_units`.

    Attributes:
      by_unit: for each unit of each signal its own label; passed ones and high scores
        first.
      by_label: for each label its own units, in the same order.
      unfit_labels: labels that could not be scored: {name: why}.
      widths: units of each layer, {"layer_0": h}.
    """

    by_unit: list[UnitResult]
    by_label: list[UnitResult]
    unfit_labels: dict[str, str]
    widths: dict[str, int]


def select_units(
    signals: Signals,
    labels: Sequence[Label],
    *,
    seed: int = 0,
    candidates: int = 1,
    untrained: Mapping[str, float] | None = None,
    context: Mapping[str, float] | None = None,
) -> UnitResults:
    """Returns which unit follows which label, with a verdict on each.

    A unit's own label is that of which its |score| on the first half covers most of the
    way from chance, the mean of the shifted labels' maxima there, to 1; a label's own
    unit is that of the highest |score| there. Only the score on the second half counts.

    It is compared with the largest |score| on the second half of all units of all
    signals, while all labels are shifted round: with units that know nothing of the
    labels, the chance that any pair exceeds its threshold is about ALPHA. What can pass
    is less, a pair or two of each unit, chosen elsewhere, that keeps its sign: so the
    verdicts are conservative. On short texts they need to be: there few shifts differ
    for slow units and rare labels, thresholds by themselves are somewhat low, and what
    passes is about as much as ALPHA says.

    Args:
      signals: integers[t, h] by name, as in Activations; of signals whose values rise
        together, as c and tanh c, give one.
      labels: of the same text.
      seed: of the shifts.
      candidates: how many units a label has, the best of the first half; of each the
        signal that is best there.
      untrained: `compute_best_scores` of an untrained network of this size, by label.
      context: `last_k_baseline` of the text, by label.

    Raises:
      UserError: the text is too short for two halves, lengths differ, two labels have
        one name, or candidates is below 1.
    """
    if candidates < 1:
        raise UserError(f"candidates is {candidates}; take 1 unit of a label or more")
    first, second, fit, unfit = _check(signals, labels)
    widths = {name.rpartition("/")[0]: u.shape[1] for name, u in signals.items()}
    if not fit:
        return UnitResults([], [], unfit, widths)
    amounts = np.random.default_rng(seed).random(NUM_SHIFTS)
    chosen = score_signals(signals, fit, first, amounts[:NUM_CHANCE_SHIFTS])
    held_out = score_signals(signals, fit, second, amounts)
    thresholds = compute_thresholds(held_out.maxima, ALPHA)
    pairs = [(name, u) for name, of in signals.items() for u in range(of.shape[1])]

    def make_result(row: int, n: int) -> UnitResult:
        chosen_score, score = float(chosen.units[row, n]), float(held_out.units[row, n])
        label = fit[n].name
        limits = (
            float(thresholds[n]),
            (untrained or {}).get(label, math.nan),
            (context or {}).get(label, math.nan),
        )
        passed = chosen_score * score > 0 and all(exceeds(score, x) for x in limits)
        return UnitResult(*pairs[row], label, score, chosen_score, *limits, passed)

    chance = chosen.maxima.mean(axis=1)
    own = ((np.abs(chosen.units) - chance) / (1 - chance + 1e-6)).argmax(axis=1)
    order = np.argsort(-np.abs(chosen.units), axis=0, kind="stable")
    by_label = []
    for n in range(len(fit)):
        rows: dict[tuple[str, int], int] = {}  # of each unit, that of its best signal
        for row in order[:, n].tolist():
            signal, unit = pairs[row]
            rows.setdefault((signal.rpartition("/")[0], unit), row)
        by_label += [make_result(row, n) for row in [*rows.values()][:candidates]]
    by_unit = [make_result(row, n) for row, n in enumerate(own.tolist())]
    for results in (by_unit, by_label):
        results.sort(key=lambda each: (not each.passed, -abs(each.score)))
    return UnitResults(by_unit, by_label, unfit, widths)


def compute_best_scores(signals: Signals, labels: Sequence[Label]) -> dict[str, float]:
    """Returns, by label, the |score| on one half of the best unit of the other.

    Of an untrained network it is a control. Labels that could not be scored are
    missing.

    Raises:
      UserError: as `select_units`.
    """
    first, second, fit, _ = _check(signals, labels)
    no_shifts = np.empty(0)
    chosen = np.abs(score_signals(signals, fit, first, no_shifts).units).argmax(axis=0)
    held_out = np.abs(score_signals(signals, fit, second, no_shifts).units)
    return {
        label.name: float(held_out[row, n])
        for n, (label, row) in enumerate(zip(fit, chosen, strict=True))
    }


def _check(
    signals: Signals, labels: Sequence[Label]
) -> tuple[slice, slice, list[Label], dict[str, str]]:
    """Returns both halves of the text, the fit labels, and why the others are unfit."""
    lengths = {len(units) for units in signals.values()}
    lengths |= {len(label.values) for label in labels}
    if not signals or len(lengths) > 1:
        raise UserError(
            f"signals and labels of {sorted(lengths)} characters; give signals, and all"
            " of the same text"
        )
    [t] = lengths
    if t < 2 * MIN_CHARS:
        raise UserError(
            f"the text has {t} characters; take {2 * MIN_CHARS} or more, to choose on a"
            " half and to score on the other"
        )
    halves = slice(0, t // 2), slice(t // 2, t)
    if len({label.name for label in labels}) < len(labels):
        raise UserError("two labels have the same name; give each its own")
    unfit = {
        label.name: reason
        for label in labels
        for half in halves
        if (reason := explain_unfit(label, half))
    }
    return *halves, [each for each in labels if each.name not in unfit], unfit


def exceeds(score: float, limit: float) -> bool:
    """Returns whether |score| is above a limit, not by rounding; nan is no limit."""
    return not abs(score) <= limit + TOLERANCE


def compute_interpretable_shares(
    results: UnitResults, *, bars: Sequence[float] = (0.5, 0.7, 0.9)
) -> dict[float, float]:
    """Returns, by bar, the share of units of which a signal passed with that |score|.

    A unit counts once, however many of its signals pass. Each is judged on its own
    label. Karpathy's post calls about 5 % of cells interpretable.
    """
    count = sum(results.widths.values())
    passed = [each for each in results.by_unit if each.passed]
    return {
        bar: len({(r.layer, r.unit) for r in passed if abs(r.score) >= bar}) / count
        for bar in bars
    }


def as_records(results: Iterable[Any]) -> list[dict[str, Any]]:
    """Returns results, or effects of ablations, as data for JSON; nan is None."""
    return [
        {key: None if x != x else x for key, x in result._asdict().items()}
        for result in results
    ]
