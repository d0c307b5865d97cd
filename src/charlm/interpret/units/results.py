"""What was found: a unit and a label, the score, and what it had to beat."""

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

EXACT = 1e-4  # scores are that exact; of labels that are told for certain, all are 1


class Finding(NamedTuple):
    """A unit and a label, chosen on the first half of a text.

    Attributes:
      signal: as "layer_0/c".
      unit: its number.
      label: the label's name.
      score: on the second half, 2 AUC - 1 or Spearman's rho.
      chosen_score: the same on the first half, on which it was chosen.
      threshold: the |score| that chance exceeds on any label with p <= `family`.
      untrained: |score| of the best untrained unit; nan if not given.
      context: |score| of the last characters alone; nan if not given.
      passed: the score has the sign of chosen_score, and is above all three in size.
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


class Findings(NamedTuple):
    """What `find` found.

    Attributes:
      units: for each unit of each signal its own label; passed ones and high scores
        first.
      labels: for each label its own units, in the same order.
      left_out: labels that could not be scored: {name: why}.
      widths: units of each layer, {"layer_0": h}.
    """

    units: list[Finding]
    labels: list[Finding]
    left_out: dict[str, str]
    widths: dict[str, int]


def beats(score: float, limit: float) -> bool:
    """Whether |score| is above a limit, and not by rounding; nan is no limit."""
    return not abs(score) <= limit + EXACT


def interpretable(
    findings: Findings, *, bars: Sequence[float] = (0.5, 0.7, 0.9)
) -> dict[float, float]:
    """By bar, the fraction of units of which a signal passed with |score| >= the bar.

    A unit counts once, however many of its signals pass. Each is judged on its own
    label. Karpathy's post calls about 5 % of cells interpretable.
    """
    count = sum(findings.widths.values())
    return {
        bar: len(
            {
                (each.signal.rpartition("/")[0], each.unit)
                for each in findings.units
                if each.passed and abs(each.score) >= bar
            }
        )
        / count
        for bar in bars
    }


def as_records(findings: Iterable[Any]) -> list[dict[str, Any]]:
    """Findings (or Costs) as plain data for JSON; what is not known (nan) is None."""
    return [
        {
            key: None if value != value else value
            for key, value in finding._asdict().items()
        }
        for finding in findings
    ]


def ranked(findings: Iterable[Finding]) -> list[Finding]:
    """Those that passed first, then by |score|."""
    return sorted(findings, key=lambda each: (not each.passed, -abs(each.score)))
