"""Finding and fetching the named corpora of `sources`.

They are looked for under $CHARLM_DATA, then in the user's cache folder. A file that is
already there with the right checksum is used without a network; one with another
checksum is never replaced, and never taken for the corpus of that name.
"""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from charlm.corpora.archive import join
from charlm.corpora.builders import Crawled, FromArchive, FromCorpus, FromUrl, Generated
from charlm.corpora.progress import progress
from charlm.corpora.registry import SOURCES, Source
from charlm.errors import UserError
from charlm.files import cache_folder, file_sha256
from charlm.locks import locked


def fetch(name: str) -> Path:
    """The file of a named corpus, downloaded or made if it is not there yet.

    Raises:
      UserError: no such name, it could not be had, or another file is in its place.
    """
    found = find(name)
    if found is not None:
        return found
    if strange := another(name):
        raise UserError(strange)
    source = source_of(name)
    target = _writable_folder() / source.file
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(source.how, FromUrl):
            _download(name, source, target, size=source.size, sha256=source.sha256)
        else:
            _make(name, source, target)
    except OSError as error:
        raise UserError(f"{target} cannot be written: {error.strerror}") from error
    return target


def find(name: str) -> Path | None:
    """The file of a named corpus, if it is there with the right checksum."""
    source = source_of(name)
    return next((path for path in _there(source.file) if _is(path, source)), None)


def another(name: str) -> str:
    """Where another file is in the place of a corpus's: which, and what to do."""
    source = source_of(name)
    for path in _there(source.file):
        if not _is(path, source):
            return (
                f"{path} is not the {name} that is known: its SHA-256 is"
                f" {file_sha256(path)}, not {source.sha256}; another release, or a part"
                f" of it? use it as it is with --config.data.path={path}, or move it"
                " away"
            )
    return ""


def join_archive(name: str, archive: Path, target: Path) -> None:
    """Writes what the rule of a corpus makes of another release's archive.

    Raises:
      UserError: the corpus is not made of an archive, that is none, or there is a file
        at `target` already.
    """
    how = source_of(name).how
    if not isinstance(how, FromArchive):
        made = [name for name in SOURCES if isinstance(SOURCES[name].how, FromArchive)]
        raise UserError(
            f"{name} is not made of an archive; those that are: {', '.join(made)}"
        )
    if not archive.is_file():
        raise UserError(f"there is no archive {archive}")
    if target.exists():
        raise UserError(f"{target} is there already; give the text another name")
    from charlm.corpora.download import settle

    part = target.with_name(f"{target.name}.part")
    with locked(part) as file:
        try:
            _join(name, how, archive, part)
        except BaseException:
            file.truncate(0)  # and so it is removed
            raise
        settle(file, part, target)


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


def _there(file: str) -> Iterator[Path]:
    """The places of a file, below the data folders, where there is one."""
    paths = (folder / file for folder in _folders())
    return (path for path in paths if path.is_file())


def _writable_folder() -> Path:
    """$CHARLM_DATA if it can be written, else the cache."""
    for folder in _folders():
        # Root may write anywhere; a folder that is marked as read-only is meant so.
        marked = folder.is_dir() and folder.stat().st_mode & 0o222
        if marked and os.access(folder, os.W_OK):
            return folder
    return cache_folder() / "data"


def _is(path: Path, source: Source) -> bool:
    return source.sha256 in ("", file_sha256(path))


def _download(
    name: str, source: Source, target: Path, *, size: int, sha256: str
) -> None:
    """Downloads a corpus, or the archive that it is made of."""
    from charlm.corpora.download import download  # loads requests, seldom needed

    assert isinstance(source.how, FromUrl | FromArchive)
    url, hint = source.how.url, _places(source)
    download(url, target, what=name, size=size, sha256=sha256, hint=hint)


def _places(source: Source) -> str:
    """Where else what could not be had may be put, for the end of a message."""
    known = f" ({source.size:,} bytes, SHA-256 {source.sha256})" * bool(source.sha256)
    if not isinstance(source.how, FromArchive):
        return f"{known}, or as {source.file} in a folder that CHARLM_DATA names"
    sha256 = f" (SHA-256 {source.how.sha256})" * bool(source.how.sha256)
    return (
        f"{sha256}, or as {source.how.file} in a folder that CHARLM_DATA names; or put"
        f" the text itself{known} there, as {source.file}"
    )


def _make(name: str, source: Source, target: Path) -> None:
    """Makes a corpus of something else; it is whole or absent."""
    from charlm.corpora.download import settle

    part = target.with_name(f"{target.name}.part")
    with locked(part) as file:
        # Another process may have made it while we waited.
        if target.is_file() and _is(target, source):
            return
        try:
            leavings = _write(name, source, part)
        except BaseException:
            file.truncate(0)  # and so it is removed
            raise
        settle(file, part, target)
        for path in leavings:
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)


def _write(name: str, source: Source, part: Path) -> list[Path]:
    """Writes a corpus; gives what need not be kept when it is safe."""
    match source.how:
        case FromArchive() as how:
            return _write_joined(name, source, how, part)
        case FromCorpus(of, build):
            build(fetch(of), part)
        case Generated(build):
            build(part)
        case Crawled(url):
            from charlm.corpora.essays import collect

            pages, place = part.with_suffix(".pages"), part.with_suffix("")
            hint = f", or save a text of your own as {place}{_places(source)}"
            collect(url, part, pages=pages, what=name, hint=hint)
            return [pages]
    return []


def _write_joined(
    name: str, source: Source, how: FromArchive, part: Path
) -> list[Path]:
    """Joins a corpus from its archive, which is downloaded if it is not there.

    One that was there stays, and so does one that another corpus is to be made of.
    """
    theirs = next(_there(how.file), None)
    archive = theirs or part.with_name(PurePosixPath(how.file).name)
    as_it_is = (
        f"move it away, or use it as it is: python -m charlm.corpora join {name}"
        f" {archive} FILE, and --config.data.path=FILE"
    )
    if theirs and how.sha256 not in ("", found := file_sha256(theirs)):
        raise UserError(
            f"{theirs} is not the archive that is known: its SHA-256 is {found}, not"
            f" {how.sha256}; {as_it_is}"
        )
    if not theirs and not how.url:
        raise UserError(
            f"{name} has no lasting address; it is {source.rule}: save that archive as"
            f" {archive}{_places(source)}"
        )
    if not theirs:
        _download(name, source, archive, size=how.packed, sha256=how.sha256)
    checked = theirs or how.sha256
    try:
        _join(name, how, archive, part)
        if not _is(part, source):
            todo = as_it_is if checked else f"it has been removed: get {how.url} again"
            raise UserError(f"{archive} does not hold the {name} that is known; {todo}")
    except UserError:
        if not checked:  # who knows what that was
            archive.unlink()
        raise
    others = (other for other in SOURCES.values() if other is not source)
    wanted = any(
        isinstance(other.how, FromArchive)
        and other.how.file == how.file
        and not any(_there(other.file))
        for other in others
    )
    return [] if theirs or wanted else [archive]


def _join(name: str, how: FromArchive, archive: Path, target: Path) -> None:
    with progress(f"{name}: joining") as show:
        join(
            archive,
            target,
            wanted=how.wanted,
            order=how.order,
            most=how.most,
            show=show,
        )
    if how.tidy:
        text = target.read_text(encoding="utf-8")
        target.write_text(how.tidy(text), encoding="utf-8")
