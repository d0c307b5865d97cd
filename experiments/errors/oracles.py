"""Classifies the errors of a model by the oracle that would remove them.

The method is that of A. Karpathy, J. Johnson and L. Fei-Fei, "Visualizing and
understanding recurrent networks", 2015. A character is an error if its probability is
below a half. The oracles act in a fixed order, and each error belongs to the first that
removes it.
"""

import collections
import re
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

from charlm import Vocab

WORD = re.compile(r"\w+(?:['’]\w+)*")
MEMORIES = (100, 500, 1000, 5000)  # characters, as in the paper
# Words by their count in the training text; the paper goes to five times.
RARE = ("never seen", "seen once", "seen twice", "seen 3 times", "seen 4 times")
RARE += ("seen 5 times",)
CLASSES = (
    *("letter 1", "letter 2", "letter 3", "letter 4 and on", "capital letter"),
    *("digit", "space", "end of line", "punctuation"),
)
REST = "the rest"
Mask = Bool[np.ndarray, " n"]


class Words(NamedTuple):
    """The words of a text of n characters.

    Attributes:
      place: of each character in its word, from 0; -1 outside of words.
      distance: characters back to where the same word last began; the largest integer
        for a word that is new in the text, and outside of words.
      frequency: how often the word is in the training text; -1 outside of words.
    """

    place: Int[np.ndarray, " n"]
    distance: Int[np.ndarray, " n"]
    frequency: Int[np.ndarray, " n"]


def decode_by_id(ids: np.ndarray, vocab: Vocab) -> str:
    """Returns a text with one character for each id; bytes beyond ASCII become "é"."""
    codes = np.asarray(vocab.codes)[ids]
    if vocab.unit == "byte":  # such bytes are nearly always parts of letters
        codes = np.where(codes < 128, codes, ord("é"))
    return codes.astype("<u4").tobytes().decode("utf-32-le")


def find_words(text: str, train: str) -> Words:
    """Returns the words of a text, with their counts in the training text."""
    counts = collections.Counter(WORD.findall(train))
    place = np.full(len(text), -1)
    distance = np.full(len(text), np.iinfo(np.int64).max)
    frequency = np.full(len(text), -1)
    last: dict[str, int] = {}
    for match in WORD.finditer(text):
        word, begin, end = match[0], match.start(), match.end()
        place[begin:end] = np.arange(end - begin)
        frequency[begin:end] = counts[word]
        if word in last:
            distance[begin:end] = begin - last[word]
        last[word] = begin
    return Words(place, distance, frequency)


def make_masks(
    text: str, words: Words, p: Float[np.ndarray, " n"], ngrams: Mask
) -> dict[str, Mask]:
    """Returns the characters on which each oracle acts, in the order of the oracles.

    Args:
      text: of n characters.
      words: its words.
      p: the probability of each character.
      ngrams: the characters to which some n-gram model gives a half or more.
    """
    masks = {"n-grams": ngrams}
    for memory in MEMORIES:
        recent = (words.place > 0) & (words.distance <= memory)
        masks[f"a memory of {memory:,}"] = recent
    for count, name in enumerate(RARE):
        masks[f"words {name}"] = (words.place >= 0) & (words.frequency <= count)
    after = np.asarray([True, *(c.isspace() or c in "\"'“‘([" for c in text[:-1])])
    masks["beginnings of words"] = after & (words.place == 0)
    masks["space and punctuation"] = words.place < 0
    masks["a boost from 0.4"] = p >= 0.4
    return masks


def count_by_oracle(errors: Mask, masks: dict[str, Mask]) -> dict[str, int]:
    """Returns how many errors each oracle is the first to remove, and the rest."""
    counts, left = {}, errors.copy()
    for name, mask in masks.items():
        counts[name] = int((left & mask).sum())
        left &= ~mask
    return counts | {REST: int(left.sum())}


def group_counts(counts: dict[str, int]) -> dict[str, int]:
    """Returns the counts, with one for all memories and one for all rare words."""
    groups = collections.Counter()
    for name, count in counts.items():
        for start, group in (("a memory", "a memory"), ("words", "rare words")):
            name = group if name.startswith(start) else name
        groups[name] += count
    return dict(groups)


def classify(text: str, words: Words) -> Int[np.ndarray, " n"]:
    """Returns the index in CLASSES of each character."""
    names = map(_get_class, text, words.place)
    return np.asarray([CLASSES.index(name) for name in names])


def _get_class(character: str, place: int) -> str:
    if character in "\r\n":
        return "end of line"
    if character.isspace():
        return "space"
    if character.isdigit():
        return "digit"
    if character.isupper():
        return "capital letter"
    if character.isalpha() and place >= 0:
        return f"letter {place + 1}" if place < 3 else "letter 4 and on"
    return "punctuation"
