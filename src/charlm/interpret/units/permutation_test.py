"""Scores of many units on many labels, and what the same labels score by chance.

The null is of labels shifted round the text by more than DISTANCE characters: units and
labels keep all that makes them slow or rare, and only lose each other.
"""

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from jaxtyping import Float, Float32, Int, Integer

from charlm.interpret.units.auc import Target, places, ranked, scores_of, target_of

if TYPE_CHECKING:
    from charlm.interpret.labels.labels import Label
else:  # all that has the fields of a Label will do
    Label = Any

DISTANCE = 1000  # characters; labels are shifted by more, either way
LEAST = 3 * DISTANCE  # characters of a half, without which shifts are too alike
CHANGES = 20  # of a label in a half, without which its score is chance


class Scored(NamedTuple):
    """Scores on a stretch of text.

    Attributes:
      scores: scores[u, l] of each unit of each signal, one after another, on each of l
        labels.
      highest: highest[l, k], the largest |score| of all units with the label shifted by
        the k-th amount.
    """

    scores: Float32[np.ndarray, "u l"]
    highest: Float[np.ndarray, "l k"]


def scored(
    signals: Mapping[str, Integer[np.ndarray, "t _"]],
    labels: Sequence[Label],
    span: slice,
    amounts: Float[np.ndarray, " k"],
) -> Scored:
    """All units on all labels over a stretch of text, with their null.

    Args:
      signals: as in Activations.
      labels: fit for the stretch.
      span: the stretch.
      amounts: how far labels are shifted, in 0..1 of all allowed shifts; the same for
        all labels, so that those that are alike remain so when they are shifted.
    """
    count = sum(units.shape[1] for units in signals.values())
    found = np.empty((count, len(labels)), np.float32)
    highest = np.zeros((len(labels), len(amounts)))
    groups, first = _groups(labels, span), 0
    for units in signals.values():
        for rows, members in groups:
            start = first
            for ranks in ranked(np.asarray(units[rows])):
                block = slice(start, start + len(ranks.values))
                for n, target in members.items():
                    shifts = [0, *shifts_of(amounts, len(target.weights)).tolist()]
                    each = scores_of(ranks, target, shifts)
                    found[block, n] = each[:, 0]
                    top = np.abs(each[:, 1:]).max(axis=0)
                    highest[n] = np.maximum(highest[n], top)
                start = block.stop
        first += units.shape[1]
    return Scored(found, highest)


def shifts_of(amounts: Float[np.ndarray, " k"], n: int) -> Int[np.ndarray, " k"]:
    """Shifts round n >= LEAST places, each more than DISTANCE either way."""
    least, most = DISTANCE + 1, n - DISTANCE - 1
    return least + (amounts * (most - least + 1)).astype(np.int64)


def _groups(
    labels: Sequence[Label], span: slice
) -> list[tuple[slice | np.ndarray, dict[int, Target]]]:
    """The labels that are defined at the same places, by number, with these places."""
    groups: dict[bytes, tuple[slice | np.ndarray, dict[int, Target]]] = {}
    for n, label in enumerate(labels):
        rows = places(label, span)
        key = b"" if isinstance(rows, slice) else rows.tobytes()
        target = target_of(
            np.asarray(label.values, np.float32)[rows], graded=label.graded
        )
        groups.setdefault(key, (rows, {}))[1][n] = target
    return list(groups.values())


def unfit(label: Label, span: slice) -> str | None:
    """Why a label cannot be scored on a stretch of text; None if it can."""
    values = np.asarray(label.values, np.float32)[places(label, span)]
    if len(values) < LEAST:
        return f"defined at {len(values)} characters of a half, fewer than {LEAST}"
    if not np.isfinite(values).all():
        return "has values that are no numbers"
    changes = int((values[1:] != values[:-1]).sum())
    if changes < CHANGES:
        return f"changes {changes} times in a half, fewer than {CHANGES}"
    return None


def thresholds_of(
    highest: Float[np.ndarray, "l k"], family: float
) -> Float[np.ndarray, " l"]:
    """For each label the |score| that chance exceeds on any label with p <= `family`.

    Labels have nulls of different width: rare and slow ones wide. So maxima count in
    standard deviations of their label's from its mean, T; the threshold is that order
    statistic of the largest T of each shift of which (1 - family) of a further shift's
    lie below (P. H. Westfall, S. S. Young, "Resampling-based multiple testing", 1993).
    Each shift is measured by the mean and deviation of the others, as the unshifted
    labels are.
    """
    k = highest.shape[1]
    mean = highest.mean(axis=1, keepdims=True)
    deviation = np.maximum(highest.std(axis=1, ddof=1, keepdims=True), 1e-9)
    away = (highest - mean) / deviation
    # Of the k - 1 others: their mean is lower by away / (k - 1), and their variance is
    # that of all, less the share of this one.
    others = ((k - 1) - away**2 * k / (k - 1)) / (k - 2)
    largest = (away * k / (k - 1) / np.sqrt(np.maximum(others, 1e-9))).max(axis=0)
    place = math.ceil((1 - family) * (k + 1) - 1e-9)
    limit = np.sort(largest)[place - 1]
    return (mean + limit * deviation)[:, 0]
