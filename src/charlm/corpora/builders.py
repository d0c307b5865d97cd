"""The origins of corpora, and the rules by which texts are made of them."""

import sysconfig
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from charlm.corpora.archive import by_hash
from charlm.errors import UserError

PREFIX_BYTES = 4_154_399  # of enwik8, where it cannot be had whole


class FromUrl(NamedTuple):
    """The file at an address."""

    url: str


class FromArchive(NamedTuple):
    """Files of an archive, one after another.

    Attributes:
      file: the archive's place below a data folder.
      url: its address; empty if there is no lasting one.
      max_archive_bytes: the largest size of the archive.
      sha256: of the archive; empty if its bytes change while its files do not. Then
        that of the text decides.
      keep: whether a file of this name is part of the text.
      sort_key: what the names are sorted by.
      max_bytes: the largest size to which it unpacks.
      postprocess: changes a small text once it is joined.
    """

    file: str
    url: str
    max_archive_bytes: int
    sha256: str
    keep: Callable[[str], bool]
    sort_key: Callable[[str], bytes]
    max_bytes: int
    postprocess: Callable[[str], str] | None = None


class FromCorpus(NamedTuple):
    """Made of another corpus by build(its file, target)."""

    corpus: str
    build: Callable[[Path, Path], None]


class Generated(NamedTuple):
    """Made of what is on this machine by build(target)."""

    build: Callable[[Path], object]


class Crawled(NamedTuple):
    """The pages of a site to which an index links."""

    url: str


def is_c(name: str) -> bool:
    """Says whether a file is C: .c or .h."""
    return name.endswith((".c", ".h"))


def is_c_of_kernel(name: str) -> bool:
    """Says whether a file is C of the folder kernel/ of a release, at any depth."""
    return is_c(name) and PurePosixPath(name).parts[1:2] == ("kernel",)


def drop_blank_lines(text: str) -> str:
    """Returns the lines that are not blank, without the spaces at their ends."""
    lines = (line.rstrip() for line in text.splitlines())
    return "".join(f"{line}\n" for line in lines if line)


def shuffle_names(source: Path, target: Path) -> None:
    """Writes the distinct lines of a sorted list in the order of their hash."""
    names = set(source.read_text(encoding="utf-8").splitlines())
    text = "".join(f"{name}\n" for name in sorted(names, key=by_hash))
    target.write_text(text, encoding="utf-8")


def cut_prefix(source: Path, target: Path) -> None:
    """Writes the first PREFIX_BYTES of a file."""
    with source.open("rb") as file:
        target.write_bytes(file.read(PREFIX_BYTES))


def write_python_stdlib(target: Path) -> None:
    """Writes the sources of the running Python's standard library."""
    stdlib = Path(sysconfig.get_paths()["stdlib"])
    with target.open("w", encoding="utf-8", newline="") as file:
        for path in list_stdlib_files(stdlib):
            try:
                file.write(path.read_text(encoding="utf-8"))
            except UnicodeDecodeError:
                continue  # a handful of old files are Latin-1
    if not target.stat().st_size:
        raise UserError(f"there are no Python sources in {stdlib}")


def list_stdlib_files(stdlib: Path) -> Iterator[Path]:
    """Returns the standard library's sources, without tests, in the order of a hash."""
    skipped = {"test", "tests", "idle_test", "site-packages", "dist-packages"}
    names = [
        path.relative_to(stdlib).as_posix()
        for path in stdlib.rglob("*.py")
        if skipped.isdisjoint(path.relative_to(stdlib).parts[:-1])
    ]
    return (stdlib / name for name in sorted(names, key=by_hash))
