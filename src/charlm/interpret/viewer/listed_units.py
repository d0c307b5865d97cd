"""The units that a page lists, with what each of them follows."""

from collections import Counter
from typing import NamedTuple

from charlm.interpret.units.pipeline import Study
from charlm.interpret.units.scores import MIN_CHARS

MIN_SEARCH = 2 * MIN_CHARS  # characters, without which no units are searched for
MAX_RESULTS = 60


class ListedUnit(NamedTuple):
    """A unit in the page's list, and what it follows, as a `UnitResult` has them."""

    layer: int
    unit: int
    signal: str  # "tanh_c" stands for c
    label: str
    score: float
    passed: bool


def rank_listed_units(study: Study) -> list[ListedUnit]:
    """Returns the units of a study that passed all controls, as the page lists them.

    The best unit of each label comes before the second of any, and the labels that the
    post has before the others.
    """
    post_labels = {label.name for label in study.labels if label.post}
    units: set[tuple[int, int]] = set()
    ranks: Counter[str] = Counter()
    ranked = []
    for result in study.results.by_unit:  # the best first
        place, label, score = (result.layer, result.unit), result.label, result.score
        if result.passed and place not in units:
            units.add(place)
            signal = result.signal.partition("/")[2]
            signal = "tanh_c" if signal == "c" else signal
            order = ranks[label], label not in post_labels, -abs(score)
            ranked.append((order, ListedUnit(*place, signal, label, score, True)))
            ranks[label] += 1
    ranked.sort(key=lambda pair: pair[0])
    return [unit for _, unit in ranked[:MAX_RESULTS]]
