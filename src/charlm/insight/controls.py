"""What a label's score must beat: what can be told without memory or training."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Integer

from charlm.insight.scoring import ranks_of_reals, target_of

if TYPE_CHECKING:
    from charlm.insight.kinds import Label
else:  # all that has the fields of a Label will do
    Label = Any


def context_control(
    ids: Integer[np.ndarray, " t"], label: Label, *, context: int = 8
) -> float:
    """The score of a label told from the last characters alone; see below."""
    return context_controls(ids, [label], context=context)[label.name]


def context_controls(
    ids: Integer[np.ndarray, " t"], labels: Sequence[Label], *, context: int = 8
) -> dict[str, float]:
    """The score of each label told from the last `context` characters alone, by name.

    A table of the label's mean after each stretch of characters is learnt on the first
    half of the text and asked on the second. A stretch seen n times has its mean
    weighed by n against 1 of what the stretch one shorter tells, down to none at all
    (I. H. Witten, T. C. Bell, "The zero-frequency problem", 1991, with one novelty).

    Returns:
      |2 AUC - 1|, or |rho| of a graded label, on the second half; nan if the label has
      only one value there, or is nowhere defined in the first.
    """
    half = len(ids) // 2
    stretches = _stretches(np.asarray(ids), context)
    return {label.name: _told(stretches, half, label) for label in labels}


def _stretches(ids: np.ndarray, context: int) -> list[np.ndarray]:
    """For 0 to `context` last characters, the number of their stretch at each place.

    Numbers are exact, no hashes: each is the rank of the pair (number of the shorter
    stretch, character before it).
    """
    symbols = np.unique(ids, return_inverse=True)[1].astype(np.int64) + 1
    numbers = [np.zeros(len(ids), np.int64)]
    for back in range(context):
        before = np.zeros_like(symbols)  # 0: no character, the text begins
        before[back:] = symbols[: len(ids) - back]
        pairs = numbers[-1] * (symbols.max(initial=0) + 1) + before
        numbers.append(np.unique(pairs, return_inverse=True)[1])
    return numbers


def _told(stretches: list[np.ndarray], half: int, label: Label) -> float:
    """The held-out score of what a table of stretches tells of a label."""
    defined = np.ones(len(stretches[0]), bool)
    if label.where is not None:
        defined = np.asarray(label.where, bool)
    learnt, asked = (
        np.flatnonzero(defined[:half]),
        np.flatnonzero(defined[half:]) + half,
    )
    values = np.asarray(label.values, np.float64)
    truth = values[asked]
    if not len(learnt) or not len(asked) or truth.min() == truth.max():
        return float("nan")
    told = np.full(len(asked), values[learnt].mean())
    for numbers in stretches[1:]:
        seen, size = numbers[learnt], int(numbers.max()) + 1
        counts = np.bincount(seen, minlength=size)[numbers[asked]]
        sums = np.bincount(seen, values[learnt], minlength=size)[numbers[asked]]
        told = (sums + told) / (counts + 1)
    return _score(told, truth, graded=label.graded)


def _score(told: np.ndarray, truth: np.ndarray, *, graded: bool) -> float:
    """|2 AUC - 1| or |rho| of real numbers."""
    ranks, target = ranks_of_reals(told), target_of(truth, graded=graded)
    norm = np.linalg.norm(ranks) if graded else 1
    return min(1.0, float(abs(ranks @ target.weights) / max(norm, 1e-20)))
