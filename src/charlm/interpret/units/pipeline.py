"""The whole search for cells that mean something, on one text."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import numpy as np

from charlm.data.vocab import Vocab
from charlm.interpret.ablation import AblationEffect, ablation_effects
from charlm.interpret.activations import SIGNALS, Activations, cell_of, trace
from charlm.interpret.labels.labels import Label
from charlm.interpret.labels.selection import labels
from charlm.interpret.units.baselines import context_controls
from charlm.interpret.units.results import Finding, Findings
from charlm.interpret.units.selection import best_scores, find
from charlm.model.lm import LanguageModel

PyTree = Any
CLAMPED = 10_000  # characters on which clamped units are compared
WORTH = 0.5  # held-out score from which a finding is worth that


class Study(NamedTuple):
    """What was found in a net, and by the same procedure in its untrained twin.

    Attributes:
      trace: of the text.
      labels: of the text.
      findings: of the net.
      twin: of a net of the same shape that never learnt; None if not asked for.
      costs: what clamping costs, of the labels' own units that passed with 0.5 or more;
        none if not asked for.
    """

    trace: Activations
    labels: list[Label]
    findings: Findings
    twin: Findings | None
    costs: dict[Finding, AblationEffect]


def study(
    lm: LanguageModel,
    params: PyTree,
    vocab: Vocab,
    text: str | bytes | np.ndarray,
    *,
    signals: Sequence[str] = (),
    candidates: int = 3,
    seed: int = 0,
    thorough: bool = True,
) -> Study:
    """Which units of a net track which labels of a text, and what clamping them costs.

    Args:
      lm: the model.
      params: its parameters.
      vocab: its symbols.
      text: that it was not trained on, or its ids[t].
      signals: that are scored, as "h" or "f"; none named is all. Instead of tanh c,
        c is, which has the same ranks.
      candidates: units of each label that are judged, the best of the first half.
      seed: of the null's shifts, and of the twin's weights.
      thorough: whether the found units are clamped, and the twin, which is a control
        in any case, is searched as the net is.

    Raises:
      UserError: the text is too short or has unseen characters, or the cell has no
        such signal.
    """
    names = _scored(cell_of(params), signals)
    twins = lm.init(jax.random.key(seed))
    untrained = trace(lm, twins, vocab, text, signals=names)
    ids, of_text = untrained.ids, labels(untrained.text)
    context = context_controls(np.asarray(ids), of_text)
    best = best_scores(untrained.signals, of_text)
    given = {"candidates": candidates, "seed": seed, "context": context}
    twin = find(untrained.signals, of_text, **given) if thorough else None
    del untrained  # two traces at a time are more than a laptop may hold
    needed = {"c" if "c" in SIGNALS[cell_of(params)] else "h"} if thorough else set()
    seen = trace(lm, params, vocab, ids, signals=[*needed.union(names)])
    units = {n: u for n, u in seen.signals.items() if n.rpartition("/")[2] in names}
    findings = find(units, of_text, untrained=best, **given)
    costs = clamped(lm, params, seen, of_text, findings.labels) if thorough else {}
    return Study(seen, of_text, findings, twin, costs)


def _scored(cell: str, signals: Sequence[str]) -> list[str]:
    """The signals of a cell that are scored, each order of values once."""
    same = {"tanh_c": "c"} if cell == "lstm" else {}
    return [*dict.fromkeys(same.get(name, name) for name in signals or SIGNALS[cell])]


def clamped(
    lm: LanguageModel,
    params: PyTree,
    seen: Activations,
    of_text: Sequence[Label],
    findings: Sequence[Finding],
) -> dict[Finding, AblationEffect]:
    """What clamping their units costs, of the findings that passed with WORTH or more.

    Measured on a part of the half on which no unit was chosen.
    """
    passed = [each for each in findings if each.passed and abs(each.score) >= WORTH]
    if not passed:
        return {}
    names = {each.label for each in passed}
    holds = {label.name: holding(label) for label in of_text if label.name in names}
    part = richest(list(holds.values()), len(seen.ids))
    costs = ablation_effects(
        lm,
        params,
        cut(seen, part),
        [(layer_of(each), each.unit) for each in passed],
        [holds[each.label][part] for each in passed],
    )
    return dict(zip(passed, costs, strict=True))


def richest(holds: Sequence[np.ndarray], length: int) -> slice:
    """CLAMPED characters of the second half in which the rarest label is most at home.

    Of all such stretches the one where the label that holds, or fails to hold, least
    often there does so most often: clamping is to be seen where each label holds.
    """
    starts = range(length // 2, max(length - CLAMPED, length // 2) + 1, CLAMPED // 4)

    def rarest(start: int) -> float:
        shares = [held[start : start + CLAMPED].mean() for held in holds]
        return min((min(share, 1 - share) for share in shares), default=0.0)

    start = max(starts, key=rarest)
    return slice(start, start + CLAMPED)


def layer_of(finding: Finding) -> int:
    """The layer of a finding's unit."""
    return int(finding.signal.partition("/")[0].removeprefix("layer_"))


def holding(label: Label) -> np.ndarray:
    """holds[t]: where a label of yes and no says yes; where a graded one is not 0."""
    holds = label.values > 0
    return holds if label.where is None else holds & label.where


def cut(seen: Activations, part: slice) -> Activations:
    """The trace of a part of the text, as it was read with all before it."""
    return seen._replace(
        ids=seen.ids[part],
        signals={name: rows[part] for name, rows in seen.signals.items()},
        top_k_ids=seen.top_k_ids[part],
        top_k_probs=seen.top_k_probs[part],
        nats=seen.nats[part],
    )
