"""join(...): one text of the files in an archive, which is never unpacked.

Python's own ways to unpack (shutil.unpack_archive, tarfile's filters) bound no size
and take names for paths.
"""

import bz2
import codecs
import gzip
import hashlib
import lzma
import os
import stat
import tarfile
import tempfile
import textwrap
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from charlm.errors import UserError

CHUNK_BYTES = 1 << 20  # read at a time
OPENERS = {b"\x1f\x8b": gzip.open, b"BZh": bz2.open, b"\xfd7zXZ": lzma.open}


def by_name(name: str) -> bytes:
    """Sorts names byte by byte."""
    # Bytes that were not UTF-8 are surrogates in a name.
    return name.encode("utf-8", "surrogateescape")


def by_hash(name: str) -> bytes:
    """Sorts names by their SHA-256: a fixed order, and yet shuffled.

    So train and validation text are alike: sorted by name, all of a folder would be in
    one of them.
    """
    return hashlib.sha256(by_name(name)).digest()


def join(
    archive: Path,
    target: Path,
    *,
    keep: Callable[[str], bool],
    sort_key: Callable[[str], bytes] = by_hash,
    max_bytes: int,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> None:
    """Writes files of an archive to `target`, one after another.

    The archive is a .zip, .tar, .tar.gz, .tar.bz2 or .tar.xz, recognized by its first
    bytes. Names only select (`keep`) and sort (`sort_key`) the files; those that are
    not UTF-8 are left out. Memory holds a few chunks and all kept names; the disk
    holds, for a while, the text twice. `on_progress` gets the bytes of the archive that
    are read, and all of them.

    Raises UserError if the archive is damaged, unpacks to more than `max_bytes`, or has
    no text that is kept.
    """
    with tempfile.TemporaryFile(dir=target.parent) as spool, target.open("wb") as file:
        spans: dict[str, tuple[int, int]] = {}
        for name, chunk in _read_chunks(archive, keep, max_bytes, on_progress):
            # The last file of a name counts, as it does for programs that unpack.
            start = spans[name][0] if chunk else spool.tell()
            spool.write(chunk)
            spans[name] = start, spool.tell()
        for name in sorted(spans, key=sort_key):
            _copy_utf8(spool, *spans[name], file)
        if not file.tell():
            raise UserError(f"{archive} has no text that is kept")


def _read_chunks(archive, keep, max_bytes, on_progress) -> Iterator[tuple[str, bytes]]:
    """Yields (name, bytes) of the plain files to keep: for each b"" first, then it."""
    with archive.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        read = _read_zip if file.peek(2).startswith(b"PK") else _read_tar
        try:
            for name, content in read(file, keep, max_bytes):
                yield name, b""
                while chunk := content.read(CHUNK_BYTES):
                    yield name, chunk
                    on_progress(file.tell(), size)
        except Exception as error:  # damaged bytes raise nearly anything
            reason = textwrap.shorten(str(error), 100) or type(error).__name__
            raise UserError(
                f"{archive} is damaged or not what it should be ({reason});"
                " remove it and get it again"
            ) from error


def _read_tar(file, keep, max_bytes) -> Iterator[tuple[str, Any]]:
    start = file.peek(6)
    openers = [OPENERS[magic] for magic in OPENERS if start.startswith(magic)]
    source: Any = _Bounded(openers[0](file) if openers else file, max_bytes)
    # One encoding, so that the order of names is the same everywhere.
    options: dict[str, Any] = {"tarinfo": _Header, "encoding": "utf-8"}
    with tarfile.open(fileobj=source, mode="r|", **options) as tar:
        while member := tar.next():
            tar.members = []  # pyright: ignore  # else it remembers them all
            if not 0 <= member.size <= max_bytes:  # it would look for their end
                raise ValueError(f"a file in it claims {member.size:,} bytes")
            # A sparse file claims zeros that are nowhere.
            if member.isreg() and not member.issparse() and keep(member.name):
                yield member.name, tar.extractfile(member)
    while source.read(CHUNK_BYTES):  # to the end, where the last checksum is
        pass


def _read_zip(file, keep, max_bytes) -> Iterator[tuple[str, Any]]:
    bounded = _Bounded(file, max_bytes)
    with zipfile.ZipFile(file) as packed:
        for member in packed.infolist():
            mode = stat.S_IFMT(member.external_attr >> 16)  # 0 if not from Unix
            if mode not in (0, stat.S_IFREG) or not keep(member.filename):
                continue
            # Other methods unpack without a bound.
            if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                raise ValueError("it is not compressed by deflate")
            with packed.open(member) as bounded.file:
                yield member.filename, bounded


class _Bounded:
    """A file from which no more than `max_bytes` can be read."""

    def __init__(self, file, max_bytes: int):
        self.file, self.left, self.max_bytes = file, max_bytes, max_bytes

    def read(self, size: int) -> bytes:
        chunk = self.file.read(size)
        self.left -= len(chunk)
        if self.left < 0:
            raise ValueError(f"it unpacks to more than {self.max_bytes:,} bytes")
        return chunk


class _Header(tarfile.TarInfo):
    """A tar header for which damage is an error. tarfile takes it for the end."""

    @classmethod
    def frombuf(cls, buf, encoding, errors):
        try:
            return super().frombuf(buf, encoding, errors)
        except tarfile.HeaderError as error:
            if buf == bytes(tarfile.BLOCKSIZE):  # the end
                raise
            raise ValueError("a header is damaged, or its end is missing") from error


def _copy_utf8(source, start: int, end: int, target) -> None:
    """Appends bytes of `source` to `target`, unless they are not UTF-8."""
    position = target.tell()
    source.seek(start)
    sizes = (min(end - n, CHUNK_BYTES) for n in range(start, end, CHUNK_BYTES))
    try:
        for text in codecs.iterdecode(map(source.read, sizes), "utf-8"):
            target.write(text.encode())
    except UnicodeDecodeError:
        target.seek(position)
        target.truncate()
