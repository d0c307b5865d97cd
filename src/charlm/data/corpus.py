"""Encodes a text once, as ids of the smallest integer type in a memory-mapped file."""

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
from charlm.files import (
    changed_files,
    file_sha256,
    get_cache_folder,
    lock_file,
    write_checksums,
)

CHUNK_BYTES = 1 << 22  # read at a time: memory stays at a few times this
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
    extra_symbols: Vocab | None = None,
    cache: str | os.PathLike | None = None,
) -> Corpus:
    """Returns the corpus of a text file, which is encoded at the first use.

    The result is kept in a cache, whose entries are named by the file's SHA-256. Line
    ends are kept as they are. A byte order mark at the start is dropped from
    characters, not from bytes.

    Args:
      path: the text.
      unit: "char" decodes the file; "byte" takes any file as it is.
      encoding: of the characters, by its Python name.
      extra_symbols: symbols that the vocabulary has besides those of the text.
      cache: the folder for encoded texts; by default `get_cache_folder()/encoded`.

    Raises:
      UserError: no such file, not a text in that encoding, or fewer than 2 symbols.
    """
    path = Path(path)
    _check_text(path)
    # A byte is the character of Latin-1 with its number.
    encoding = _normalize_encoding(encoding) if unit == "char" else "latin-1"
    sha256, folder = file_sha256(path), Path(cache or get_cache_folder() / "encoded")

    def encode(extra: Vocab | None) -> Corpus:
        recipe = f"{CACHE_FORMAT} {unit} {encoding} {extra.to_json() if extra else ''}"
        key = f"{sha256[:32]}-{hashlib.sha256(recipe.encode()).hexdigest()[:8]}"
        corpus = _read_entry(folder / key, sha256)
        if corpus is None:
            _write_entry(folder / key, path, unit, encoding, extra, sha256)
            corpus = _read_entry(folder / key, sha256)
        if corpus is None:
            raise UserError(f"{folder / key} is damaged; remove that folder")
        return corpus

    corpus = encode(None)
    # Encoded anew only for symbols that the text lacks.
    if extra_symbols is None or corpus.vocab.union(extra_symbols) == corpus.vocab:
        return corpus
    return encode(extra_symbols)


def _check_text(path: Path) -> None:
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


def split_slices(length: int, split: Sequence[Any]) -> dict[str, slice]:
    """Returns the contiguous slices "train", "valid" and "test" of a text.

    Args:
      length: symbols in the text.
      split: up to three shares of it (floats with a sum of at most 1) or exact sizes
        (ints with a sum of at most `length`), in that order.
    """
    sizes = list(split)
    numbers = all(type(size) in (int, float) and size >= 0 for size in sizes)
    if not numbers or not 1 <= len(sizes) <= 3 or not sizes[0]:
        raise UserError(
            f"data.split is {tuple(sizes)}; give the shares of train, valid and test,"
            " as in (0.9, 0.05, 0.05), or their exact sizes"
        )
    ends = np.cumsum(sizes + [0] * (3 - len(sizes))).tolist()
    if all(type(size) is int for size in sizes) and sizes != [1]:
        if ends[-1] > length:
            raise UserError(
                f"data.split asks for {ends[-1]} characters; the text has {length}"
            )
    else:
        if ends[-1] > 1 + 1e-9:
            raise UserError(f"data.split is {tuple(sizes)}: the shares exceed 1")
        # Rounded before cut: 0.7 + 0.2 is 0.8999... and would lose a character.
        ends = [int(round(length * end, 6)) for end in ends]
    return dict(zip(SPLITS, map(slice, [0, *ends], ends), strict=True))


def _normalize_encoding(encoding: str) -> str:
    """Returns Python's own name of an encoding of text."""
    try:
        name = codecs.lookup(encoding).name
        "".encode(name)  # refuses the codecs that are not of text, such as base64
    except (LookupError, ValueError) as error:
        raise UserError(
            f"data.encoding is {encoding!r}, which Python does not know;"
            " use a name such as utf-8, latin-1 or gb18030"
        ) from error
    return name


def _read_codes(path: Path, encoding: str) -> Iterator[np.ndarray]:
    """Yields the code points of a file, a chunk at a time."""
    with path.open("rb") as file:
        decoder = codecs.getincrementaldecoder(encoding)()
        data, is_start = None, True
        while data != b"":  # decoded as well: its end may be missing
            position = file.tell() - len(decoder.getstate()[0])
            data = file.read(CHUNK_BYTES)
            try:
                text = decoder.decode(data, final=not data)
                if is_start and text:
                    text, is_start = text.removeprefix(BOM), False
                yield np.frombuffer(text.encode("utf-32-le"), "<u4")
            except UnicodeError as error:
                position += getattr(error, "start", 0)
                raise UserError(
                    f"{path} is not {encoding}: byte {position} cannot be decoded;"
                    " convert it, or set data.encoding, or data.unit=byte to learn the"
                    " bytes"
                ) from error


def _write_entry(entry, path, unit, encoding, extra_symbols, sha256) -> None:
    """Encodes a text into an entry of the cache, unless another process has."""
    occurs, length = np.zeros(MAX_CODE[unit] + 1, bool), 0
    for codes in _read_codes(path, encoding):
        occurs[codes] = True
        length += len(codes)
    if length < 2:
        raise UserError(f"{path} has only {length} character; a model needs 2 or more")
    vocab = Vocab(unit, tuple(np.flatnonzero(occurs).tolist()))
    vocab = vocab.union(extra_symbols) if extra_symbols else vocab
    folder = entry.with_name(f"{entry.name}.tmp")
    try:
        entry.parent.mkdir(parents=True, exist_ok=True)
        with lock_file(Path(f"{entry}.lock")):
            if _read_entry(entry, sha256) is not None:
                return
            for old in (folder, entry):  # of a process that was killed; damaged
                shutil.rmtree(old, ignore_errors=True)
            folder.mkdir()
            try:
                _write_ids(folder, path, encoding, vocab, length)
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


def _write_ids(folder, path, encoding, vocab, length) -> None:
    """Writes ids[length] and the vocabulary of a text into a folder."""
    with (folder / "ids.npy").open("wb") as file:
        header = {"descr": vocab.dtype.str, "fortran_order": False}
        np.lib.format.write_array_header_1_0(file, {**header, "shape": (length,)})
        # Written, not assigned to a memory map, whose pages count as ours.
        for codes in _read_codes(path, encoding):
            file.write(vocab.ids_of(codes).astype(vocab.dtype).tobytes())
    path = folder / "vocab.json"
    path.write_text(vocab.to_json(), encoding="utf-8", newline="")
    write_checksums(folder)


def _read_entry(entry: Path, sha256: str) -> Corpus | None:
    """Returns the corpus of an entry of the cache, None if it is absent or damaged."""
    try:
        ids = np.load(entry / "ids.npy", mmap_mode="r", allow_pickle=False)
        vocab = Vocab.from_json((entry / "vocab.json").read_text(encoding="utf-8"))
    except (OSError, ValueError, EOFError):
        return None
    if ids.dtype != vocab.dtype or changed_files(entry):
        return None
    return Corpus(ids, vocab, sha256)
