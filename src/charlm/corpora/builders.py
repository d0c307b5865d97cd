"""The origins of corpora, and the rules by which texts are made of them."""

import sysconfig
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from charlm.corpora.archive import by_hash, by_name
from charlm.errors import UserError

PREFIX_BYTES = 4_154_399  # of enwik8, where it cannot be had whole


class FromUrl(NamedTuple):
    """The file at an address."""

    url: str


class FromArchive(NamedTuple):
    """Files of an archive, one after another."""

    file: str  # the archive's place below a data folder
    keep: Callable[[str], bool]  # whether a file of this name is part of the text
    url: str = ""  # empty if the archive has no lasting address
    # Empty if the archive's bytes change while its files do not. Then that of the text
    # decides.
    sha256: str = ""
    sort_key: Callable[[str], bytes] = by_name
    max_bytes: int = 500_000_000  # the largest size to which it unpacks
    postprocess: Callable[[str], str] | None = None  # changes the text, once joined


class Generated(NamedTuple):
    """Made by build(target), or of another corpus by build(its file, target)."""

    build: Callable[..., object]
    corpus: str = ""


class Crawled(NamedTuple):
    """The pages of a site to which an index links."""

    url: str


def is_c(name: str) -> bool:
    """Returns whether a file is C."""
    return name.endswith((".c", ".h"))


def is_c_of_kernel(name: str) -> bool:
    """Returns whether a file is C and below the folder kernel/ of a release."""
    return is_c(name) and PurePosixPath(name).parts[1:2] == ("kernel",)


def drop_blank_lines(text: str) -> str:
    """Returns the lines that are not blank, without the spaces at their ends."""
    lines = (line.rstrip() for line in text.splitlines())
    return "".join(f"{line}\n" for line in lines if line)


def shuffle_names(source: Path, target: Path) -> None:
    """Writes the distinct lines of a sorted list in the order of their hash."""
    names = set(source.read_text(encoding="utf-8").splitlines())
    text = "".join(f"{name}\n" for name in sorted(names, key=by_hash))
    target.write_text(text, encoding="utf-8", newline="")


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
    """Yields the standard library's sources, without tests, in the order of a hash."""
    skipped = {"test", "tests", "idle_test", "site-packages", "dist-packages"}
    paths = (path.relative_to(stdlib) for path in stdlib.rglob("*.py"))
    names = (p.as_posix() for p in paths if skipped.isdisjoint(p.parts[:-1]))
    return (stdlib / name for name in sorted(names, key=by_hash))
