"""What a writer asks a model for: how long it is, and the list to choose from."""

import re
from collections.abc import Sequence
from typing import NamedTuple

from charlm.data.vocab import Vocab
from charlm.errors import UserError

COUNT = 5  # continuations in the list
MAX_DRAWN = 400  # characters, where a pattern says how long a continuation is
# A continuation ends where the match of its pattern does.
ENDS = {
    "word": r"\s*\S+(?=\s)",
    "sentence": r"\s*\S.*?[.!?]+[\"'”’)\]]*(?=\s)",
    "line": r"\s*\S[^\n]*(?=\n)",
    "paragraph": r"\s*\S.*?(?=\n\s*\n)",
}
CHARACTERS = "100"


def get_next_length(length: str) -> str:
    """Returns the length after this one: a name of ENDS, or characters as digits."""
    names = [*ENDS, length if length.isdigit() else CHARACTERS]
    return names[(names.index(length) + 1) % len(names)]


def get_max_characters(length: str) -> int:
    """Returns how many characters are drawn at most. Raises UserError for no length."""
    if length in ENDS:
        return MAX_DRAWN
    if not re.fullmatch("[1-9][0-9]{0,4}", length):
        names = ", ".join(ENDS)
        raise UserError(
            f"length is {length!r}; give {names}, or a number of characters"
        )
    return int(length)


def split_prompt(text: str, vocab: Vocab) -> tuple[str, str]:
    """Returns the part of a text that the model can read, and the characters it cannot.

    Each character that has a symbol which the model has never seen is left out.
    """
    unseen = vocab.find_unseen(text)
    return text.translate({ord(character): None for character in unseen}), unseen


class Choices(NamedTuple):
    """The list of continuations, while they are drawn and afterwards.

    Attributes:
      length: a name of ENDS, or a number of characters.
      drawn: what the model has written of each.
      selected: the place of the marked one.
      done: whether all that will be drawn is there.
    """

    length: str
    drawn: tuple[str, ...] = ("",) * COUNT
    selected: int = 0
    done: bool = False

    @property
    def texts(self) -> list[str]:
        """The continuations, cut to their length; when done, each text once."""
        texts = [self._cut(text)[0] for text in self.drawn]
        return list(filter(None, dict.fromkeys(texts))) if self.done else texts

    def add(self, chunks: Sequence[str]) -> "Choices":
        """Returns the list after the next chunk of each continuation."""
        drawn = tuple(a + b for a, b in zip(self.drawn, chunks, strict=True))
        done = all(self._cut(text)[1] for text in drawn)
        return self._replace(drawn=drawn, done=done)

    def move(self, step: int) -> "Choices":
        """Returns the list with another one marked, `step` places further down."""
        return self._replace(selected=(self.selected + step) % max(len(self.texts), 1))

    def get(self, place: int) -> str:
        """Returns the continuation at a place, "" if there is none."""
        return (self.texts + [""] * (place + 1))[place]

    def _cut(self, text: str) -> tuple[str, bool]:
        """Returns a continuation up to its end, and whether the end was drawn."""
        match = re.match(ENDS.get(self.length, "(?!)"), text, re.DOTALL)
        # A byte model may stop inside a character.
        return (match[0], True) if match else (text.rstrip("\ufffd"), False)
