"""What a text has of another: words and stretches. Has a model learnt, or copied?"""

import functools
import math
import re
import statistics
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Int, UInt64

from charlm.errors import UserError

WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)*")
# Stretches are hashed as polynomials in this odd number, modulo 2 ** 64.
BASE = 0x9E3779B97F4A7C15
SPREAD = np.uint64(0xD1342543DE82EF95)  # what makes all bits of a hash tell in the top
FILTER_BITS = 20
BLOCK = 1 << 20  # places that are hashed at once: what they need stays near the core
LARGEST = 1 << 30  # what powers and 32-bit places reach
FIRST = 8  # characters of the first copies looked for


class Hashes(NamedTuple):
    """A text of which stretches of any length are hashed at once.

    Attributes:
      text: the text of n characters.
      sums: sums[i] of the first i characters: (code + 1) * BASE ** place.
    """

    text: str
    sums: UInt64[np.ndarray, " n+1"]


def words_known(texts: Sequence[str], *, known: str) -> dict[str, float]:
    """The shares of words that stand in a text, from 0 to 1; nan of no words.

    Words are letters, with apostrophes inside; capitals make no difference. A word at
    the very beginning or end of one of `texts` may be cut, and is left out.

    Args:
      texts: samples of a model, or stretches of held-out text.
      known: the text that the model was trained on.

    Returns:
      "words known", each time they stand there, and "distinct words known".
    """
    dictionary: set[str] = set()
    for line in known.split("\n"):
        dictionary.update(WORD.findall(line.lower()))
    words = [
        found[0].lower()
        for text in texts
        for found in WORD.finditer(text)
        if found.start() > 0 and found.end() < len(text)
    ]
    distinct = set(words)
    return {
        "words known": _share(sum(word in dictionary for word in words), len(words)),
        "distinct words known": _share(len(distinct & dictionary), len(distinct)),
    }


def copying(
    texts: Sequence[str], *, known: str, lengths: Sequence[int] = (5, 10, 20, 40)
) -> dict[str, float | str]:
    """How much of some texts is copied from another, character by character; exact.

    Args:
      texts: samples of a model, or stretches of held-out text.
      known: the text that the model was trained on.
      lengths: of the n-grams, in characters.

    Returns:
      "longest copy", in characters, and "what it copies", the first that is so long;
      "median longest copy", of the texts; and for each length, as "5-grams not in the
      text", the share from 0 to 1 of those of the texts. nan of no texts or n-grams.

    Raises:
      UserError: a length is below 1, or a text has 2 ** 30 characters or more.
    """
    if min(lengths, default=1) < 1:
        raise UserError(f"n-grams of {min(lengths)} characters; give 1 or more")
    hashes = hashes_of(known)
    hashed = [hashes_of(text) for text in texts]
    copies = _longest_copies(hashed, hashes)
    sizes = [len(copy) for copy in copies]
    found: dict[str, float | str] = {
        "longest copy": max(sizes, default=math.nan),
        "what it copies": max(copies, key=len, default=""),
        "median longest copy": statistics.median(sizes) if sizes else math.nan,
    }
    at = None
    for n in sorted(set(lengths)):
        known_grams, at = grams_known(hashed, n, hashes, at)
        seen = sum(int(of_text.sum()) for of_text in known_grams)
        total = sum(len(of_text) for of_text in known_grams)
        found[f"{n}-grams not in the text"] = _share(total - seen, total)
    return found


def longest_copies(texts: Sequence[str], *, known: str) -> list[str]:
    """The longest stretch of each text that stands in the known one; the first such."""
    return _longest_copies([hashes_of(text) for text in texts], hashes_of(known))


def _longest_copies(texts: Sequence[Hashes], known: Hashes) -> list[str]:
    copies = [""] * len(texts)
    # Of the texts `which`: all have a copy of `least` characters, none one of `most`,
    # and all that they copy so long begins at the places `at` of the known text.
    most = max((len(text.text) for text in texts), default=0) + 1
    jobs = [(list(range(len(texts))), 0, most, None)]
    while jobs:
        which, least, most, at = jobs.pop()
        if not which or most - least < 2:
            continue
        # Doubled until nothing is so long, then by halves.
        n = min(max(2 * least, FIRST), (least + most) // 2)
        found, there = grams_known([texts[t] for t in which], n, known, at)
        longer, shorter = [], []
        for t, grams in zip(which, found, strict=True):
            if grams.any():
                first = int(grams.argmax())
                copies[t] = texts[t].text[first : first + n]
                longer.append(t)
            else:
                shorter.append(t)
        jobs += [(shorter, least, n, at), (longer, n, most, there)]
    return copies


def grams_known(
    texts: Sequence[Hashes],
    n: int,
    known: Hashes,
    at: Int[np.ndarray, " p"] | None = None,
) -> tuple[list[Bool[np.ndarray, " _"]], Int[np.ndarray, " q"]]:
    """Which stretches of n characters of each text stand in the known one; exact.

    Args:
      texts: the texts.
      n: characters of a stretch.
      known: the known text.
      at: the places of it that are looked at, rising; None is all.

    Returns:
      Of each text, whether the stretch at each place is known; and the places among
      `at` where one begins that has the hash of one of them.
    """
    grams = [_hashed(text, n, np.arange(len(text.text) - n + 1)) for text in texts]
    wanted = np.unique(np.concatenate([np.empty(0, np.uint64), *grams]))
    stands, there = _places(wanted, n, known, at)
    found = []
    for text, hashed in zip(texts, grams, strict=True):
        places = stands[np.searchsorted(wanted, hashed)]
        for begin in np.flatnonzero(places >= 0).tolist():
            gram = text.text[begin : begin + n]
            # Stretches that only share a hash are told apart here.
            if not known.text.startswith(gram, places[begin]) and (
                gram not in known.text
            ):
                places[begin] = -1
        found.append(places >= 0)
    return found, there


def hashes_of(text: str) -> Hashes:
    """The hashes of a text's stretches.

    Raises:
      UserError: the text has 2 ** 30 characters or more.
    """
    if len(text) >= LARGEST:
        raise UserError(
            f"the text has {len(text)} characters; give less than {LARGEST}"
        )
    codes = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), "<u4")
    sums = np.zeros(len(codes) + 1, np.uint64)
    for begin in range(0, len(codes), BLOCK):
        block = codes[begin : begin + BLOCK].astype(np.uint64) + np.uint64(1)
        block *= _powers(BASE, np.arange(begin, begin + len(block)))
        sums[begin + 1 : begin + 1 + len(block)] = np.cumsum(block) + sums[begin]
    return Hashes(text, sums)


def _places(
    wanted: UInt64[np.ndarray, " w"],
    n: int,
    known: Hashes,
    at: Int[np.ndarray, " p"] | None,
) -> tuple[Int[np.ndarray, " w"], Int[np.ndarray, " q"]]:
    """A place in the known text of each hash, or -1; and all the places of them all."""
    stands, there = np.full(len(wanted), -1), []
    last = len(known.text) - n  # no stretch begins behind it
    count = max(last + 1, 0) if at is None else len(at)
    maybe = np.zeros(1 << FILTER_BITS, bool)
    maybe[_short(wanted)] = True
    for begin in range(0, count, BLOCK):
        end = min(begin + BLOCK, count)
        block = np.arange(begin, end, dtype=np.int32) if at is None else at[begin:end]
        block = block[block <= last]
        hashed = _hashed(known, n, block)
        few = maybe[_short(hashed)]
        block, hashed = block[few], hashed[few]
        nearest = np.searchsorted(wanted, hashed)
        nearest[nearest == len(wanted)] = 0
        same = wanted[nearest] == hashed if len(hashed) else few[:0]
        stands[nearest[same]] = block[same]
        there.append(block[same])
    return stands, np.concatenate([np.empty(0, np.int32), *there])


def _hashed(
    text: Hashes, n: int, at: Int[np.ndarray, " p"]
) -> UInt64[np.ndarray, " p"]:
    """The hashes of the stretches of n characters at some places."""
    return (text.sums[at + n] - text.sums[at]) * _powers(pow(BASE, -1, 1 << 64), at)


def _short(hashed: UInt64[np.ndarray, " p"]) -> UInt64[np.ndarray, " p"]:
    """The bits by which a hash is looked up first."""
    return (hashed * SPREAD) >> np.uint64(64 - FILTER_BITS)


def _powers(base: int, at: Int[np.ndarray, " p"]) -> UInt64[np.ndarray, " p"]:
    """base ** at, modulo 2 ** 64, of exponents below 2 ** 30."""
    half = 1 << 15
    low = _table(base, half)
    return low[at & (half - 1)] * _table(pow(base, half, 1 << 64), half)[at >> 15]


@functools.lru_cache(maxsize=4)
def _table(base: int, length: int) -> UInt64[np.ndarray, " p"]:
    """base ** (0, 1, ..., length - 1), modulo 2 ** 64."""
    powers = np.full(length, base, np.uint64)
    powers[0] = 1
    return np.cumprod(powers, dtype=np.uint64)


def _share(part: int, total: int) -> float:
    return part / total if total else math.nan
