"""Finding and fetching the named corpora of the registry.

They are looked for under $CHARLM_DATA, then in the user's cache. A file that is already
there with the right checksum is used without a network. One with another checksum is
never replaced, and never used as the corpus of that name.
"""

import os
import shutil
from pathlib import Path

from charlm.corpora.archive import join
from charlm.corpora.builders import Crawled, FromArchive, FromUrl, Generated
from charlm.corpora.progress import progress_bar
from charlm.corpora.registry import SOURCES, Source
from charlm.errors import UserError
from charlm.files import atomic_file, file_sha256, get_cache_folder, lock_file

MAX_ARCHIVE_BYTES = 200_000_000


def fetch(name: str) -> Path:
    """Returns the file of a named corpus, downloaded or made if it is not there yet.

    Raises UserError for an unknown name, a failure, or another file in its place.
    """
    if path := find(name):
        return path
    source = get_source(name)
    target = _get_writable_folder() / source.file
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(source.origin, FromUrl):
            _download(name, source.origin.url, target, source.size, source.sha256)
        else:
            _make(name, source, target)
    except OSError as error:
        raise UserError(f"{target} cannot be written: {error.strerror}") from error
    return target


def find(name: str) -> Path | None:
    """Returns the file of a named corpus, or None if there is none in its place."""
    source = get_source(name)
    advice = (
        "another release, or a part of it? use it as it is with data.path={path}, or"
        " move it away"
    )
    return _find_known(source.file, source.sha256, name, advice)


def join_archive(name: str, archive: Path, target: Path) -> None:
    """Writes the text that the rule of a corpus makes of another release's archive."""
    origin = get_source(name).origin
    if not isinstance(origin, FromArchive):
        names = [n for n in SOURCES if isinstance(SOURCES[n].origin, FromArchive)]
        raise UserError(
            f"{name} is not made of an archive; those that are: {', '.join(names)}"
        )
    if not archive.is_file():
        raise UserError(f"there is no archive {archive}")
    if target.exists():
        raise UserError(f"{target} is there already; give the text another name")
    with lock_file(Path(f"{target}.lock")), atomic_file(target) as part:
        _join(name, origin, archive, part)


def get_source(name: str) -> Source:
    """Returns the entry of a name. Raises UserError if there is none."""
    if name not in SOURCES:
        raise UserError(
            f"there is no corpus {name!r}; there are {', '.join(SOURCES)}, and any file"
            " by data.path"
        )
    return SOURCES[name]


def _get_folders() -> tuple[Path, Path]:
    """Returns $CHARLM_DATA, if it is set, and the cache's folder."""
    cache = get_cache_folder() / "data"
    return Path(os.environ.get("CHARLM_DATA") or cache), cache


def _find_known(file: str, sha256="", name="", advice="") -> Path | None:
    """Returns where a file with this SHA-256 is; "" takes any."""
    paths = [folder / file for folder in _get_folders() if (folder / file).is_file()]
    for path in paths:
        if sha256 in ("", file_sha256(path)):
            return path
    if paths:
        raise UserError(
            f"{paths[0]} is not the {name} that is known: its SHA-256 is"
            f" {file_sha256(paths[0])}, not {sha256}; {advice.format(path=paths[0])}"
        )
    return None


def _get_writable_folder() -> Path:
    """Returns $CHARLM_DATA if it can be written, else the cache's folder."""
    data, cache = _get_folders()
    # Root may write anywhere; a folder that is marked as read-only is meant so.
    is_marked = data.is_dir() and data.stat().st_mode & 0o222
    return data if is_marked and os.access(data, os.W_OK) else cache


def _download(name: str, url: str, target: Path, max_bytes: int, sha256: str) -> None:
    """Downloads a corpus, or the archive that it is made of."""
    from charlm.corpora.download import download  # loads requests, seldom needed

    hint = _get_hint(SOURCES[name])
    download(url, target, name=name, max_bytes=max_bytes, sha256=sha256, hint=hint)


def _get_hint(source: Source) -> str:
    """Returns the end of a message: where else a missing file may be put."""
    folder, file = "in a folder that CHARLM_DATA names", source.file
    if isinstance(source.origin, FromArchive):
        return f", or as {source.origin.file} {folder}, or its text as {file} there"
    return f", or as {file} {folder}"


def _make(name: str, source: Source, target: Path) -> None:
    """Makes a corpus, whole or not at all, of an archive, another corpus or a site."""
    leftover = None
    with lock_file(Path(f"{target}.lock")):
        if find(name):
            return  # another process has made it
        with atomic_file(target) as part:
            match source.origin:
                case FromArchive() as origin:
                    leftover = _join_known(name, origin, part)
                case Generated(build, corpus):
                    build(*[fetch(corpus)] if corpus else [], part)
                case Crawled(url):
                    from charlm.corpora.essays import collect

                    leftover = Path(f"{target}.pages")
                    hint = f", or save a text of your own as {target}"
                    hint += _get_hint(source)
                    collect(url, part, folder=leftover, name=name, hint=hint)
        if leftover:
            shutil.rmtree(leftover) if leftover.is_dir() else leftover.unlink()


def _join_known(name: str, origin: FromArchive, part: Path) -> Path | None:
    """Joins a corpus from its archive, and returns that if it can be removed."""
    advice = (
        f"move it away, or use it as it is: charlm corpora join {name}"
        " {path} FILE, and data.path=FILE"
    )
    path = _find_known(origin.file, origin.sha256, "archive", advice)
    source = SOURCES[name]
    archive = path or part.with_name(Path(origin.file).name)
    is_verified = path or origin.sha256
    if not path and not origin.url:
        raise UserError(
            f"{name} has no lasting address; it is {source.rule}: save that archive as"
            f" {archive}{_get_hint(source)}"
        )
    if not path:
        _download(name, origin.url, archive, MAX_ARCHIVE_BYTES, origin.sha256)
    try:
        _join(name, origin, archive, part)
        if source.sha256 not in ("", file_sha256(part)):
            advice = advice if is_verified else "it has been removed; try again"
            advice = advice.format(path=archive)
            raise UserError(
                f"{archive} does not hold the {name} that is known; {advice}"
            )
    except UserError:
        if not is_verified:
            archive.unlink()
        raise
    # Kept if it was here already, or if another corpus is still to be made of it.
    users = [
        n for n in SOURCES if getattr(SOURCES[n].origin, "file", "") == origin.file
    ]
    missing = [n for n in users if not _find_known(SOURCES[n].file)]
    return None if path or missing != [name] else archive


def _join(name: str, origin: FromArchive, archive: Path, target: Path) -> None:
    with progress_bar(f"{name}: joining") as on_progress:
        join(
            archive,
            target,
            keep=origin.keep,
            sort_key=origin.sort_key,
            max_bytes=origin.max_bytes,
            on_progress=on_progress,
        )
    if origin.postprocess:
        text = target.read_text(encoding="utf-8")
        text = origin.postprocess(text)
        target.write_text(text, encoding="utf-8", newline="")
