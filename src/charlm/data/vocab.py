"""Vocab: symbols <-> ids, for characters or for bytes."""

import dataclasses
import functools
import json
from collections.abc import Iterable
from typing import Literal

import numpy as np

from charlm.errors import UserError

Unit = Literal["char", "byte"]
MAX_CODE = {"char": 0x10FFFF, "byte": 0xFF}


@dataclasses.dataclass(frozen=True)
class Vocab:
    """Sorted symbols; the id of a symbol is its place among them."""

    unit: Unit  # "char" (Unicode code points) or "byte"
    codes: tuple[int, ...]  # the code points or byte values, strictly rising

    def __post_init__(self):
        if self.unit not in MAX_CODE:
            raise UserError(f"unit is {self.unit!r}; it must be 'char' or 'byte'")
        codes = self.codes
        if not codes or list(codes) != sorted(set(codes)):
            raise UserError("a vocabulary needs distinct symbols in rising order")
        if codes[0] < 0 or codes[-1] > MAX_CODE[self.unit]:
            raise UserError(f"a vocabulary has a code that is no {self.unit}")
        if self.unit == "char" and any(0xD800 <= code <= 0xDFFF for code in codes):
            raise UserError("a vocabulary has a surrogate, which is no character")

    @classmethod
    def of(cls, text: str | bytes, unit: Unit = "char") -> "Vocab":
        """The vocabulary of all symbols in `text`."""
        return cls(unit, tuple(np.unique(_get_codes(text, unit)).tolist()))

    def __len__(self) -> int:
        return len(self.codes)

    @property
    def symbols(self) -> list[str]:
        """Each symbol as text; a byte that is not ASCII as its escape, `\\xff`."""
        if self.unit == "char":
            return [chr(code) for code in self.codes]
        return [bytes([c]).decode("ascii", "backslashreplace") for c in self.codes]

    @property
    def dtype(self) -> np.dtype:
        """The smallest unsigned integer type that holds every id."""
        return np.min_scalar_type(len(self.codes) - 1)

    @functools.cached_property
    def _ids(self) -> np.ndarray:
        table = np.full(self.codes[-1] + 2, -1, np.int32)
        table[list(self.codes)] = np.arange(len(self.codes))
        return table

    def ids_of(self, codes: np.ndarray) -> np.ndarray:
        """ids[n] of codes[n]; -1 where the code is not in the vocabulary."""
        # Clipped to the table's last place, which is no symbol's.
        return np.take(self._ids, codes, mode="clip")

    def encode(self, text: str | bytes, *, what: str = "the text") -> np.ndarray:
        """ids[n] of `text`, in the smallest integer type.

        A UserError names the symbols that are not in the vocabulary, and where the
        first of each stands.
        """
        codes = _get_codes(text, self.unit)
        ids = self.ids_of(codes)
        if (ids < 0).any():
            raise UserError(self._describe_unseen(codes, ids < 0, what))
        return ids.astype(self.dtype)

    def find_unseen(self, text: str) -> str:
        """Each character of `text` that has a symbol which is not in the vocabulary."""
        codes = {c: _get_codes(c, self.unit) for c in dict.fromkeys(text)}
        return "".join(c for c in codes if (self.ids_of(codes[c]) < 0).any())

    def translate(self, ids: np.ndarray, vocab: "Vocab", *, what: str) -> np.ndarray:
        """`ids` of another vocabulary as ids of this one; its errors are `encode`'s."""
        if vocab == self:
            return ids
        codes = np.asarray(vocab.codes)
        table = self.ids_of(codes) if vocab.unit == self.unit else -np.ones_like(codes)
        unseen = (table < 0)[ids]
        if unseen.any():
            raise UserError(self._describe_unseen(codes[ids], unseen, what))
        return table.astype(self.dtype)[ids]

    def _describe_unseen(self, codes: np.ndarray, unseen: np.ndarray, what: str) -> str:
        positions = np.flatnonzero(unseen)
        first = np.unique(codes[positions], return_index=True)[1]
        symbols = []
        for position in positions[np.sort(first)[:5]]:
            code, is_char = int(codes[position]), self.unit == "char"
            symbol = (
                f"{chr(code)!r} (U+{code:04X})" if is_char else f"byte 0x{code:02x}"
            )
            starts = np.append(0, np.flatnonzero(codes[:position] == ord("\n")) + 1)
            column = position - starts[-1] + 1
            symbols.append(f"{symbol} at line {len(starts)}, column {column}")
        more = f" and {len(first) - 5} more" if len(first) > 5 else ""
        kind = "characters" if self.unit == "char" else "bytes"
        return (
            f"{what} has {kind} that the model has never seen: {'; '.join(symbols)}"
            f"{more}; leave them out or write others in their place"
        )

    def decode_bytes(self, ids: Iterable[int] | np.ndarray) -> bytes:
        """The bytes of `ids`: of a character vocabulary, its UTF-8."""
        codes = np.asarray(self.codes)[np.asarray(ids, np.int64)]
        if self.unit == "byte":
            return codes.astype(np.uint8).tobytes()
        return codes.astype("<u4").tobytes().decode("utf-32-le").encode()

    def decode(self, ids: Iterable[int] | np.ndarray) -> str:
        """The text of `ids`; bytes that are not UTF-8 become U+FFFD."""
        return self.decode_bytes(ids).decode("utf-8", "replace")

    def union(self, other: "Vocab") -> "Vocab":
        """The symbols of both."""
        if self.unit != other.unit:
            raise UserError(
                f"a vocabulary of {self.unit}s and one of {other.unit}s do not mix;"
                f" set data.unit={other.unit}"
            )
        return Vocab(self.unit, tuple(sorted({*self.codes, *other.codes})))

    def to_json(self) -> str:
        """A JSON object: the unit, and the symbols as text (bytes: as numbers)."""
        symbols = self.symbols if self.unit == "char" else self.codes
        return json.dumps({"unit": self.unit, "symbols": symbols}, indent=1)

    @classmethod
    def from_json(cls, text: str) -> "Vocab":
        """The Vocab that `to_json` wrote; another text is a UserError."""
        try:
            value = json.loads(text)
            unit, symbols = value["unit"], value["symbols"]
            codes = map(ord, symbols) if unit == "char" else symbols
            return cls(unit, tuple(int(code) for code in codes))
        except (ValueError, TypeError, KeyError, OverflowError) as error:
            raise UserError(f"not a vocabulary: {error}") from error


def _get_codes(text: str | bytes, unit: Unit) -> np.ndarray:
    """codes[n] of `text`: Unicode code points, or bytes (of a str: its UTF-8)."""
    if unit == "byte":
        # surrogateescape: how Python keeps the bytes of a command line.
        is_bytes = isinstance(text, bytes)
        data = text if is_bytes else text.encode(errors="surrogateescape")
        return np.frombuffer(data, np.uint8)
    if isinstance(text, bytes):
        text = text.decode("utf-8")
    # surrogatepass: a lone surrogate (from a broken prompt) is reported as unseen.
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), "<u4")
