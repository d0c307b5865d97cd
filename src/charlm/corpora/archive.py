"""join(...): one text of the files in an archive, which is never unpacked.

An archive from elsewhere may say anything. What it says of names, links, devices,
owners and sizes is not followed: a name orders the files and is never a path, and what
is read is bounded whatever it claims to be.
"""

import bz2
import codecs
import gzip
import hashlib
import io
import lzma
import os
import stat
import struct
import tarfile
import tempfile
import textwrap
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from charlm.errors import UserError

PIECE = 1 << 20  # bytes read at a time
MEMBERS = 200_000  # of an archive; a kernel has 50,000
EXTENDS = (
    *(tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK),
    *(tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.SOLARIS_XHDTYPE),
)
EXTRA = 1 << 20  # bytes of a tar header that extends another: a long name, mostly
# What the readers raise for damaged bytes: found by trying, written nowhere.
DAMAGE = (
    *(OSError, EOFError, ValueError, RuntimeError, LookupError, MemoryError),
    *(OverflowError, struct.error, zlib.error, lzma.LZMAError),
    *(tarfile.TarError, zipfile.BadZipFile),
)


def by_name(name: str) -> bytes:
    """The order of names, byte by byte."""
    # Names come decoded; what was no UTF-8 in them stands as surrogates.
    return name.encode("utf-8", "surrogateescape")


def by_hash(name: str) -> bytes:
    """The order of the SHA-256 of names: fixed, and yet shuffled.

    So train and validation text are alike: by name, all of one folder would fall into
    one of them.
    """
    return hashlib.sha256(by_name(name)).digest()


def join(
    archive: Path,
    target: Path,
    *,
    wanted: Callable[[str], bool],
    order: Callable[[str], bytes] = by_hash,
    most: int,
    show: Callable[[int, int], None] = lambda done, total: None,
) -> None:
    """Writes the wanted files of an archive to `target`, one after another.

    Their order in the archive is of no account. Files that are not UTF-8 are left out.
    Memory stays at a few pieces, the names and the compression's window; the disk
    holds, for a while, the text twice.

    Args:
      archive: .tar, .tar.gz, .tar.bz2, .tar.xz or .zip, told by its first bytes.
      target: the text's place.
      wanted: says by its name whether a file is wanted.
      order: what of a file's name the files are sorted by.
      most: bytes that are unpacked, at most, wanted or not.
      show: is told how many bytes of the archive have been read, of how many.

    Raises:
      UserError: it is damaged, unpacks to more, or has nothing that is wanted.
      OSError: `target` cannot be written.
    """
    with tempfile.TemporaryFile(dir=target.parent) as spool, target.open("wb") as file:
        places: dict[str, list[int]] = {}
        for name, piece in pieces(archive, wanted=wanted, most=most, show=show):
            if not piece:
                # The last of a name counts, as it does for those who unpack.
                places[name] = [spool.tell(), 0]
            spool.write(piece)
            places[name][1] += len(piece)
        for name in sorted(places, key=order):
            if _is_utf8(_stretch(spool, *places[name])):
                file.writelines(_stretch(spool, *places[name]))
        if not file.tell():
            raise UserError(f"{archive} has none of the texts that are wanted")


def pieces(
    archive: Path,
    *,
    wanted: Callable[[str], bool],
    most: int,
    show: Callable[[int, int], None] = lambda done, total: None,
) -> Iterator[tuple[str, bytes]]:
    """(name, bytes) of the wanted files in an archive, a piece at a time.

    The first piece of a file is empty, no other is. Only plain files are read. See
    `join`.
    """
    with archive.open("rb") as file:
        try:
            is_zip = file.read(4) in (b"PK\3\4", b"PK\5\6")  # the latter: empty
            file.seek(0)
            size = os.fstat(file.fileno()).st_size
            for named in (_of_zip if is_zip else _of_tar)(file, wanted, most):
                show(file.tell(), size)
                yield named
        except DAMAGE as error:
            reason = textwrap.shorten(str(error), 100) or type(error).__name__
            raise UserError(
                f"{archive} is damaged or not what it should be ({reason});"
                " remove it and get it again"
            ) from error


def _of_tar(file, wanted, most) -> Iterator[tuple[str, bytes]]:
    unpacked = _Bounded(_unpacked(file), most)
    # One encoding everywhere, so that the order is the same everywhere.
    with tarfile.open(
        fileobj=unpacked, mode="r|", tarinfo=_Header, encoding="utf-8"
    ) as tar:
        count = 0
        while member := tar.next():
            count += 1
            tar.members = []  # pyright: ignore  # else it remembers them all
            if not 0 <= member.size <= most:  # else it would look for their end
                raise ValueError(f"a file in it claims {member.size:,} bytes")
            _check_count(count)
            # A sparse file claims zeros that are nowhere.
            plain = member.isreg() and not member.issparse()
            if plain and wanted(member.name):
                content = tar.extractfile(member)
                assert content is not None
                yield from _named(member.name, content)
    # To the end, where the last checksum is.
    while unpacked.read(PIECE):
        pass


def _of_zip(file, wanted, most) -> Iterator[tuple[str, bytes]]:
    left = most
    with zipfile.ZipFile(file) as packed:
        _check_count(len(packed.infolist()))
        for member in packed.infolist():
            kind = stat.S_IFMT(member.external_attr >> 16)  # 0 if not from Unix
            plain = kind in (0, stat.S_IFREG) and not member.is_dir()
            if not plain or not wanted(member.filename):
                continue
            # The others are unpacked without a bound.
            if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                raise ValueError("it is packed in another way than by deflate")
            if member.flag_bits & 1:
                raise ValueError("it is encrypted")
            with packed.open(member) as content:
                for name, piece in _named(member.filename, content):
                    left -= len(piece)
                    if left < 0:
                        raise ValueError(f"it unpacks to more than {most:,} bytes")
                    yield name, piece


def _named(name: str, content) -> Iterator[tuple[str, bytes]]:
    yield name, b""
    while piece := content.read(PIECE):
        yield name, piece


def _check_count(count: int) -> None:
    if count > MEMBERS:
        raise ValueError(f"it has more than {MEMBERS:,} members")


def _unpacked(file):
    """The tar in a file that may be compressed, its checksums checked on the way."""
    magic = file.read(6)
    file.seek(0)
    if magic == b"\xfd7zXZ\0":
        return lzma.open(file, format=lzma.FORMAT_XZ)
    if magic.startswith(b"BZh"):
        return bz2.open(file)
    if magic.startswith(b"\x1f\x8b"):
        return gzip.open(file)
    return file


class _Bounded(io.RawIOBase):
    """A file of which no more than `most` bytes can be read."""

    def __init__(self, file, most: int):
        self.file, self.most, self.left = file, most, most

    def read(self, size: int = -1, /) -> bytes:
        assert size >= 0
        piece = self.file.read(min(size, self.left + 1))
        self.left -= len(piece)
        if self.left < 0:
            raise ValueError(f"it unpacks to more than {self.most:,} bytes")
        return piece


class _Header(tarfile.TarInfo):
    """A tar header for which damage is an error: tarfile takes it for the end."""

    @classmethod
    def frombuf(cls, buf, encoding, errors):
        if buf == bytes(tarfile.BLOCKSIZE):  # the end, which tarfile handles
            return super().frombuf(buf, encoding, errors)
        try:
            header = super().frombuf(buf, encoding, errors)
        except tarfile.HeaderError as error:
            raise ValueError("a header in it is damaged, or its end missing") from error
        # These are read whole, at once.
        if header.type in EXTENDS and not 0 <= header.size <= EXTRA:
            raise ValueError(f"a header in it claims {header.size:,} bytes")
        return header


def _stretch(file, start: int, size: int) -> Iterator[bytes]:
    """The bytes of a file from `start`, a piece at a time."""
    file.seek(start)
    while size:
        piece = file.read(min(size, PIECE))
        size -= len(piece)
        yield piece


def _is_utf8(content: Iterable[bytes]) -> bool:
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        for piece in content:
            decoder.decode(piece)
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return False
    return True
