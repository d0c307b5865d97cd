"""Scores of units on labels, as products of ranks, and the scores that chance reaches.

The score on a yes/no label is 2 AUC - 1, and AUC is a sum of ranks (F. Wilcoxon,
"Individual comparisons by ranking methods", 1945; H. B. Mann, D. R. Whitney, 1947). The
score on a graded label is Spearman's rho, Pearson's correlation of ranks (C. Spearman,
1904). Equal values share the average of their ranks. So many labels, or one label
shifted round by many amounts, are scored against all units by one matrix product.

For chance, labels are shifted round the text by more than MIN_SHIFT characters: units
and labels stay as slow or rare as they are, and only lose each other.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Float32, Int, Integer

from charlm.interpret.labels.labels import Label

CHUNK_BYTES = 1 << 28  # of ranks at a time
MIN_SHIFT = 1000  # characters; labels are shifted by more, either way
MIN_CHARS = 3 * MIN_SHIFT  # of a half; in fewer, shifts are too alike
MIN_CHANGES = 20  # of a label in a half; with fewer, its score is chance


class Ranks(NamedTuple):
    """The ranks of h units at n characters, centered, scaled to between -1 and 1."""

    values: Float32[np.ndarray, "h n"]
    norms: Float32[np.ndarray, " h"]


class Target(NamedTuple):
    """Weights whose product with ranks is a label's score, if graded times `norms`."""

    weights: Float32[np.ndarray, " n"]
    graded: bool


def get_rows(label: Label, part: slice) -> slice | Int[np.ndarray, " n"]:
    """Returns the characters of a part of the text at which a label is defined."""
    if label.where is None:
        return part
    return (part.start or 0) + np.flatnonzero(np.asarray(label.where)[part])


def make_target(values: Float[np.ndarray, " n"], *, graded: bool) -> Target:
    """Returns the Target of a label that has at least two values."""
    if graded:
        ranks = rank_values(values)
        weights = ranks / np.linalg.norm(ranks)
    else:
        yes = values > 0.5
        share = yes.mean()
        weights = (yes - share) / (share * (1 - share) * len(values))
    return Target(weights.astype(np.float32), graded)


def rank_units(units: Integer[np.ndarray, "n h"]) -> Iterator[Ranks]:
    """Yields the ranks of all units, as many units at a time as CHUNK_BYTES hold."""
    n, h = units.shape
    count = max(1, CHUNK_BYTES // (4 * max(n, 1)))
    for start in range(0, h, count):
        columns = np.ascontiguousarray(units[:, start : start + count].T)
        values = np.empty(columns.shape, np.float32)
        norms = np.empty(len(columns), np.float32)
        for u, column in enumerate(columns):
            levels = column.astype(np.intp)
            levels -= levels.min()
            counts = np.bincount(levels)
            ranks = _average_ranks(counts)
            table = ranks.astype(np.float32)
            np.take(table, levels, out=values[u], mode="clip")  # unbuffered
            norms[u] = np.sqrt(counts @ ranks**2)
        yield Ranks(values, norms)


def _average_ranks(counts: np.ndarray) -> np.ndarray:
    """Returns the average rank of each level, centered, over n / 2."""
    n = counts.sum()
    return (np.cumsum(counts) - counts / 2 - n / 2) * 2 / n


def rank_values(values: Float[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
    """Returns the ranks of real numbers, centered, scaled to between -1 and 1."""
    _, levels, counts = np.unique(values, return_inverse=True, return_counts=True)
    return _average_ranks(counts)[levels]


def compute_scores(
    ranks: Ranks, target: Target, shifts: Sequence[int] = (0,)
) -> Float32[np.ndarray, "h k"]:
    """Returns the scores of h units with the label shifted round by k amounts.

    They are between -1 and 1, exact but for rounding; 0 where a unit never changes.
    """
    shifted = np.stack([np.roll(target.weights, shift) for shift in shifts])
    scores = ranks.values @ shifted.T
    if target.graded:
        scores /= np.maximum(ranks.norms, np.float32(1e-20))[:, None]
    return np.clip(scores, -1, 1)


class Scores(NamedTuple):
    """Scores on a part of a text."""

    # Of each unit of each signal, one after another, on each of l labels.
    units: Float32[np.ndarray, "u l"]
    # The largest |score| of all units with the label shifted by the k-th amount.
    maxima: Float[np.ndarray, "l k"]


def score_signals(
    signals: Mapping[str, Integer[np.ndarray, "t _"]],
    labels: Sequence[Label],
    part: slice,
    amounts: Float[np.ndarray, " k"],
) -> Scores:
    """Returns the scores of all units on labels that `explain_unfit` finds fit.

    The amounts are how far labels are shifted, in 0..1 of all allowed shifts. They are
    the same for all labels, so that those that are alike remain so.
    """
    count = sum(units.shape[1] for units in signals.values())
    scores = np.empty((count, len(labels)), np.float32)
    maxima = np.zeros((len(labels), len(amounts)))
    # Labels that are defined at the same characters are scored on the same ranks.
    groups: dict[bytes, tuple[slice | np.ndarray, dict[int, Target]]] = {}
    for n, label in enumerate(labels):
        key = b"" if label.where is None else label.where.tobytes()
        rows = get_rows(label, part)
        target = make_target(label.values[rows], graded=label.graded)
        groups.setdefault(key, (rows, {}))[1][n] = target
    for rows, targets in groups.values():
        start = 0
        for units in signals.values():
            for ranks in rank_units(np.asarray(units[rows])):
                block = slice(start, start + len(ranks.values))
                for n, target in targets.items():
                    shifts = [0, *get_shifts(amounts, len(target.weights)).tolist()]
                    block_scores = compute_scores(ranks, target, shifts)
                    scores[block, n] = block_scores[:, 0]
                    top = np.abs(block_scores[:, 1:]).max(axis=0)
                    maxima[n] = np.maximum(maxima[n], top)
                start = block.stop
    return Scores(scores, maxima)


def get_shifts(amounts: Float[np.ndarray, " k"], n: int) -> Int[np.ndarray, " k"]:
    """Returns shifts round n >= MIN_CHARS, each more than MIN_SHIFT either way."""
    least, most = MIN_SHIFT + 1, n - MIN_SHIFT - 1
    return least + (amounts * (most - least + 1)).astype(np.int64)


def explain_unfit(label: Label, part: slice) -> str | None:
    """Returns why a label cannot be scored on a part of a text; None if it can."""
    values = label.values[get_rows(label, part)]
    if len(values) < MIN_CHARS:
        return f"defined at {len(values)} characters of a half, fewer than {MIN_CHARS}"
    changes = np.count_nonzero(np.diff(values))
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
