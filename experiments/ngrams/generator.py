"""The text that unsmoothed counts of n-grams write.

Y. Goldberg, "The unreasonable effectiveness of character-level language models (and
why RNNs are still cool)", 2015: draw what followed the last n characters in the text.
"""

import numpy as np
from jaxtyping import Int, Integer

from charlm.errors import UserError
from charlm.evaluation.kneser_ney import NGrams


def write(
    ngrams: NGrams,
    *,
    context: int,
    length: int,
    prompt: Integer[np.ndarray, " p"] | None = None,
    seed: int = 0,
) -> Int[np.ndarray, " n"]:
    """Returns the ids[length] that unsmoothed counts write after `prompt`.

    Each symbol is drawn in proportion to how often it followed the last `context`
    symbols in the text. Where these never occur, or only at its very end, the longest
    suffix that something followed takes their place; from there the context grows
    again, a symbol at a time. So without a prompt the first symbol is drawn by its
    frequency, the second by what followed that one, and so on.

    Args:
      ngrams: the counts, of context + 1 symbols or more.
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
    prompt = np.zeros(0, np.int64) if prompt is None else prompt
    suffixes = ngrams.index_contexts(prompt[max(len(prompt) - context, 0) :])[:, -1]
    size = int((suffixes >= 0).sum()) - 1  # a suffix of what occurs occurs
    index = int(suffixes[size])  # of the last `size` symbols
    drawn = np.empty(length, np.int64)
    for t in range(length):
        while not len(grams := _list_continuations(ngrams, size, index)):
            size, index = size - 1, int(ngrams.levels[size - 1].suffixes[index])
        level = ngrams.levels[size]
        sums = np.cumsum(level.counts[grams])
        gram = grams[np.searchsorted(sums, random.integers(sums[-1]), side="right")]
        drawn[t] = level.keys[gram] % ngrams.vocab_size
        if size == context:
            index = int(level.suffixes[gram])
        else:
            size, index = size + 1, gram
    return drawn


def _list_continuations(ngrams: NGrams, size: int, index: int) -> range:
    """Returns the indices of the n-grams that continue `size` symbols."""
    bounds = np.asarray([index, index + 1]) * ngrams.vocab_size
    return range(*np.searchsorted(ngrams.levels[size].keys, bounds).tolist())
