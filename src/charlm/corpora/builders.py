"""The ways in which corpora are made, and the rules that these take."""

import sysconfig
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from charlm.corpora.archive import by_hash
from charlm.errors import UserError

PREFIX = 4_154_399  # bytes of enwik8: what there is of it where it cannot be had whole


class FromUrl(NamedTuple):
    """The file at an address."""

    url: str


class FromArchive(NamedTuple):
    """Files of an archive, one after another.

    Attributes:
      file: the archive's place below a data folder.
      url: its address; empty if there is no lasting one.
      packed: its bytes, at most.
      sha256: of the archive; empty if its address has the same files in other bytes
        at other times: then that of the text decides.
      wanted: says by its name whether a file is wanted.
      order: what of a name the files are sorted by.
      most: bytes to which it unpacks, at most.
      tidy: what is done to a small text that has been joined.
    """

    file: str
    url: str
    packed: int
    sha256: str
    wanted: Callable[[str], bool]
    order: Callable[[str], bytes]
    most: int
    tidy: Callable[[str], str] | None = None


class FromCorpus(NamedTuple):
    """Made of another corpus by build(its file, target)."""

    of: str
    build: Callable[[Path, Path], None]


class Generated(NamedTuple):
    """Made of what is here by build(target)."""

    build: Callable[[Path], None]


class Crawled(NamedTuple):
    """The pages of a site that an index links to."""

    url: str


def is_c(name: str) -> bool:
    """Says whether a file is C: .c or .h."""
    return name.endswith((".c", ".h"))


def is_c_of_kernel(name: str) -> bool:
    """Says whether a file is C of the folder kernel/ of a release, at any depth."""
    return is_c(name) and PurePosixPath(name).parts[1:2] == ("kernel",)


def is_top_level_tex(name: str) -> bool:
    """Says whether a file is .tex, right in the one folder that an archive has."""
    return name.endswith(".tex") and len(PurePosixPath(name).parts) == 2


def is_list_of_names(name: str) -> bool:
    """Says whether a file is one of the two lists of names."""
    return name in ("names/male.txt", "names/female.txt")


def male_first(name: str) -> bytes:
    """The order of the two lists: by name it would be the other."""
    return b"" if name == "names/male.txt" else name.encode()


def without_blank_lines(text: str) -> str:
    """The lines that have more than spaces, without those at their ends."""
    lines = (line.rstrip() for line in text.splitlines())
    return "".join(f"{line}\n" for line in lines if line)


def shuffle_names(listed: Path, target: Path) -> None:
    """The distinct lines of a list in the order of their hash: the list is sorted."""
    names = set(listed.read_text(encoding="utf-8").splitlines())
    text = "".join(f"{name}\n" for name in sorted(names, key=by_hash))
    target.write_text(text, encoding="utf-8")


def cut_prefix(whole: Path, target: Path) -> None:
    """The first PREFIX bytes of a file."""
    with whole.open("rb") as source, target.open("wb") as file:
        file.write(source.read(PREFIX))


def write_hello(target: Path) -> None:
    target.write_text("hello" * 200, encoding="utf-8")


def write_python_stdlib(target: Path) -> None:
    """The running Python's standard library."""
    stdlib = Path(sysconfig.get_paths()["stdlib"])
    with target.open("w", encoding="utf-8", newline="") as file:
        for path in python_stdlib_files(stdlib):
            try:
                file.write(path.read_text(encoding="utf-8"))
            except UnicodeDecodeError:
                continue  # a handful of old files are Latin-1
    if not target.stat().st_size:
        raise UserError(f"there are no Python sources in {stdlib}")


def python_stdlib_files(stdlib: Path) -> Iterator[Path]:
    """The standard library's own sources, without tests, in the order of a hash."""
    skipped = {"test", "tests", "idle_test", "site-packages", "dist-packages"}
    names = [
        path.relative_to(stdlib).as_posix()
        for path in stdlib.rglob("*.py")
        if skipped.isdisjoint(path.relative_to(stdlib).parts[:-1])
    ]
    return (stdlib / name for name in sorted(names, key=by_hash))
