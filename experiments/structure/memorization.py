"""What some texts share with another: words and stretches of characters.

The measures say whether a model has learned its training text, or copies it.
"""

import functools
import math
import re
import statistics
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool, Int, UInt64

from charlm.errors import UserError
from charlm.interpret.labels.positions import get_codes

WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)*")
BASE = 0x9E3779B97F4A7C15  # an odd number; hashes are polynomials in it modulo 2 ** 64
TABLE_BITS = 16  # two tables of 2 ** 16 powers give all below 2 ** 32
TABLE_SIZE = 1 << TABLE_BITS
CHUNK_CHARS = 1 << 20  # of the known text, whose hashes are looked up at once
MIN_COPY_CHARS = 8  # of the first copies that are looked for


class HashedText(NamedTuple):
    """A text whose stretches of any length can be hashed at once.

    Attributes:
      text: the text of n characters.
      sums: sums[i] of the first i characters: (code + 1) * BASE ** index.
    """

    text: str
    sums: UInt64[np.ndarray, " n+1"]

    def hash_grams(
        self, n: int, starts: Int[np.ndarray, " p"]
    ) -> UInt64[np.ndarray, " p"]:
        """Returns the hashes of the n characters from each start on."""
        sums = self.sums[starts + n] - self.sums[starts]
        return sums * _compute_powers(pow(BASE, -1, 1 << 64), starts)


def hash_text(text: str) -> HashedText:
    """Returns the hashes of a text."""
    sums = np.zeros(len(text) + 1, np.uint64)
    sums[1:] = get_codes(text)
    for begin in range(1, len(sums), CHUNK_CHARS):
        chunk = sums[begin : begin + CHUNK_CHARS]
        chunk += np.uint64(1)
        chunk *= _compute_powers(BASE, np.arange(begin - 1, begin - 1 + len(chunk)))
        chunk[:1] += sums[begin - 1]
        np.cumsum(chunk, out=chunk)
    return HashedText(text, sums)


def _compute_powers(
    base: int, exponents: Int[np.ndarray, " p"]
) -> UInt64[np.ndarray, " p"]:
    """Returns base ** exponents modulo 2 ** 64, of exponents below 2 ** 32."""
    low, high = _make_table(base), _make_table(pow(base, TABLE_SIZE, 1 << 64))
    return low[exponents & (TABLE_SIZE - 1)] * high[exponents >> TABLE_BITS]


@functools.lru_cache(maxsize=4)
def _make_table(base: int) -> UInt64[np.ndarray, " p"]:
    """Returns base ** (0, 1, ..., TABLE_SIZE - 1) modulo 2 ** 64."""
    powers = np.full(TABLE_SIZE, base, np.uint64)
    powers[0] = 1
    return np.cumprod(powers)


def words_known(texts: Sequence[str], *, known: str) -> dict[str, float]:
    """Returns the shares of words that occur in a text, from 0 to 1; nan of no words.

    Words are letters, with apostrophes inside; capitals make no difference. A word at
    the very beginning or end of one of `texts` may be cut, and is left out.

    Args:
      texts: samples of a model, or passages of held-out text.
      known: the text that the model was trained on.

    Returns:
      "words known", of all occurrences, and "distinct words known".
    """
    dictionary: set[str] = set()
    for line in known.split("\n"):
        dictionary.update(WORD.findall(line.lower()))
    words = [
        match[0].lower()
        for text in texts
        for match in WORD.finditer(text)
        if match.start() > 0 and match.end() < len(text)
    ]
    distinct = set(words)
    count = sum(word in dictionary for word in words)
    return {
        "words known": _share(count, len(words)),
        "distinct words known": _share(len(distinct & dictionary), len(distinct)),
    }


def copying(
    texts: Sequence[str], *, known: str, lengths: Sequence[int] = (5, 10, 20, 40)
) -> dict[str, float | str]:
    """Returns how much of some texts is copied from another, character by character.

    Args:
      texts: samples of a model, or passages of held-out text.
      known: the text that the model was trained on.
      lengths: of the n-grams, in characters.

    Returns:
      "longest copy", in characters, and "what it copies", the first that is so long;
      "median longest copy", of the texts; and for each length, as "5-grams not in the
      text", the share from 0 to 1 of those of the texts. nan of no texts or n-grams.
      All are exact.

    Raises:
      UserError: a length is below 1.
    """
    if min(lengths, default=1) < 1:
        raise UserError(f"lengths has {min(lengths)}; give lengths of 1 or more")
    hashes, known_hashes = [hash_text(text) for text in texts], hash_text(known)
    copies = _find_longest_copies(hashes, known_hashes)
    sizes = [len(copy) for copy in copies]
    result: dict[str, float | str] = {
        "longest copy": max(sizes, default=math.nan),
        "what it copies": max(copies, key=len, default=""),
        "median longest copy": statistics.median(sizes) if sizes else math.nan,
    }
    starts = None
    for n in sorted(set(lengths)):
        is_known, starts = find_known_grams(hashes, n, known_hashes, starts)
        new = sum(int((~each).sum()) for each in is_known)
        result[f"{n}-grams not in the text"] = _share(new, sum(map(len, is_known)))
    return result


def longest_copies(texts: Sequence[str], *, known: str) -> list[str]:
    """Returns the longest stretch of each text that is in the known one.

    It is the first of equals.
    """
    return _find_longest_copies([hash_text(text) for text in texts], hash_text(known))


def _find_longest_copies(texts: Sequence[HashedText], known: HashedText) -> list[str]:
    copies = [""] * len(texts)
    # Of the texts `group`: all have a copy of `least` characters, none one of `limit`,
    # and all their copies of `least` begin at `starts` of the known text.
    limit = max((len(text.text) for text in texts), default=0) + 1
    jobs: list[tuple[list[int], int, int, Any]] = [
        ([*range(len(texts))], 0, limit, None)
    ]
    while jobs:
        group, least, limit, starts = jobs.pop()
        if not group or limit - least < 2:
            continue
        # Doubled until nothing is so long, then by halves.
        n = min(max(2 * least, MIN_COPY_CHARS), (least + limit) // 2)
        grams, inner = find_known_grams([texts[t] for t in group], n, known, starts)
        firsts = {
            t: int(gram.argmax())
            for t, gram in zip(group, grams, strict=True)
            if gram.any()
        }
        for t, first in firsts.items():
            copies[t] = texts[t].text[first : first + n]
        jobs.append(([t for t in group if t not in firsts], least, n, starts))
        jobs.append(([*firsts], n, limit, inner))
    return copies


def find_known_grams(
    texts: Sequence[HashedText],
    n: int,
    known: HashedText,
    starts: Int[np.ndarray, " p"] | None = None,
) -> tuple[list[Bool[np.ndarray, " _"]], Int[np.ndarray, " q"]]:
    """Returns which n-grams of each text are in the known one; exact.

    Args:
      texts: the texts.
      n: characters.
      known: the known text.
      starts: where its n-grams may begin, in increasing order; None is anywhere.

    Returns:
      Of each text, whether the n-gram at each start is known; and those of `starts`
      whose n-gram has the hash of one of them.
    """
    grams = [text.hash_grams(n, _get_starts(text, n)) for text in texts]
    hashes = np.unique(np.concatenate([np.empty(0, np.uint64), *grams]))
    if starts is None:
        starts = _get_starts(known, n)
    starts = starts[starts <= len(known.text) - n]
    example, found = np.full(len(hashes), -1), [starts[:0]]
    for begin in range(0, len(starts) if len(hashes) else 0, CHUNK_CHARS):
        chunk = starts[begin : begin + CHUNK_CHARS]
        chunk_hashes = known.hash_grams(n, chunk)
        index = np.minimum(np.searchsorted(hashes, chunk_hashes), len(hashes) - 1)
        same = hashes[index] == chunk_hashes
        example[index[same]] = chunk[same]
        found.append(chunk[same])
    is_known = []
    for text, gram_hashes in zip(texts, grams, strict=True):
        where = example[np.searchsorted(hashes, gram_hashes)]
        for start in np.flatnonzero(where >= 0).tolist():
            gram = text.text[start : start + n]
            # N-grams that only share a hash are told apart here.
            if not known.text.startswith(gram, where[start]) and gram not in known.text:
                where[start] = -1
        is_known.append(where >= 0)
    return is_known, np.concatenate(found)


def _get_starts(text: HashedText, n: int) -> Int[np.ndarray, " p"]:
    return np.arange(max(len(text.text) - n + 1, 0), dtype=np.int32)


def _share(part: int, total: int) -> float:
    return part / total if total else math.nan
