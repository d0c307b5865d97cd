"""The named corpora: where each comes from, its checksum, its licence, how it is built.

They are looked for under $CHARLM_DATA, then in the user's cache folder. A file that is
already there with the right checksum is used without a network.
"""

import hashlib
import os
import platform
import sysconfig
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from charlm.errors import UserError
from charlm.text.corpus import cache_folder
from charlm.text.files import file_sha256


class Source(NamedTuple):
    """A named corpus.

    Attributes:
      about: what it is, in a line.
      licence: under which it stands.
      file: its place below a data folder.
      url: where it is downloaded from; empty if it is built.
      sha256: of the file; empty if it is built here, from what is here.
      build: writes it to a path; None if it is downloaded.
    """

    about: str
    licence: str
    file: str
    url: str = ""
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
    target = _writable_folder() / source.file
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.build:
            beside = target.with_name(f"{target.name}.{os.getpid()}.tmp")
            try:
                source.build(beside)
                beside.replace(target)
            finally:
                beside.unlink(missing_ok=True)
            return target
    except OSError as error:
        raise UserError(f"{target} cannot be written: {error.strerror}") from error
    return _download(name, source, target)


def find(name: str) -> Path | None:
    """The file of a named corpus, if it is there with the right checksum."""
    source = source_of(name)
    for folder in _folders():
        path = folder / source.file
        if path.is_file() and source.sha256 in ("", file_sha256(path)):
            return path
    return None


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


def _download(name: str, source: Source, target: Path) -> Path:
    import pooch

    pooch.get_logger().setLevel("WARNING")
    try:
        # pooch writes beside the target, checks, and renames.
        pooch.retrieve(
            source.url,
            known_hash=f"sha256:{source.sha256}",
            fname=target.name,
            path=target.parent,
            progressbar=False,
        )
    except (OSError, ValueError) as error:
        raise UserError(
            f"{name} could not be downloaded from {source.url}"
            f" ({type(error).__name__}); fetch that address by other means and save it"
            f" as {target}"
        ) from error
    return target


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
        sha256="86c4e6aa9db7c042ec79f339dcb96d42b0075e16b8fc2e86bf0ca57e2dc565ed",
    ),
}
