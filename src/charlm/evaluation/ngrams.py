"""Counts of the n-grams of a text, of any order."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Int, Integer

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
    """The n-grams of a text.

    Attributes:
      vocab_size: symbols, v.
      levels: levels[n - 1] has the n-grams of order n. Below them is the empty n-gram,
        whose index is 0.
    """

    vocab_size: int
    levels: tuple[Level, ...]

    def index_contexts(
        self, ids: Integer[np.ndarray, " n"]
    ) -> Int[np.ndarray, "m n+1"]:
        """Returns indices[m, t] of the m symbols before ids[t], for t from 0 to n.

        It is 0 of no symbols, and -1 where the m symbols never occur in the counted
        text, or fewer than m stand before ids[t].

        Raises:
          UserError: an id is out of range.
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

    Args:
      ids: the text; may be memory-mapped.
      vocab_size: every id is below it.
      context: symbols before the one that is predicted; 0 or more.

    Raises:
      UserError: an empty text, an id out of range, or a negative context.
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
    """Returns the ids as int64.

    Raises:
      UserError: an id is negative, or not below vocab_size.
    """
    symbols = np.asarray(ids, np.int64)
    wrong = symbols[(symbols < 0) | (symbols >= vocab_size)]
    if len(wrong):
        raise UserError(
            f"the text has the id {wrong[0]}; ids of {vocab_size} symbols are from 0"
            f" to {vocab_size - 1}"
        )
    return symbols
