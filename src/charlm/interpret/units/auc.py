"""How well a unit tells a label: products of ranks with the label.

Of a yes/no label the score is 2 AUC - 1, and AUC is a sum of ranks (F. Wilcoxon,
"Individual comparisons by ranking methods", 1945; H. B. Mann, D. R. Whitney, 1947). Of
a graded one it is Spearman's rho, Pearson's correlation of ranks (C. Spearman, 1904).
Equal values share the average of their ranks. So many labels, or one label shifted
round by many amounts, are scored against all units by one matrix product.
"""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from jaxtyping import Float, Float32, Int, Integer

if TYPE_CHECKING:
    from charlm.interpret.labels.labels import Label
else:  # all that has the fields of a Label will do
    Label = Any

MEMORY = 1 << 28  # bytes of ranks, or of a shifted label, at a time


class Ranks(NamedTuple):
    """The ranks of h units at n places, centred, and scaled to between -1 and 1."""

    values: Float32[np.ndarray, "h n"]
    norms: Float32[np.ndarray, " h"]


class Target(NamedTuple):
    """A label at n places, as what ranks are multiplied with.

    Attributes:
      weights: their product with ranks is the score, of a graded label times `norms`.
      graded: whether it is.
    """

    weights: Float32[np.ndarray, " n"]
    graded: bool


def scores(
    units: Integer[np.ndarray, "t h"], label: Label
) -> Float32[np.ndarray, " h"]:
    """The score of each unit on a label, between -1 and 1, exact but for rounding.

    Args:
      units: integers, of which only the order counts.
      label: a Label; where it is not defined, the places are left out.

    Returns:
      2 AUC - 1 of a yes/no label, Spearman's rho of a graded one; 0 where the unit or
      the label never changes.
    """
    rows = places(label, slice(None))
    values = np.asarray(label.values, np.float32)[rows]
    if len(values) == 0 or values.min() == values.max():
        return np.zeros(units.shape[1], np.float32)
    target = target_of(values, graded=label.graded)
    found = [scores_of(ranks, target)[:, 0] for ranks in ranked(units[rows])]
    return np.concatenate(found)


def places(label: Label, span: slice) -> slice | Int[np.ndarray, " n"]:
    """The places of a stretch of text at which a label is defined."""
    if label.where is None:
        return span
    start = span.start or 0
    return start + np.flatnonzero(np.asarray(label.where)[span])


def target_of(values: Float[np.ndarray, " n"], *, graded: bool) -> Target:
    """A label of at least two values as a Target."""
    if graded:
        ranks = ranks_of_reals(values)
        weights = ranks / np.linalg.norm(ranks)
    else:
        yes = values > 0.5
        share = yes.mean()
        weights = (yes - share) / (share * (1 - share) * len(values))
    return Target(weights.astype(np.float32), graded)


def ranked(units: Integer[np.ndarray, "n h"]) -> Iterator[Ranks]:
    """The ranks of all units, as many units at a time as MEMORY holds."""
    n, h = units.shape
    count = max(1, MEMORY // (4 * max(n, 1)))
    for start in range(0, h, count):
        columns = np.ascontiguousarray(units[:, start : start + count].T)
        values = np.empty(columns.shape, np.float32)
        norms = np.empty(len(columns), np.float32)
        for u, column in enumerate(columns):
            norms[u] = _rank(column, values[u])
        yield Ranks(values, norms)


def _rank(column: np.ndarray, out: np.ndarray) -> float:
    """Writes the ranks of a unit, found by counting; returns their norm."""
    levels = column.astype(np.intp)
    levels -= levels.min()
    counts = np.bincount(levels)
    ranks = _average_ranks(counts)
    np.take(ranks.astype(np.float32), levels, out=out, mode="clip")  # unbuffered
    return float(np.sqrt(counts @ ranks**2))


def _average_ranks(counts: np.ndarray) -> np.ndarray:
    """The rank of each level, centred, over n / 2: ties share their average."""
    n = counts.sum()
    return (np.cumsum(counts) - counts / 2 - n / 2) * 2 / n


def ranks_of_reals(values: Float[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
    """The ranks of real numbers, centred, and scaled to between -1 and 1."""
    _, levels, counts = np.unique(values, return_inverse=True, return_counts=True)
    return _average_ranks(counts)[levels]


def scores_of(
    ranks: Ranks, target: Target, shifts: Sequence[int] = (0,)
) -> Float32[np.ndarray, "h k"]:
    """The score of each unit with the label shifted round by each of k amounts."""
    n = len(target.weights)
    twice = np.concatenate([target.weights, target.weights])
    count = max(1, MEMORY // (4 * n))
    products = []
    for start in range(0, len(shifts), count):
        some = shifts[start : start + count]
        shifted = np.stack([twice[n - s : 2 * n - s] for s in some])
        products.append(ranks.values @ shifted.T)
    found = np.concatenate(products, axis=1)
    if target.graded:
        found /= np.maximum(ranks.norms, np.float32(1e-20))[:, None]
    return np.clip(found, -1, 1)
