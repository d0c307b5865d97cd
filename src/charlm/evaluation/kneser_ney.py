"""Interpolated modified Kneser-Ney: the n-gram model that has a loss on any text.

S. F. Chen and J. Goodman, "An empirical study of smoothing techniques for language
modeling", Computer Speech and Language 13, 1999: "modified Kneser-Ney".
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int, Integer

from charlm.errors import UserError
from charlm.evaluation.ngrams import NGrams, count_ngrams, find, places


class Shares(NamedTuple):
    """What the stretches of one length say: p = share + left * p of the level below.

    Both have one entry more, the last, which the place -1 of the unseen picks.

    Attributes:
      share: of each stretch: its discounted count by the count of its context; 0 of
        the unseen.
      left: of each context, in the level below: what the discounts took from it. 1
        where nothing followed it, and of the unseen: the level below says all.
    """

    share: Float[np.ndarray, " g+1"]
    left: Float[np.ndarray, " c+1"]


class KneserNey(NamedTuple):
    """A model of the text that was counted.

    Attributes:
      ngrams: which stretches there are.
      longest: longest[m] from the counts of stretches of m + 1 symbols, for the model
        whose contexts have m symbols.
      lower: lower[m] from their continuation counts (the distinct symbols that stand
        before them), for the models whose contexts are longer.
    """

    ngrams: NGrams
    longest: tuple[Shares, ...]
    lower: tuple[Shares, ...]


def kneser_ney(
    ids: Integer[np.ndarray, " n"], *, vocab_size: int, context: int
) -> KneserNey:
    """The model of a text that predicts a symbol from the `context` before it.

    It holds the models of all shorter contexts too: see `losses`.

    Args:
      ids: the text; may be memory-mapped.
      vocab_size: symbols, of which each has some probability everywhere.
      context: symbols before the one that is predicted; 0 or more.

    Raises:
      UserError: an empty text, an id out of range, or a negative context.
    """
    ngrams = count_ngrams(ids, vocab_size=vocab_size, context=context)
    levels = ngrams.levels
    contexts = [1, *(len(level.keys) for level in levels)]
    longest, lower = [], []
    for m, level in enumerate(levels):
        context_of = level.keys // vocab_size
        longest.append(_shares(level.counts, context_of, contexts[m]))
        if m < context:
            before = np.bincount(levels[m + 1].suffixes, minlength=len(level.keys))
            lower.append(_shares(before, context_of, contexts[m]))
    return KneserNey(ngrams, tuple(longest), tuple(lower))


def score(model: KneserNey, ids: Integer[np.ndarray, " n"]) -> float:
    """The nats per character of a text, with the model's longest context.

    Every character is counted and is given those of this text before it, as many as
    the context has: the first is given none.

    Raises:
      UserError: an empty text, or an id out of range.
    """
    return float(losses(model, ids)[-1])


def losses(model: KneserNey, ids: Integer[np.ndarray, " n"]) -> Float[np.ndarray, " m"]:
    """nats[m]: what `score` is of the models with contexts of m symbols, in one go.

    Raises:
      UserError: an empty text, or an id out of range.
    """
    return np.asarray([nats.mean() for nats in nats_by_context(model, ids)])


def nats_of_each(
    model: KneserNey, ids: Integer[np.ndarray, " n"]
) -> Float[np.ndarray, " n"]:
    """The nats of each character, of which `score` is the mean.

    Raises:
      UserError: an empty text, or an id out of range.
    """
    *_, nats = nats_by_context(model, ids)
    return nats


def nats_by_context(
    model: KneserNey, ids: Integer[np.ndarray, " n"]
) -> Iterator[Float[np.ndarray, " n"]]:
    """The nats of each character by the model of each context, shortest first.

    Raises:
      UserError: an empty text, or an id out of range.
    """
    if not len(ids):
        raise UserError("the text to score is empty; give 1 character or more")
    found = places(model.ngrams, ids)
    for p in _interpolated(model, found[:-1, :-1], found[1:, 1:]):
        yield -np.log(p)


def probabilities(
    model: KneserNey, context_ids: Integer[np.ndarray, " n"]
) -> Float[np.ndarray, " v"]:
    """p[v] of each symbol after a context, seen or not; they sum to 1.

    Args:
      model: of which the longest context counts.
      context_ids: what stands before, of any length.

    Raises:
      UserError: an id is out of range.
    """
    tail = context_ids[max(len(context_ids) - len(model.lower), 0) :]
    symbols = np.arange(model.ngrams.vocab_size)
    # contexts[m, v]: the same for every symbol.
    contexts = np.repeat(places(model.ngrams, tail)[:-1, -1:], len(symbols), axis=1)
    grams = np.stack(
        [find(model.ngrams, m + 1, of, symbols) for m, of in enumerate(contexts)]
    )
    *_, p = _interpolated(model, contexts, grams)
    return p


def _interpolated(
    model: KneserNey, contexts: Int[np.ndarray, "m n"], grams: Int[np.ndarray, "m n"]
) -> Iterator[Float[np.ndarray, " n"]]:
    """The probability of n symbols by the model of each context, shortest first.

    Args:
      model: the model.
      contexts: places of the m symbols before each; -1 if they were never seen.
      grams: places of these with the symbol itself.
    """
    below = np.full(grams.shape[1], 1 / model.ngrams.vocab_size)
    for m, longest in enumerate(model.longest):
        yield longest.share[grams[m]] + longest.left[contexts[m]] * below
        if m < len(model.lower):
            lower = model.lower[m]
            below = lower.share[grams[m]] + lower.left[contexts[m]] * below


def _shares(counts, context_of, contexts: int) -> Shares:
    """The shares of stretches with these counts, whose contexts are so many."""
    taken = discounts(counts)[np.minimum(counts, 3)]
    totals = np.bincount(context_of, weights=counts, minlength=contexts)
    left = np.bincount(context_of, weights=taken, minlength=contexts)
    # Continuation counts may all be 0: of what only the text's beginning has.
    seen = np.maximum(totals, 1)
    share = (counts - taken) / seen[context_of]
    left = np.where(totals > 0, left / seen, 1)
    return Shares(np.append(share, 0.0), np.append(left, 1.0))


def discounts(counts: Int[np.ndarray, " g"]) -> Float[np.ndarray, "4"]:
    """What is taken off counts of 0, 1, 2, and 3 or more.

    Chen and Goodman's, from how many counts are 1, 2, 3 and 4. A small text may have
    none of these: where a discount is not defined, or not above 0, which would leave
    nothing to what was never seen, it is half the count, as in KenLM's fallback.
    """
    n = np.bincount(np.minimum(counts, 5), minlength=6)
    taken = np.asarray([0, 0.5, 1, 1.5])
    if n[1] and n[2]:
        y = n[1] / (n[1] + 2 * n[2])
        for k in (1, 2, 3):
            if n[k] and (chosen := k - (k + 1) * y * n[k + 1] / n[k]) > 0:
                taken[k] = chosen
    return taken
