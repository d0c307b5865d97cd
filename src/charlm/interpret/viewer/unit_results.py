"""The units that a page lists, with what each of them follows."""

from collections import Counter
from typing import NamedTuple

from charlm.interpret.units.permutation_test import LEAST
from charlm.interpret.units.pipeline import Study, layer_of
from charlm.interpret.units.results import Finding

MIN_SEARCH = 2 * LEAST  # characters, without which no units are searched for
MAX_RESULTS = 60


class UnitResult(NamedTuple):
    """What a unit follows.

    Attributes:
      layer: from 0.
      unit: its number.
      signal: as "tanh_c".
      label: the name of the label that it follows.
      score: on held-out text, from -1 to 1; below 0 it does the opposite.
      passed: whether the score is better than those of all controls.
    """

    layer: int
    unit: int
    signal: str
    label: str
    score: float
    passed: bool


def rank_unit_results(study: Study) -> list[UnitResult]:
    """The units of a study that passed all controls, in the order of the page's list.

    The best unit of each label comes before the second of any, and the labels that the
    post has before the others.
    """
    post_labels = {label.name for label in study.labels if label.post}
    units: set[tuple[int, int]] = set()
    ranks: Counter[str] = Counter()
    ranked = []
    for finding in study.findings.units:  # the best first
        unit, label = (layer_of(finding), finding.unit), finding.label
        if finding.passed and unit not in units:
            units.add(unit)
            order = ranks[label], label not in post_labels, -abs(finding.score)
            ranked.append((order, finding))
            ranks[label] += 1
    ranked.sort(key=lambda pair: pair[0])
    return [_make_result(finding) for _, finding in ranked[:MAX_RESULTS]]


def _make_result(finding: Finding) -> UnitResult:
    signal = finding.signal.partition("/")[2]
    return UnitResult(
        layer=layer_of(finding),
        unit=finding.unit,
        signal="tanh_c" if signal == "c" else signal,
        label=finding.label,
        score=finding.score,
        passed=finding.passed,
    )
