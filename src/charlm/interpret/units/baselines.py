"""What a label's score must beat: what can be told without memory or training."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Integer

from charlm.interpret.units.auc import ranks_of_reals, target_of

if TYPE_CHECKING:
    from charlm.interpret.labels.labels import Label
else:  # all that has the fields of a Label will do
    Label = Any

COMMON = 127  # symbols that have weights of their own


def context_controls(
    ids: Integer[np.ndarray, " t"], labels: Sequence[Label], *, context: int = 8
) -> dict[str, float]:
    """The score of each label told from the last `context` characters alone, by name.

    It is told in two ways, learnt on the first half of the text and asked on the
    second, of which the better counts. A table has the label's mean after each stretch
    of characters: a stretch seen n times has its mean weighed by n against 1 of what
    the stretch one shorter tells, down to none at all (I. H. Witten, T. C. Bell, "The
    zero-frequency problem", 1991, with one novelty). And a sum has a weight for each
    symbol at each place back, by ridge regression (A. E. Hoerl, R. W. Kennard, 1970):
    it knows what to make of stretches that it never met, and most of 8 characters are.

    Returns:
      |2 AUC - 1|, or |rho| of a graded label, on the second half; nan if the label has
      only one value there, or is nowhere defined in the first.
    """
    ids, told = np.asarray(ids), {}
    half, stretches = len(ids) // 2, _stretches(ids, context)
    columns, inverses = _columns(ids, context), {}
    width = int(columns.max(initial=0)) + 1
    for label in labels:
        where = np.ones(len(ids), bool) if label.where is None else label.where
        learnt = np.flatnonzero(where[:half])
        asked = np.flatnonzero(where[half:]) + half
        values = np.asarray(label.values, np.float64)
        truth = values[asked]
        if not len(learnt) or not len(asked) or truth.min() == truth.max():
            told[label.name] = float("nan")
            continue
        key = learnt.tobytes()  # labels are mostly of the same places
        if key not in inverses:
            inverses[key] = np.linalg.inv(_products(columns[learnt], width))
        guesses = (
            _by_table(stretches, learnt, asked, values[learnt]),
            _by_sum(columns, inverses[key], learnt, asked, values[learnt]),
        )
        told[label.name] = max(_score(g, truth, graded=label.graded) for g in guesses)
    return told


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


def _by_table(stretches, learnt, asked, values) -> np.ndarray:
    """The label at the places asked, by the means at the places learnt."""
    told = np.full(len(asked), values.mean())
    for numbers in stretches[1:]:
        seen, size = numbers[learnt], int(numbers.max()) + 1
        counts = np.bincount(seen, minlength=size)[numbers[asked]]
        sums = np.bincount(seen, values, minlength=size)[numbers[asked]]
        told = (sums + told) / (counts + 1)
    return told


def _columns(ids: np.ndarray, context: int) -> np.ndarray:
    """columns[t, k], which symbol stands k characters back; rare ones are one."""
    _, symbols, counts = np.unique(ids, return_inverse=True, return_counts=True)
    commonest = np.empty(len(counts), np.int64)
    commonest[np.argsort(-counts, kind="stable")] = np.arange(len(counts))
    symbols = np.minimum(commonest, COMMON)[symbols] + 1
    columns = np.zeros((len(ids), context), np.int64)  # 0: the text begins
    for back in range(context):
        columns[back:, back] = symbols[: len(ids) - back]
    return columns


def _products(columns: np.ndarray, width: int) -> np.ndarray:
    """How often each symbol at each place met each other, with ridge regression's 1."""
    context = columns.shape[1]
    found = np.zeros((context, width, context, width))
    for i in range(context):
        for j in range(i + 1):
            pairs = columns[:, i] * width + columns[:, j]
            counts = np.bincount(pairs, minlength=width**2).reshape(width, width)
            found[i, :, j], found[j, :, i] = counts, counts.T
    return found.reshape(2 * [context * width]) + np.eye(context * width)


def _by_sum(columns, inverse, learnt, asked, values) -> np.ndarray:
    """The label's rank at the places asked, by the weights learnt."""
    told, ranks = np.zeros(len(asked)), ranks_of_reals(values)
    if not len(inverse):
        return told
    width = len(inverse) // columns.shape[1]
    sums = [np.bincount(column, ranks, minlength=width) for column in columns[learnt].T]
    weights = (inverse @ np.concatenate(sums)).reshape(-1, width)
    for column, weight in zip(columns[asked].T, weights, strict=True):
        told += weight[column]
    return told


def _score(told: np.ndarray, truth: np.ndarray, *, graded: bool) -> float:
    """|2 AUC - 1| or |rho| of real numbers."""
    ranks, target = ranks_of_reals(told), target_of(truth, graded=graded)
    norm = np.linalg.norm(ranks) if graded else 1
    return min(1.0, float(abs(ranks @ target.weights) / max(norm, 1e-20)))
