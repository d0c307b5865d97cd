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
from charlm.interpret.units.scores import (
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
    """A unit and a label, chosen on the first half of a text."""

    signal: str  # as "layer_0/c"
    unit: int
    label: str
    score: float  # on the second half, 2 AUC - 1 or Spearman's rho
    chosen_score: float  # the same on the first half, on which it was chosen
    threshold: float  # the |score| that chance exceeds on any label with p <= ALPHA
    untrained: float  # |score| of the best untrained unit; nan if unknown
    context: float  # |score| of the last characters alone; nan if unknown
    passed: bool  # if the score has chosen_score's sign, and exceeds all three in size

    @property
    def layer(self) -> int:
        """The layer of the unit."""
        return int(self.signal.partition("/")[0].removeprefix("layer_"))


class UnitResults(NamedTuple):
    """The results of `select_units`: those that passed and high scores first."""

    by_unit: list[UnitResult]  # for each unit of each signal its own label
    by_label: list[UnitResult]  # for each label its own units
    unfit_labels: dict[str, str]  # that could not be scored: {name: why}
    widths: dict[str, int]  # units of each layer, {"layer_0": h}


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
    labels, the chance that any pair exceeds its threshold is about ALPHA. Only a pair
    or two of each unit, chosen elsewhere, that keeps its sign can pass, so the verdicts
    are conservative. On short texts, where few shifts differ for slow units and rare
    labels, thresholds are somewhat low, and what passes is about what ALPHA says.

    Raises UserError if the text is too short for two halves, lengths differ, two labels
    have one name, or candidates is below 1.

    Args:
      signals: as in Activations; of those whose values rise together, as c and tanh c,
        give one.
      labels: of the same text; `seed` is of their shifts.
      candidates: how many units a label has, the best of the first half; of each the
        signal that is best there.
      untrained: `compute_best_scores` of an untrained network of this size, by label.
      context: `last_k_baseline` of the text, by label.
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
    """Returns, by fit label, the |score| on one half of the best unit of the other.

    Of an untrained network it is a control. It raises what `select_units` does.
    """
    first, second, fit, _ = _check(signals, labels)
    chosen, held_out = (
        np.abs(score_signals(signals, fit, half, np.empty(0)).units)
        for half in (first, second)
    )
    rows = chosen.argmax(axis=0)
    return {x.name: float(held_out[rows[n], n]) for n, x in enumerate(fit)}


def _check(
    signals: Signals, labels: Sequence[Label]
) -> tuple[slice, slice, list[Label], dict[str, str]]:
    """Returns both halves of the text, the fit labels, and why the others are unfit."""
    lengths = {len(x) for x in (*signals.values(), *(label.values for label in labels))}
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
    reasons = ((x.name, explain_unfit(x, half)) for x in labels for half in halves)
    unfit = {name: reason for name, reason in reasons if reason}
    return *halves, [label for label in labels if label.name not in unfit], unfit


def exceeds(score: float, limit: float) -> bool:
    """Returns whether |score| is above a limit, not by rounding; nan is no limit."""
    return not abs(score) <= limit + TOLERANCE


def compute_interpretable_shares(
    results: UnitResults, *, bars: Sequence[float] = (0.5, 0.7, 0.9)
) -> dict[float, float]:
    """Returns, by bar, the share of units of which a signal passed with that |score|.

    Each signal is judged on its own label. Karpathy's post calls about 5 % of cells
    interpretable.
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
