"""Scores of many units on many labels, and the scores that chance reaches.

The permutations shift labels round the text by more than MIN_SHIFT characters: units
and labels stay as slow or rare as they are, and only lose each other.
"""

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Float32, Int, Integer

from charlm.interpret.labels.labels import Label
from charlm.interpret.units import auc

MIN_SHIFT = 1000  # characters; labels are shifted by more, either way
MIN_CHARS = 3 * MIN_SHIFT  # of a half; in fewer, shifts are too alike
MIN_CHANGES = 20  # of a label in a half; with fewer, its score is chance


class Scores(NamedTuple):
    """Scores on a part of a text.

    Attributes:
      units: scores[u, l] of each unit of each signal, one after another, on each of l
        labels.
      maxima: maxima[l, k], the largest |score| of all units with the label shifted by
        the k-th amount.
    """

    units: Float32[np.ndarray, "u l"]
    maxima: Float[np.ndarray, "l k"]


def score_signals(
    signals: Mapping[str, Integer[np.ndarray, "t _"]],
    labels: Sequence[Label],
    part: slice,
    amounts: Float[np.ndarray, " k"],
) -> Scores:
    """Returns the scores of all units on all labels, and with the labels shifted.

    Args:
      signals: as in Activations.
      labels: that `explain_unfit` finds fit for the part.
      part: of the text.
      amounts: how far labels are shifted, in 0..1 of all allowed shifts; the same for
        all labels, so that those that are alike remain so when they are shifted.
    """
    count = sum(units.shape[1] for units in signals.values())
    scores = np.empty((count, len(labels)), np.float32)
    maxima = np.zeros((len(labels), len(amounts)))
    groups, first = _group_labels(labels, part), 0
    for units in signals.values():
        for rows, targets in groups:
            start = first
            for ranks in auc.rank_units(np.asarray(units[rows])):
                block = slice(start, start + len(ranks.values))
                for n, target in targets.items():
                    shifts = [0, *get_shifts(amounts, len(target.weights)).tolist()]
                    block_scores = auc.compute_scores(ranks, target, shifts)
                    scores[block, n] = block_scores[:, 0]
                    top = np.abs(block_scores[:, 1:]).max(axis=0)
                    maxima[n] = np.maximum(maxima[n], top)
                start = block.stop
        first += units.shape[1]
    return Scores(scores, maxima)


def get_shifts(amounts: Float[np.ndarray, " k"], n: int) -> Int[np.ndarray, " k"]:
    """Returns shifts round n >= MIN_CHARS, each more than MIN_SHIFT either way."""
    least, most = MIN_SHIFT + 1, n - MIN_SHIFT - 1
    return least + (amounts * (most - least + 1)).astype(np.int64)


def _group_labels(
    labels: Sequence[Label], part: slice
) -> list[tuple[slice | np.ndarray, dict[int, auc.Target]]]:
    """Returns the rows of each group of labels, and the group's targets by number.

    A group has the labels that are defined at the same characters.
    """
    groups: dict[bytes, tuple[slice | np.ndarray, dict[int, auc.Target]]] = {}
    for n, label in enumerate(labels):
        rows = auc.get_rows(label, part)
        key = b"" if isinstance(rows, slice) else rows.tobytes()
        values = np.asarray(label.values, np.float32)[rows]
        target = auc.make_target(values, graded=label.graded)
        groups.setdefault(key, (rows, {}))[1][n] = target
    return list(groups.values())


def explain_unfit(label: Label, part: slice) -> str | None:
    """Returns why a label cannot be scored on a part of a text; None if it can."""
    values = np.asarray(label.values, np.float32)[auc.get_rows(label, part)]
    if len(values) < MIN_CHARS:
        return f"defined at {len(values)} characters of a half, fewer than {MIN_CHARS}"
    if not np.isfinite(values).all():
        return "has values that are no numbers"
    changes = int((values[1:] != values[:-1]).sum())
    if changes < MIN_CHANGES:
        return f"changes {changes} times in a half, fewer than {MIN_CHANGES}"
    return None


def compute_thresholds(
    maxima: Float[np.ndarray, "l k"], alpha: float
) -> Float[np.ndarray, " l"]:
    """Returns for each label the |score| that chance exceeds on any with p <= alpha.

    The maxima of rare and slow labels vary more than those of others. So maxima count
    in standard deviations of their label's from its mean, T; the threshold is that
    order statistic of the largest T of each shift of which (1 - alpha) of a further
    shift's lie below (P. H. Westfall, S. S. Young, "Resampling-based multiple testing",
    1993). Each shift is measured by the mean and deviation of the others, as the
    unshifted labels are.
    """
    k = maxima.shape[1]
    mean = maxima.mean(axis=1, keepdims=True)
    deviation = np.maximum(maxima.std(axis=1, ddof=1, keepdims=True), 1e-9)
    distance = (maxima - mean) / deviation
    # Of the k - 1 others: their mean is lower by distance / (k - 1), and their variance
    # is that of all, less the share of this one.
    others = ((k - 1) - distance**2 * k / (k - 1)) / (k - 2)
    largest = (distance * k / (k - 1) / np.sqrt(np.maximum(others, 1e-9))).max(axis=0)
    index = math.ceil((1 - alpha) * (k + 1) - 1e-9) - 1
    return (mean + np.sort(largest)[index] * deviation)[:, 0]
