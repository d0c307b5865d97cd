"""Counts of n-grams of any length, and the text that unsmoothed counts write.

Y. Goldberg, "The unreasonable effectiveness of character-level language models (and
why RNNs are still cool)", 2015: draw what followed the last n characters in the text.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Int, Integer

from charlm.errors import UserError


class Level(NamedTuple):
    """The distinct stretches of one length m, g of them, each named by its place.

    Attributes:
      keys: context * vocab_size + symbol, rising, where `context` is the place of the
        stretch's first m - 1 symbols in the level below, `symbol` its last. No key
        exceeds length of the text * vocab_size, however long the stretches.
      counts: how often each stands in the text.
      suffixes: the place of its last m - 1 symbols in the level below.
    """

    keys: Int[np.ndarray, " g"]
    counts: Int[np.ndarray, " g"]
    suffixes: Int[np.ndarray, " g"]


class NGrams(NamedTuple):
    """The n-grams of a text.

    Attributes:
      vocab_size: symbols, v.
      levels: levels[m - 1] has the stretches of m symbols. Below them is the empty
        stretch, whose place is 0.
    """

    vocab_size: int
    levels: tuple[Level, ...]


def count_ngrams(
    ids: Integer[np.ndarray, " n"], *, vocab_size: int, context: int
) -> NGrams:
    """The counts of all stretches of 1 to context + 1 symbols of a text.

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
    symbols = in_range(ids, vocab_size)
    levels = []
    # Of each stretch, in the order of the text: the places of all but its last symbol
    # and of all but its first, in the level below.
    before = after = np.zeros(len(symbols), np.int64)
    for length in range(1, context + 2):
        packed = before * vocab_size + symbols[length - 1 :]
        keys, here, counts = np.unique(packed, return_inverse=True, return_counts=True)
        suffixes = np.empty(len(keys), np.int64)
        suffixes[here] = after
        levels.append(Level(keys, counts, suffixes))
        before, after = here[:-1], here[1:]
    return NGrams(vocab_size, tuple(levels))


def in_range(ids: Integer[np.ndarray, " n"], vocab_size: int) -> Int[np.ndarray, " n"]:
    """The ids as int64.

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


def find(
    ngrams: NGrams,
    length: int,
    contexts: Int[np.ndarray, " n"],
    symbols: Int[np.ndarray, " n"],
) -> Int[np.ndarray, " n"]:
    """The places of stretches of `length` symbols; -1 for one that is not in the text.

    Args:
      ngrams: the counts.
      length: of the stretches, 1 or more.
      contexts: the place of all but their last symbols, or -1.
      symbols: their last symbols.
    """
    keys = ngrams.levels[length - 1].keys
    if not len(keys):
        return np.full(len(symbols), -1)
    wanted = contexts * ngrams.vocab_size + symbols
    found = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
    # Of a context -1 the wanted is negative, and no key is.
    return np.where(keys[found] == wanted, found, -1)


def places(ngrams: NGrams, ids: Integer[np.ndarray, " n"]) -> Int[np.ndarray, "m t"]:
    """places[m, t]: of the m symbols that end before ids[t], for each t from 0 to n.

    Of no symbols it is 0; it is -1 where the m symbols are not in the counted text, or
    fewer than m stand before ids[t].

    Raises:
      UserError: an id is out of range.
    """
    symbols = in_range(ids, ngrams.vocab_size)
    found = np.full((len(ngrams.levels) + 1, len(symbols) + 1), -1)
    found[0] = 0
    for length in range(1, len(found)):
        found[length, 1:] = find(ngrams, length, found[length - 1, :-1], symbols)
    return found


def write(
    ngrams: NGrams,
    *,
    context: int,
    length: int,
    prompt: Integer[np.ndarray, " p"] | None = None,
    seed: int = 0,
) -> Int[np.ndarray, " n"]:
    """The ids[length] that unsmoothed counts write after `prompt`, without it.

    Each symbol is drawn in proportion to how often it followed the last `context`
    symbols in the text. Where these never stood in the text, or only at its very end,
    the longest of their endings that something followed takes their place; from there
    the context grows again, a symbol at a time. So without a prompt the first symbol is
    drawn by its frequency, the second by what followed that one, and so on.

    Args:
      ngrams: the counts, of stretches of context + 1 symbols or longer ones.
      context: symbols to look back on.
      length: symbols to draw.
      prompt: ids of what stands before.
      seed: of the draws.

    Raises:
      UserError: an id of the prompt is out of range, or so long a context was not
        counted.
    """
    if not 0 <= context < len(ngrams.levels):
        raise UserError(
            f"the context is {context} characters; counted were contexts of 0 to"
            f" {len(ngrams.levels) - 1}"
        )
    random = np.random.default_rng(seed)
    tail = np.zeros(0, np.int64) if prompt is None else prompt
    tail = tail[max(len(tail) - context, 0) :]
    ends = places(ngrams, tail)[:, -1]
    known = int((ends >= 0).sum()) - 1  # an ending of what was seen was seen
    place = int(ends[known])
    drawn = np.empty(length, np.int64)
    for n in range(length):
        while not len(grams := _continued(ngrams, known, place)):
            known, place = known - 1, int(ngrams.levels[known - 1].suffixes[place])
        level = ngrams.levels[known]
        sums = np.cumsum(level.counts[grams])
        gram = grams[np.searchsorted(sums, random.integers(sums[-1]), side="right")]
        drawn[n] = level.keys[gram] % ngrams.vocab_size
        if known == context:
            place = int(level.suffixes[gram])
        else:
            known, place = known + 1, gram
    return drawn


def _continued(ngrams: NGrams, known: int, place: int) -> range:
    """The places of the stretches that continue the one of `known` symbols at place."""
    ends = np.asarray([place, place + 1]) * ngrams.vocab_size
    return range(*np.searchsorted(ngrams.levels[known].keys, ends).tolist())
