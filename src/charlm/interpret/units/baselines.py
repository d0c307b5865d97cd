"""The score that the last characters alone reach on a label, without memory."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Integer

from charlm.interpret.labels.labels import Label
from charlm.interpret.units.scores import make_target, rank_values

MAX_SYMBOLS = 127  # the commonest symbols, which have weights of their own


def last_k_baseline(
    ids: Integer[np.ndarray, " t"], labels: Sequence[Label], *, k: int = 8
) -> dict[str, float]:
    """Returns, by name, the score of each label predicted from the last k characters.

    Two predictors are fitted to the first half of the text and scored on the second;
    the better one counts. A table has the label's mean after each context: a context
    that occurs n times has its mean weighted by n against 1 of the prediction of the
    context one shorter, down to the empty one (I. H. Witten, T. C. Bell, "The
    zero-frequency problem", 1991, with one novelty). And a sum has a weight for each
    symbol at each distance, by ridge regression (A. E. Hoerl, R. W. Kennard, 1970): it
    also predicts after contexts that never occurred, as most of 8 characters.

    Returns:
      |2 AUC - 1|, or |rho| of a graded label, on the second half; nan if the label has
      only one value there, or is nowhere defined in the first.
    """
    ids = np.asarray(ids)
    half, contexts = len(ids) // 2, _number_contexts(ids, k)
    columns, inverses, baseline = _make_columns(ids, k), {}, {}
    width = int(columns.max(initial=0)) + 1
    for label in labels:
        where = np.ones(len(ids), bool) if label.where is None else label.where
        train = np.flatnonzero(where[:half])
        test = np.flatnonzero(where[half:]) + half
        values = np.asarray(label.values, np.float64)
        truth = values[test]
        if not len(train) or not len(test) or truth.min() == truth.max():
            baseline[label.name] = float("nan")
            continue
        key = train.tobytes()  # most labels are defined at the same characters
        if key not in inverses:
            inverses[key] = np.linalg.inv(_make_gram(columns[train], width))
        predictions = (
            _predict_by_table(contexts, train, test, values[train]),
            _predict_by_sum(columns, inverses[key], train, test, values[train]),
        )
        scores = (_score(p, truth, graded=label.graded) for p in predictions)
        baseline[label.name] = max(scores)
    return baseline


def _number_contexts(ids: np.ndarray, k: int) -> list[np.ndarray]:
    """Returns, for 0 to k last characters, the number of the context at each t.

    Numbers are exact, no hashes: each is the rank of the pair (number of the context
    one shorter, character before it).
    """
    symbols = np.unique(ids, return_inverse=True)[1].astype(np.int64) + 1
    numbers = [np.zeros(len(ids), np.int64)]
    for column in _shift(symbols, k).T:
        pairs = numbers[-1] * (symbols.max(initial=0) + 1) + column
        numbers.append(np.unique(pairs, return_inverse=True)[1])
    return numbers


def _shift(symbols: np.ndarray, k: int) -> np.ndarray:
    """Returns columns[t, n], the symbol n characters back; 0 before the text."""
    columns = np.zeros((len(symbols), k), np.int64)
    for back in range(k):
        columns[back:, back] = symbols[: len(symbols) - back]
    return columns


def _predict_by_table(contexts, train, test, values) -> np.ndarray:
    """Returns the label at `test`, by its means at `train`."""
    prediction = np.full(len(test), values.mean())
    for numbers in contexts[1:]:
        train_numbers, size = numbers[train], int(numbers.max()) + 1
        counts = np.bincount(train_numbers, minlength=size)[numbers[test]]
        sums = np.bincount(train_numbers, values, minlength=size)[numbers[test]]
        prediction = (sums + prediction) / (counts + 1)
    return prediction


def _make_columns(ids: np.ndarray, k: int) -> np.ndarray:
    """Returns columns[t, n], the symbol n characters back; all rare ones are one."""
    _, symbols, counts = np.unique(ids, return_inverse=True, return_counts=True)
    order = np.argsort(np.argsort(-counts, kind="stable"))  # 0: the commonest
    return _shift(np.minimum(order, MAX_SYMBOLS)[symbols] + 1, k)


def _make_gram(columns: np.ndarray, width: int) -> np.ndarray:
    """Returns how often symbols at two distances occur together, plus the identity."""
    k = columns.shape[1]
    gram = np.zeros((k, width, k, width))
    for i in range(k):
        for j in range(i + 1):
            pairs = columns[:, i] * width + columns[:, j]
            counts = np.bincount(pairs, minlength=width**2).reshape(width, width)
            gram[i, :, j], gram[j, :, i] = counts, counts.T
    return gram.reshape(2 * [k * width]) + np.eye(k * width)


def _predict_by_sum(columns, inverse, train, test, values) -> np.ndarray:
    """Returns the label's rank at `test`, by the weights fitted at `train`."""
    prediction, ranks = np.zeros(len(test)), rank_values(values)
    if not len(inverse):
        return prediction
    width = len(inverse) // columns.shape[1]
    sums = [np.bincount(column, ranks, minlength=width) for column in columns[train].T]
    weights = (inverse @ np.concatenate(sums)).reshape(-1, width)
    for column, weight in zip(columns[test].T, weights, strict=True):
        prediction += weight[column]
    return prediction


def _score(prediction: np.ndarray, truth: np.ndarray, *, graded: bool) -> float:
    """Returns |2 AUC - 1| or |rho| of real numbers."""
    ranks, target = rank_values(prediction), make_target(truth, graded=graded)
    norm = np.linalg.norm(ranks) if graded else 1
    return min(1.0, float(abs(ranks @ target.weights) / max(norm, 1e-20)))
