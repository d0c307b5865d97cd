"""Scores of units on labels, as products of ranks.

The score on a yes/no label is 2 AUC - 1, and AUC is a sum of ranks (F. Wilcoxon,
"Individual comparisons by ranking methods", 1945; H. B. Mann, D. R. Whitney, 1947). The
score on a graded label is Spearman's rho, Pearson's correlation of ranks (C. Spearman,
1904). Equal values share the average of their ranks. So many labels, or one label
shifted round by many amounts, are scored against all units by one matrix product.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Float32, Int, Integer

from charlm.interpret.labels.labels import Label

CHUNK_BYTES = 1 << 28  # of ranks, or of a shifted label, at a time


class Ranks(NamedTuple):
    """The ranks of h units at n characters, centered, scaled to between -1 and 1."""

    values: Float32[np.ndarray, "h n"]
    norms: Float32[np.ndarray, " h"]


class Target(NamedTuple):
    """A label at n characters, in the form that is multiplied with ranks.

    Attributes:
      weights: their product with ranks is the score, of a graded label times `norms`.
      graded: whether the label is.
    """

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
    """Yields the ranks of all units, as many units at a time as CHUNK_BYTES hold.

    Args:
      units: integers, of which only the order counts.
    """
    n, h = units.shape
    count = max(1, CHUNK_BYTES // (4 * max(n, 1)))
    for start in range(0, h, count):
        columns = np.ascontiguousarray(units[:, start : start + count].T)
        values = np.empty(columns.shape, np.float32)
        norms = np.empty(len(columns), np.float32)
        for u, column in enumerate(columns):
            norms[u] = _rank_unit(column, values[u])
        yield Ranks(values, norms)


def _rank_unit(column: np.ndarray, out: np.ndarray) -> float:
    """Writes the ranks of a unit, found by counting; returns their norm."""
    levels = column.astype(np.intp)
    levels -= levels.min()
    counts = np.bincount(levels)
    ranks = _average_ranks(counts)
    np.take(ranks.astype(np.float32), levels, out=out, mode="clip")  # unbuffered
    return float(np.sqrt(counts @ ranks**2))


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
    n = len(target.weights)
    twice = np.concatenate([target.weights, target.weights])
    count = max(1, CHUNK_BYTES // (4 * n))
    products = []
    for start in range(0, len(shifts), count):
        chunk = shifts[start : start + count]
        shifted = np.stack([twice[n - s : 2 * n - s] for s in chunk])
        products.append(ranks.values @ shifted.T)
    scores = np.concatenate(products, axis=1)
    if target.graded:
        scores /= np.maximum(ranks.norms, np.float32(1e-20))[:, None]
    return np.clip(scores, -1, 1)
