"""What would have helped with a character: who it is, and the oracles that mend it.

After A. Karpathy, J. Johnson and L. Fei-Fei, "Visualizing and understanding recurrent
networks", 2015: a character is an error if it was given a probability below a half; the
errors are laid aside one oracle after the other.
"""

import collections
import re
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

from charlm import Vocab

WORD = re.compile(r"\w+(?:['’]\w+)*")
MEMORIES = (100, 500, 1000, 5000)  # characters looked back on; the paper's
# Words by how often the training text has them; the paper goes to five times.
RARE = ("never", "once", "twice", "3 times", "4 times", "5 times")
CLASSES = (
    *("letter 1", "letter 2", "letter 3", "letter 4 and on", "capital letter"),
    *("digit", "space", "end of line", "punctuation"),
)
Mask = Bool[np.ndarray, " n"]


class Words(NamedTuple):
    """The words of a text of n characters.

    Attributes:
      place: of each character in its word, from 0; -1 outside of words.
      back: characters from its word's beginning to where the same word began last;
        a number beyond any text, for a word that is new there, or no word.
      known: how often its word stands in another text; -1 outside of words.
    """

    place: Int[np.ndarray, " n"]
    back: Int[np.ndarray, " n"]
    known: Int[np.ndarray, " n"]


def text_of(ids: np.ndarray, vocab: Vocab) -> str:
    """The text with one character for each id: of bytes, all beyond ASCII as one."""
    codes = np.asarray(vocab.codes)[ids]
    if vocab.unit == "byte":  # parts of letters, nearly always
        codes = np.where(codes < 128, codes, ord("é"))
    return codes.astype("<u4").tobytes().decode("utf-32-le")


def words_in(text: str, train: str) -> Words:
    """The words of a text, and what is known of them from it and the training text."""
    counts = collections.Counter(WORD.findall(train))
    place = np.full(len(text), -1)
    back = np.full(len(text), np.iinfo(np.int64).max)
    known = np.full(len(text), -1)
    last: dict[str, int] = {}
    for match in WORD.finditer(text):
        word, begin, end = match[0], match.start(), match.end()
        place[begin:end] = np.arange(end - begin)
        known[begin:end] = counts[word]
        if word in last:
            back[begin:end] = begin - last[word]
        last[word] = begin
    return Words(place, back, known)


def oracles(
    text: str, words: Words, p: Float[np.ndarray, " n"], grams: Mask
) -> dict[str, Mask]:
    """Which characters each oracle mends, in the order in which they are asked.

    Args:
      text: of n characters.
      words: its words.
      p: what each character was given.
      grams: which some n-gram model gives a half or more.
    """
    found = {"n-grams": grams}
    for memory in MEMORIES:
        again = (words.place > 0) & (words.back <= memory)
        found[f"a memory of {memory:,}"] = again
    for most, often in enumerate(RARE):
        found[f"words seen {often}"] = (words.place >= 0) & (words.known <= most)
    after = np.asarray([True, *(c.isspace() or c in "\"'“‘([" for c in text[:-1])])
    found["beginnings of words"] = after & (words.place == 0)
    found["space and punctuation"] = words.place < 0
    found["a boost from 0.4"] = p >= 0.4
    return found


def apportioned(errors: Mask, masks: dict[str, Mask]) -> dict[str, int]:
    """How many errors each oracle is the first to mend; and "the rest"."""
    found, left = {}, errors.copy()
    for name, mask in masks.items():
        found[name] = int((left & mask).sum())
        left &= ~mask
    return found | {"the rest": int(left.sum())}


def grouped(counts: dict[str, int]) -> dict[str, int]:
    """What `apportioned` gave, all memories together, and all words seldom seen."""
    found = collections.Counter()
    for name, count in counts.items():
        for start, group in (("a memory", "a memory"), ("words seen", "rare words")):
            name = group if name.startswith(start) else name
        found[name] += count
    return dict(found)


def classes_of(text: str, words: Words) -> Int[np.ndarray, " n"]:
    """The place in CLASSES of each character."""
    kind = [_class_of(c, place) for c, place in zip(text, words.place, strict=True)]
    return np.asarray([CLASSES.index(name) for name in kind])


def _class_of(character: str, place: int) -> str:
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
