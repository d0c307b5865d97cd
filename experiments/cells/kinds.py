"""The kinds of cells that the post and the paper show, and which of them came back."""

from collections.abc import Iterable
from typing import NamedTuple

from charlm.interpret.ablation import AblationEffect
from charlm.interpret.units.results import Finding, beats

# Each with the labels of charlm.interpret.labels.selection that say it.
KINDS = {
    "position in the line": ["position in line"],
    "inside quotes": ["inside quotes"],
    "inside the condition of an if": ["condition of if"],
    "inside comments and strings": ["comment or string", "inside comment"],
    "depth of an expression": [
        "depth of brackets",
        "depth of ( )",
        "depth of { }",
        "indentation",
    ],
    "the line's end ahead": ["line end within 5", "line end within 10", "left in line"],
    "inside URLs": ["in URL"],
    "inside [[ ]]": ["inside [[ ]]"],
    "position in [[ ]]": ["position in [[ ]]"],
}
BAR = 0.9  # held-out score from which a cell counts
BEATEN = 0.9  # of the clamped units of its variance, the share that must cost less


class Cell(NamedTuple):
    """A finding of a net, and what clamping its unit costs (None: it did not pass)."""

    net: str
    finding: Finding
    cost: AblationEffect | None


def fails(cell: Cell) -> list[str]:
    """The controls that a cell does not pass."""
    _, finding, cost = cell
    wrong = {
        "other sign on the held-out half": finding.score * finding.chosen_score <= 0,
        "the null": not beats(finding.score, finding.threshold),
        "the untrained net": not beats(finding.score, finding.untrained),
        "the last 8 characters": not beats(finding.score, finding.context),
        "clamping": cost is not None and not is_used(cost),
    }
    return [name for name, is_wrong in wrong.items() if is_wrong]


def is_used(cost: AblationEffect) -> bool:
    """Whether clamping costs something where the label holds, and more than of most."""
    return cost.inside > 0 and cost.beaten >= BEATEN


def best_of(cells: Iterable[Cell], names: Iterable[str]) -> Cell | None:
    """The cell that stands for some labels: one that passes, if there is one.

    Among those, and among the others if none passes, the one that did best on the half
    on which units were chosen. Clamping has no say in it: by luck alone two units in
    eleven cost more than nine of ten others, so of many one would.
    """
    names = set(names)
    able = [cell for cell in cells if cell.finding.label in names]
    if not able:
        return None
    good = [cell for cell in able if not {*fails(cell)} - {"clamping"}]
    return max(good or able, key=lambda cell: abs(cell.finding.chosen_score))


def best_of_nets(cells: Iterable[Cell], names: Iterable[str]) -> Cell | None:
    """Of the cells that stand for some labels in each net, the one that does best.

    One that counts comes before all others, and then the held-out score decides.
    """
    nets: dict[str, list[Cell]] = {}
    for cell in cells:
        nets.setdefault(cell.net, []).append(cell)
    best = [best_of(of_net, names) for of_net in nets.values()]
    able = [cell for cell in best if cell is not None]

    def merit(cell: Cell):
        return counts(cell), not fails(cell), abs(cell.finding.score)

    return max(able, key=merit, default=None)


def counts(cell: Cell | None) -> bool:
    """Whether it passes all controls with a held-out score of BAR or more."""
    if cell is None or cell.cost is None or fails(cell):
        return False
    return abs(cell.finding.score) >= BAR
