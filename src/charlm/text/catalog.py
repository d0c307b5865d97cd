"""The named corpora: where each comes from, its checksum, its licence, how it is built.

They are looked for under $CHARLM_DATA, then in the user's cache folder. A file that is
already there with the right checksum is used without a network.

Each is downloaded, joined from an archive that is downloaded, or built from what is
here; whatever is downloaded has a published checksum.
"""

import hashlib
import os
import platform
import sysconfig
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath
from typing import NamedTuple
from urllib.parse import urlsplit

from charlm.errors import UserError
from charlm.text.archive import join
from charlm.text.corpus import cache_folder
from charlm.text.files import file_sha256
from charlm.text.locks import locked


class Archive(NamedTuple):
    """How a corpus is made of an archive's files.

    Attributes:
      sha256: of the archive.
      wanted: says by its name whether a file is wanted.
      most: bytes to which the archive unpacks, at most.
    """

    sha256: str
    wanted: Callable[[str], bool]
    most: int


class Source(NamedTuple):
    """A named corpus.

    Attributes:
      about: what it is, in a line.
      licence: under which it stands.
      file: its place below a data folder.
      url: where it, or its archive, is downloaded from; empty if it is built.
      size: of the download in bytes, or a bound of it.
      sha256: of the file; empty if it is made here and has none that is published.
      archive: how it is made of the archive at `url`; None if that is the file itself.
      build: writes it to a path; None if it is downloaded.
    """

    about: str
    licence: str
    file: str
    url: str = ""
    size: int = 0
    sha256: str = ""
    archive: Archive | None = None
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
        if source.url and not source.archive:
            download(
                source.url, target, what=name, size=source.size, sha256=source.sha256
            )
        else:
            _make(name, source, target)
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
        # Root may write anywhere; a folder that is marked as read-only is meant so.
        marked = folder.is_dir() and folder.stat().st_mode & 0o222
        if marked and os.access(folder, os.W_OK):
            return folder
    return cache_folder() / "data"


def _is_whole(path: Path, source: Source) -> bool:
    return path.is_file() and source.sha256 in ("", file_sha256(path))


def _make(name: str, source: Source, target: Path) -> None:
    """Builds a corpus, or joins it from its archive; it is whole or absent."""
    from charlm.text.download import download, settle

    archive = source.archive
    packed = target.parent / PurePosixPath(urlsplit(source.url).path).name
    part, theirs = target.with_name(f"{target.name}.part"), packed.exists()
    with locked(part) as file:
        if _is_whole(target, source):  # another process made it while we waited
            return
        try:
            if archive:
                download(
                    source.url,
                    packed,
                    what=name,
                    size=source.size,
                    sha256=archive.sha256,
                )
                join(packed, part, wanted=archive.wanted, most=archive.most)
                if not _is_whole(part, source):
                    raise UserError(f"{packed} does not hold the {name} that is known")
            elif source.build:
                source.build(part)
        except BaseException:
            file.truncate(0)  # and so it is removed
            raise
        settle(file, part, target)
        if archive and not theirs:  # one that was there before stays
            packed.unlink()


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


def _build_names(target: Path) -> None:
    """The distinct names, one a line, in the order of a hash: their list is sorted."""
    listed = set(fetch("names_list").read_text(encoding="utf-8").splitlines())
    names = sorted(listed, key=lambda name: hashlib.sha256(name.encode()).digest())
    target.write_text("".join(f"{name}\n" for name in names), encoding="utf-8")


def _by_hand(target: Path) -> None:
    raise UserError(f"{target.name} cannot be had from here yet")


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
    # Without a checksum of its own: none is published, and it is made of an archive
    # that has one, and whose xz checksums are checked besides.
    "linux": Source(
        about="the C of Linux 4.0, every .c and .h in the order of a hash of its path",
        licence="GPL-2.0",
        file="linux/linux-4.0.txt",
        url="https://cdn.kernel.org/pub/linux/kernel/v4.x/linux-4.0.tar.xz",
        size=100_000_000,  # a bound: it is about 80 MB
        archive=Archive(
            # As Arch Linux and OpenEmbedded have it.
            sha256="0f2f7d44979bc8f71c4fc5d3308c03499c26a824dd311fdf6eef4dee0d7d5991",
            wanted=lambda name: name.endswith((".c", ".h")),
            most=1_000_000_000,
        ),
    ),
    "wikipedia": Source(
        about="enwik8, the first 100,000,000 bytes of the English Wikipedia of 2006",
        licence="GFDL and CC BY-SA",
        file="wikipedia/enwik8",
        url="http://mattmahoney.net/dc/enwik8.zip",
        size=36_445_475,
        sha256="2b49720ec4d78c3c9fabaee6e4179a5e997302b3a70029f30f2d582218c024a8",
        archive=Archive(
            sha256="547994d9980ebed1288380d652999f38a14fe291a6247c157c3d33d4932534bc",
            wanted=lambda name: name == "enwik8",
            most=100_000_000,
        ),
    ),
    "shakespeare": Source(
        about="all of Shakespeare's plays, as the post has them",
        licence="public domain",
        file="shakespeare/shakespeare_input.txt",
        url="https://cs.stanford.edu/people/karpathy/char-rnn/shakespeare_input.txt",
        size=4_573_338,
        sha256="59a0ad62833b2e15ec811c548618876359e902717431236e52699a0e2bc253ca",
    ),
    "war_and_peace": Source(
        about="Tolstoy's War and Peace in English, as the post has it",
        licence="public domain",
        file="warpeace/warpeace_input.txt",
        url="https://cs.stanford.edu/people/karpathy/char-rnn/warpeace_input.txt",
        size=3_258_246,
        sha256="fb66ba999dafe24017cdd59e04c56d385a9c8466993d374fd4c6f08b2142985e",
    ),
    "latex": Source(
        about="the LaTeX sources of the Stacks project, a book of algebraic geometry",
        licence="GFDL 1.2",
        file="latex/stacks.tex",
        build=_by_hand,
        sha256="0820b5a06771fd748f3ae8b85bd7448dc4869117f70b360a0c3f885975f7c1aa",
    ),
    "names_list": Source(
        about="the list of 8,000 names of the post, as it is: boys', then girls'",
        licence="free to use with credit to Mark Kantrowitz",
        file="names/kantrowitz.txt",
        build=_by_hand,
        sha256="b616634a6bfc46ca45bd3da54d8d1f08b3db7e0e5d3523d72432984ea8311f25",
    ),
    "names": Source(
        about="the 7,578 distinct names of that list, in the order of a hash",
        licence="free to use with credit to Mark Kantrowitz",
        file="names/distinct.txt",
        build=_build_names,
    ),
    "paul_graham": Source(
        about="Paul Graham's essays",
        licence="copyright Paul Graham: for experiments of your own only",
        file="paul_graham/essays.txt",
        build=_by_hand,
    ),
    "wikipedia_prefix": Source(
        about="the first 4,154,399 bytes of enwik8",
        licence="GFDL and CC BY-SA",
        file="wikipedia/enwik8_prefix.xml",
        build=_by_hand,
        sha256="d502ac7ecb9dd47a062e7d19b8dcd3c753b07c142e48b13dcd521cb747116bdd",
    ),
    "linux_kernel_6.1": Source(
        about="kernel/ of Debian's Linux 6.1, every .c and .h by path",
        licence="GPL-2.0",
        file="linux/kernel.txt",
        build=_by_hand,
        sha256="63155e8af3ba9ae059a9031e8f424179818a9a83287ce60ac0df6e10aacf52c7",
    ),
}
