"""Counts of n-grams, and the model of them that has a loss on any text.

S. F. Chen and J. Goodman, "An empirical study of smoothing techniques for language
modeling", Computer Speech and Language 13, 1999: interpolated "modified Kneser-Ney".
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int, Integer

from charlm.errors import UserError


class Level(NamedTuple):
    """The distinct n-grams of one order n, g of them; an n-gram's index is its id.

    Attributes:
      keys: context * vocab_size + symbol, rising, where `context` is the index of the
        n-gram's first n - 1 symbols in the level below, `symbol` its last. No key
        exceeds length of the text * vocab_size, whatever the order.
      counts: how often each occurs in the text.
      suffixes: the index of its last n - 1 symbols in the level below.
    """

    keys: Int[np.ndarray, " g"]
    counts: Int[np.ndarray, " g"]
    suffixes: Int[np.ndarray, " g"]


class NGrams(NamedTuple):
    """The n-grams of a text. Below those of order 1 is the empty one, of index 0."""

    vocab_size: int  # symbols, v
    levels: tuple[Level, ...]  # levels[n - 1] has the n-grams of order n

    def index_contexts(
        self, ids: Integer[np.ndarray, " n"]
    ) -> Int[np.ndarray, "m n+1"]:
        """Returns indices[m, t] of the m symbols before ids[t], for t from 0 to n.

        It is 0 of no symbols, and -1 where the m symbols never occur in the counted
        text, or fewer than m stand before ids[t].
        """
        symbols = check_ids(ids, self.vocab_size)
        indices = np.full((len(self.levels) + 1, len(symbols) + 1), -1)
        indices[0] = 0
        for m, level in enumerate(self.levels, 1):
            if not len(level.keys):
                break  # the counted text is shorter than m symbols
            # Of a context that never occurs, -1, it is negative, and no key is.
            query = indices[m - 1, :-1] * self.vocab_size + symbols
            nearest = np.searchsorted(level.keys, query)
            nearest = np.minimum(nearest, len(level.keys) - 1)
            indices[m, 1:] = np.where(level.keys[nearest] == query, nearest, -1)
        return indices


def count_ngrams(
    ids: Integer[np.ndarray, " n"], *, vocab_size: int, context: int
) -> NGrams:
    """Returns the counts of all n-grams of 1 to context + 1 symbols of a text.

    Raises UserError for an empty text, an id out of range, or a negative context.
    """
    if not len(ids):
        raise UserError("the text to count is empty; give 1 character or more")
    if context < 0:
        raise UserError(f"the context is {context} characters; it must be 0 or more")
    symbols = check_ids(ids, vocab_size)
    levels = []
    # Of each n-gram, in the order of the text: the indices of all but its last symbol
    # and of all but its first, in the level below.
    contexts = suffixes = np.zeros(len(symbols), np.int64)
    for order in range(1, context + 2):
        grams = contexts * vocab_size + symbols[order - 1 :]
        keys, indices, counts = np.unique(
            grams, return_inverse=True, return_counts=True
        )
        suffix_by_key = np.empty(len(keys), np.int64)
        suffix_by_key[indices] = suffixes
        levels.append(Level(keys, counts, suffix_by_key))
        contexts, suffixes = indices[:-1], indices[1:]
    return NGrams(vocab_size, tuple(levels))


def check_ids(ids: Integer[np.ndarray, " n"], vocab_size: int) -> Int[np.ndarray, " n"]:
    """Returns the ids as int64. Raises UserError if one is out of range."""
    symbols = np.asarray(ids, np.int64)
    wrong = symbols[(symbols < 0) | (symbols >= vocab_size)]
    if len(wrong):
        raise UserError(
            f"the text has the id {wrong[0]}; ids of {vocab_size} symbols are from 0"
            f" to {vocab_size - 1}"
        )
    return symbols


class Smoothed(NamedTuple):
    """The smoothed n-grams of one order.

    p(symbol | context) = discounted + backoff_weight * p(symbol | shorter context).
    Both arrays have one entry more, the last, which the index -1 of the unseen picks.

    Attributes:
      discounted: of each n-gram, its discounted count by the count of its context; 0 of
        the unseen.
      backoff_weights: of each context, in the level below, what the discounts took from
        it. 1 where nothing followed it, and of the unseen.
    """

    discounted: Float[np.ndarray, " g+1"]
    backoff_weights: Float[np.ndarray, " c+1"]

    def interpolate(self, grams, contexts, p_lower):
        return self.discounted[grams] + self.backoff_weights[contexts] * p_lower


class KneserNey(NamedTuple):
    """A model of the text that was counted, and of each shorter context."""

    ngrams: NGrams
    # highest[m] is from the counts of m + 1 symbols, for the model whose longest
    # contexts have m. lower[m] is from their continuation counts (the distinct symbols
    # that stand before them), for the models whose contexts are longer.
    highest: tuple[Smoothed, ...]
    lower: tuple[Smoothed, ...]


def kneser_ney(
    ids: Integer[np.ndarray, " n"], *, vocab_size: int, context: int
) -> KneserNey:
    """Returns the model of a text that predicts a symbol from the `context` before it.

    Args:
      ids: the text; may be memory-mapped.
      vocab_size: symbols, of which each has some probability everywhere.
      context: symbols before the one that is predicted; 0 or more.
    """
    ngrams = count_ngrams(ids, vocab_size=vocab_size, context=context)
    highest, lower, num_contexts = [], [], 1
    for m, level in enumerate(ngrams.levels):
        contexts = level.keys // vocab_size
        highest.append(_smooth(level.counts, contexts, num_contexts))
        if m < context:
            preceding = ngrams.levels[m + 1].suffixes
            continuations = np.bincount(preceding, minlength=len(level.keys))
            lower.append(_smooth(continuations, contexts, num_contexts))
        num_contexts = len(level.keys)
    return KneserNey(ngrams, tuple(highest), tuple(lower))


def losses(model: KneserNey, ids: Integer[np.ndarray, " n"]) -> Float[np.ndarray, " m"]:
    """Returns the nats per character of a text by the model of each context, from 0 on.

    Every character is counted and is given those of this text before it, as many as
    the context has: the first is given none.
    """
    return np.asarray([nats.mean() for nats in nats_by_context(model, ids)])


def nats_by_context(
    model: KneserNey, ids: Integer[np.ndarray, " n"]
) -> Iterator[Float[np.ndarray, " n"]]:
    """Yields the nats of each character by the model of each context, shortest first.

    Raises UserError for an empty text, or an id out of range.
    """
    if not len(ids):
        raise UserError("the text to score is empty; give 1 character or more")
    indices = model.ngrams.index_contexts(ids)
    contexts, grams = indices[:-1, :-1], indices[1:, 1:]
    p_lower = np.full(len(ids), 1 / model.ngrams.vocab_size)
    for m, highest in enumerate(model.highest):
        yield -np.log(highest.interpolate(grams[m], contexts[m], p_lower))
        if m < len(model.lower):
            p_lower = model.lower[m].interpolate(grams[m], contexts[m], p_lower)


def _smooth(counts, contexts, num_contexts: int) -> Smoothed:
    """Returns n-grams smoothed by their counts; contexts[g] are indices."""
    taken = discounts(counts)[np.minimum(counts, 3)]
    totals = np.bincount(contexts, weights=counts, minlength=num_contexts)
    taken_by_context = np.bincount(contexts, weights=taken, minlength=num_contexts)
    # Continuation counts may all be 0: of what only the text's beginning has.
    divisors = np.maximum(totals, 1)
    discounted = (counts - taken) / divisors[contexts]
    weights = np.where(totals > 0, taken_by_context / divisors, 1)
    return Smoothed(np.append(discounted, 0.0), np.append(weights, 1.0))


def discounts(counts: Int[np.ndarray, " g"]) -> Float[np.ndarray, "4"]:
    """Returns the discounts of counts of 0, 1, 2, and 3 or more.

    Chen and Goodman's, from how many counts are 1, 2, 3 and 4. A small text may have
    none of these: where a discount is not defined, or not above 0, which would leave
    nothing to what was never seen, it is half the count, as in KenLM's fallback.
    """
    n = np.bincount(np.minimum(counts, 5), minlength=6)
    d = np.asarray([0, 0.5, 1, 1.5])
    if n[1] and n[2]:
        y = n[1] / (n[1] + 2 * n[2])
        for k in (1, 2, 3):
            if n[k] and (discount := k - (k + 1) * y * n[k + 1] / n[k]) > 0:
                d[k] = discount
    return d
