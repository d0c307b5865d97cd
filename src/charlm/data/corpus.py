"""Any text -> ids in a memory-mapped file of the smallest integer type, once."""

import codecs
import hashlib
import os
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from charlm.data.vocab import MAX_CODE, Unit, Vocab
from charlm.errors import UserError
from charlm.files import cache_folder, changed_files, file_sha256, write_checksums
from charlm.locks import locked

PIECE = 1 << 22  # bytes read at a time: memory stays at a few times this
CACHE_FORMAT = 1  # raised when what an entry of the cache holds changes
SPLITS = ("train", "valid", "test")
BOM = "\ufeff"  # a byte order mark, decoded


class Corpus(NamedTuple):
    """A text as ids[n], its vocabulary, and the SHA-256 of the file it came from."""

    ids: np.ndarray
    vocab: Vocab
    sha256: str


def open_corpus(
    path: str | os.PathLike,
    *,
    unit: Unit = "char",
    encoding: str = "utf-8",
    known: Vocab | None = None,
    cache: str | os.PathLike | None = None,
) -> Corpus:
    """The corpus of a text file, encoded at the first use and kept in the cache.

    An entry of the cache is named by the file's SHA-256, so that another content is
    another entry; it appears complete, by a rename, or not at all. Line ends are kept
    as they are; a byte order mark at the start is dropped from characters, not bytes.

    Args:
      path: the text.
      unit: "char" decodes the file; "byte" takes any file as it is.
      encoding: of the characters, by its Python name.
      known: symbols that the vocabulary has besides those of the text.
      cache: the folder for encoded texts; by default `cache_folder()/encoded`.

    Raises:
      UserError: no such file, not a text in that encoding, or fewer than 2 symbols.
    """
    path = Path(path)
    check_text(path)
    encoding = _codec(encoding) if unit == "char" else ""
    sha256, folder = file_sha256(path), Path(cache or cache_folder() / "encoded")

    def opened(more: Vocab | None) -> Corpus:
        recipe = f"{CACHE_FORMAT} {unit} {encoding} {more.to_json() if more else ''}"
        key = f"{sha256[:32]}-{hashlib.sha256(recipe.encode()).hexdigest()[:8]}"
        corpus = _read_entry(folder / key, sha256)
        if corpus is None:
            _write_entry(folder / key, path, unit, encoding, more, sha256)
            corpus = _read_entry(folder / key, sha256)
        if corpus is None:
            raise UserError(f"{folder / key} is damaged; remove that folder")
        return corpus

    corpus = opened(None)
    # Encoded anew only for symbols that the text has not.
    if known is None or corpus.vocab.union(known) == corpus.vocab:
        return corpus
    return opened(known)


def check_text(path: Path) -> None:
    """Raises UserError unless `path` is a file that can be read and is not empty."""
    try:
        if path.is_dir():
            raise UserError(f"{path} is a folder; give the path of one text file")
        if not path.exists():
            raise UserError(f"there is no file {path}; check its name and folder")
        if not path.is_file():
            raise UserError(f"{path} is not a plain file; save the text to one first")
        with path.open("rb") as file:
            if not file.read(1):
                raise UserError(f"{path} is empty; give a text of 2 characters or more")
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}") from error


def parts(length: int, split: Sequence[Any]) -> dict[str, slice]:
    """The contiguous "train", "valid" and "test" stretches of a text.

    Args:
      length: symbols in the text.
      split: up to three shares of it (floats with a sum of at most 1) or exact sizes
        (ints with a sum of at most `length`), in that order.

    Raises:
      UserError: the split does not fit.
    """
    sizes = list(split)
    numbers = all(type(size) in (int, float) and size >= 0 for size in sizes)
    if not numbers or not 1 <= len(sizes) <= 3 or not sizes[0]:
        raise UserError(
            f"data.split is {tuple(sizes)}; give the shares of train, valid and test,"
            " as in (0.9, 0.05, 0.05), or their exact sizes"
        )
    if all(type(size) is int for size in sizes) and sizes != [1]:
        ends = np.cumsum(sizes).tolist()
        if ends[-1] > length:
            raise UserError(
                f"data.split asks for {ends[-1]} characters; the text has {length}"
            )
    else:
        if sum(sizes) > 1 + 1e-9:
            raise UserError(f"data.split is {tuple(sizes)}: the shares exceed 1")
        # Rounded before cut: 0.7 + 0.2 is 0.8999... and would lose a character.
        ends = [int(round(length * float(end), 6)) for end in np.cumsum(sizes)]
    ends += [ends[-1]] * (3 - len(ends))
    starts = [0, *ends]
    return {
        name: slice(start, end)
        for name, start, end in zip(SPLITS, starts, ends, strict=False)
    }


def _codec(encoding: str) -> str:
    try:
        name = codecs.lookup(encoding).name
        "".encode(name)  # refuses the codecs that are not of text, such as base64
    except (LookupError, ValueError) as error:
        raise UserError(
            f"data.encoding is {encoding!r}, which Python does not know;"
            " use a name such as utf-8, latin-1 or gb18030"
        ) from error
    return name


def _pieces(path: Path, unit: Unit, encoding: str) -> Iterator[np.ndarray]:
    """The codes of a file, a piece at a time."""
    with path.open("rb") as file:
        if unit == "byte":
            while data := file.read(PIECE):
                yield np.frombuffer(data, np.uint8)
            return
        decoder = codecs.getincrementaldecoder(encoding)()
        read, final, at_start = 0, False, True
        while not final:
            data = file.read(PIECE)
            final = not data
            kept = decoder.getstate()[0]
            try:
                text = decoder.decode(data, final)
                if at_start and text:
                    text, at_start = text.removeprefix(BOM), False
                codes = text.encode("utf-32-le")
            except UnicodeError as error:
                start = getattr(error, "start", 0)
                raise UserError(
                    f"{path} is not {encoding}:"
                    f" byte {read - len(kept) + start} cannot be decoded; convert it,"
                    " or set data.encoding, or data.unit=byte to learn the bytes"
                ) from error
            read += len(data)
            if codes:
                yield np.frombuffer(codes, "<u4")


def _write_entry(entry, path, unit, encoding, known, sha256) -> None:
    seen = np.zeros(MAX_CODE[unit] + 1, bool)
    length = 0
    for codes in _pieces(path, unit, encoding):
        seen[codes] = True
        length += len(codes)
    if length < 2:
        raise UserError(f"{path} has only {length} character; a model needs 2 or more")
    vocab = Vocab(unit, tuple(np.flatnonzero(seen).tolist()))
    vocab = vocab.union(known) if known else vocab
    folder = entry.with_name(f"{entry.name}.tmp")
    try:
        entry.parent.mkdir(parents=True, exist_ok=True)
        with locked(entry.with_name(f"{entry.name}.lock")):
            if _read_entry(entry, sha256) is not None:  # another process made it
                return
            for left in (folder, entry):  # of one that was killed; damaged
                shutil.rmtree(left, ignore_errors=True)
            folder.mkdir()
            try:
                _write_ids(folder, path, unit, encoding, vocab, length)
                if file_sha256(path) != sha256:
                    raise UserError(f"{path} changed while it was read; try again")
                folder.rename(entry)
            finally:
                shutil.rmtree(folder, ignore_errors=True)
    except OSError as error:
        raise UserError(
            f"{entry.parent} cannot be written ({error.strerror}); set CHARLM_CACHE to"
            " a folder that can, with room for the text"
        ) from error


def _write_ids(folder, path, unit, encoding, vocab, length) -> None:
    with (folder / "ids.npy").open("wb") as file:
        header = {"descr": vocab.dtype.str, "fortran_order": False}
        np.lib.format.write_array_header_1_0(file, {**header, "shape": (length,)})
        # Written, not assigned to a memory map, whose pages count as ours.
        for codes in _pieces(path, unit, encoding):
            file.write(vocab.ids_of(codes).astype(vocab.dtype).tobytes())
    (folder / "vocab.json").write_text(vocab.to_json(), encoding="utf-8")
    write_checksums(folder)


def _read_entry(entry: Path, sha256: str) -> Corpus | None:
    """The corpus in an entry of the cache; None if there is none or it is damaged."""
    try:
        ids = np.load(entry / "ids.npy", mmap_mode="r", allow_pickle=False)
        vocab = Vocab.from_json((entry / "vocab.json").read_text(encoding="utf-8"))
    except (OSError, ValueError, EOFError):
        return None
    if ids.dtype != vocab.dtype or changed_files(entry):
        return None
    return Corpus(ids, vocab, sha256)
