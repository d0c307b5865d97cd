"""The units that a page lists, with what each of them follows."""

from collections import Counter
from typing import NamedTuple

from charlm.interpret.units.permutation_test import MIN_CHARS
from charlm.interpret.units.pipeline import Study
from charlm.interpret.units.selection import UnitResult

MIN_SEARCH = 2 * MIN_CHARS  # characters, without which no units are searched for
MAX_RESULTS = 60


class ListedUnit(NamedTuple):
    """A unit in the page's list, and what it follows.

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


def rank_listed_units(study: Study) -> list[ListedUnit]:
    """The units of a study that passed all controls, in the order of the page's list.

    The best unit of each label comes before the second of any, and the labels that the
    post has before the others.
    """
    post_labels = {label.name for label in study.labels if label.post}
    units: set[tuple[int, int]] = set()
    ranks: Counter[str] = Counter()
    ranked = []
    for result in study.results.by_unit:  # the best first
        unit, label = (result.layer, result.unit), result.label
        if result.passed and unit not in units:
            units.add(unit)
            order = ranks[label], label not in post_labels, -abs(result.score)
            ranked.append((order, result))
            ranks[label] += 1
    ranked.sort(key=lambda pair: pair[0])
    return [_list_unit(result) for _, result in ranked[:MAX_RESULTS]]


def _list_unit(result: UnitResult) -> ListedUnit:
    signal = result.signal.partition("/")[2]
    return ListedUnit(
        layer=result.layer,
        unit=result.unit,
        signal="tanh_c" if signal == "c" else signal,
        label=result.label,
        score=result.score,
        passed=result.passed,
    )
