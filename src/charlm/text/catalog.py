"""The named corpora: where each comes from, its checksum, its licence, how it is built.

They are looked for under $CHARLM_DATA, then in the user's cache folder. A file that is
already there with the right checksum is used without a network.

Each is downloaded or built from what is here; whatever is downloaded has a published
checksum.
"""

import hashlib
import os
import platform
import sysconfig
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from charlm.errors import UserError
from charlm.text.corpus import cache_folder, file_sha256


class Source(NamedTuple):
    """A named corpus.

    Attributes:
      about: what it is, in a line.
      licence: under which it stands.
      file: its place below a data folder.
      url: where it is downloaded from; empty if it is built.
      size: of the download in bytes, or a bound of it.
      sha256: of the file; empty if it is made here and has none that is published.
      build: writes it to a path; None if it is downloaded.
    """

    about: str
    licence: str
    file: str
    url: str = ""
    size: int = 0
    sha256: str = ""
    build: Callable[[Path], None] | None = None


def fetch(name: str) -> Path:
    """The file of a named corpus, downloaded or built if it is not there yet.

    Raises:
      UserError: no such name, or it could not be had.
    """
    source = source_of(name)
    found = find(name)
    if found is not None:
        return found
    from charlm.text.download import download  # loads requests, seldom needed

    target = _writable_folder() / source.file
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.url:
            download(
                source.url, target, what=name, size=source.size, sha256=source.sha256
            )
        else:
            _make(source, target)
    except OSError as error:
        raise UserError(f"{target} cannot be written: {error.strerror}") from error
    return target


def find(name: str) -> Path | None:
    """The file of a named corpus, if it is there with the right checksum."""
    source = source_of(name)
    paths = (folder / source.file for folder in _folders())
    return next((path for path in paths if _is_whole(path, source)), None)


def source_of(name: str) -> Source:
    """The entry of a name.

    Raises:
      UserError: there is none.
    """
    if name not in SOURCES:
        raise UserError(
            f"there is no corpus {name!r}; there are {', '.join(SOURCES)}, and any file"
            " by --config.data.path"
        )
    return SOURCES[name]


def _folders() -> list[Path]:
    given = os.environ.get("CHARLM_DATA")
    return [*([Path(given)] if given else []), cache_folder() / "data"]


def _writable_folder() -> Path:
    """$CHARLM_DATA if it can be written, else the cache."""
    for folder in _folders():
        if folder.is_dir() and os.access(folder, os.W_OK):
            return folder
    return cache_folder() / "data"


def _is_whole(path: Path, source: Source) -> bool:
    return path.is_file() and source.sha256 in ("", file_sha256(path))


def _make(source: Source, target: Path) -> None:
    """Builds a corpus; it is whole or absent."""
    from charlm.text.download import alone, settle

    part = target.with_name(f"{target.name}.part")
    with alone(part) as file:
        if _is_whole(target, source):  # another process made it while we waited
            return
        try:
            if source.build:
                source.build(part)
        except BaseException:
            file.truncate(0)  # and so it is removed
            raise
        settle(file, part, target)


def python_stdlib_files(stdlib: Path) -> Iterator[Path]:
    """The standard library's own sources, without tests, in the order of a hash.

    Ordered by the SHA-256 of their relative paths, so that train and validation text
    are alike: by name, all of one package would fall into one of them.
    """
    skipped = {"test", "tests", "idle_test", "site-packages", "dist-packages"}
    paths = [
        path.relative_to(stdlib)
        for path in stdlib.rglob("*.py")
        if skipped.isdisjoint(path.relative_to(stdlib).parts[:-1])
    ]

    def order(path: Path) -> bytes:
        return hashlib.sha256(path.as_posix().encode()).digest()

    return (stdlib / path for path in sorted(paths, key=order))


def _build_python_stdlib(target: Path) -> None:
    stdlib = Path(sysconfig.get_paths()["stdlib"])
    with target.open("w", encoding="utf-8", newline="") as file:
        for path in python_stdlib_files(stdlib):
            try:
                file.write(path.read_text(encoding="utf-8"))
            except UnicodeDecodeError:
                continue  # a handful of old files are Latin-1
    if not target.stat().st_size:
        raise UserError(f"there are no Python sources in {stdlib}")


def _build_hello(target: Path) -> None:
    target.write_text("hello" * 200, encoding="utf-8")


SOURCES = {
    "hello": Source(
        about="the word hello, over and over: the post's own example",
        licence="public domain",
        file="hello/hello.txt",
        build=_build_hello,
    ),
    "python_stdlib": Source(
        about="the sources of the running Python's standard library, without tests",
        licence="PSF-2.0",
        file=f"python_stdlib/python-{platform.python_version()}.txt",
        build=_build_python_stdlib,
    ),
    "tiny_shakespeare": Source(
        about="40,000 lines of Shakespeare, as in char-rnn and nanoGPT",
        licence="public domain",
        file="shakespeare/tinyshakespeare.txt",
        url="https://raw.githubusercontent.com/karpathy/char-rnn/master/data/"
        "tinyshakespeare/input.txt",
        size=1_115_394,
        sha256="86c4e6aa9db7c042ec79f339dcb96d42b0075e16b8fc2e86bf0ca57e2dc565ed",
    ),
}
