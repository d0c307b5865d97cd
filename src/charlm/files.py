"""Files that are whole or not there, and folders that know the sums of theirs."""

import hashlib
import os
from pathlib import Path

MOST = 1 << 24  # bytes of a list of sums: more is none of ours
SUMS = "SHA256SUMS"  # as `sha256sum --check` reads it


def cache_folder() -> Path:
    """Where encoded texts and downloads are kept: $CHARLM_CACHE or the user's cache."""
    if given := os.environ.get("CHARLM_CACHE"):
        return Path(given)
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "charlm"


def file_sha256(path: str | os.PathLike) -> str:
    """The SHA-256 of a file, in hexadecimal."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def atomic_write(path: Path, text: str) -> None:
    """Writes a file, whole or not at all."""
    beside = path.with_name(f"{path.name}.tmp")
    try:
        with beside.open("w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    except OSError:
        beside.unlink(missing_ok=True)
        raise


def write_checksums(folder: Path) -> None:
    """Puts all files of a folder on the disk, and their sums into its SHA256SUMS."""
    names = sorted(p.relative_to(folder).as_posix() for p in _files(folder))
    lines = [f"{file_sha256(folder / name)}  {name}\n" for name in names]
    atomic_write(folder / SUMS, "".join(lines))
    for path in [*folder.rglob("*"), folder, folder.parent]:
        _sync(path)


def changed_files(folder: Path, *, only: str = "") -> list[str]:
    """The files of a folder that are not as its SHA256SUMS says; [] if it has none.

    With `only`, that one of them is looked at and no other.
    """
    strange = [p for p in folder.rglob("*") if not (p.is_file() or p.is_dir())]
    if strange:  # a pipe, say, from which one would read for ever
        return [strange[0].relative_to(folder).as_posix()]
    try:
        if (folder / SUMS).stat().st_size > MOST:
            return [SUMS]
        lines = (folder / SUMS).read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:  # an older charlm's, or killed just before it was written
        return []
    except (OSError, ValueError):
        return [SUMS]
    there = {p.relative_to(folder).as_posix(): p for p in _files(folder)}
    sums = {name: sha256 for sha256, _, name in (li.partition("  ") for li in lines)}
    if not sums or not set(sums) <= set(there):  # more are another program's
        return sorted(set(sums) - set(there)) or [SUMS]
    if only:
        sums = {only: sums.get(only)}
    return [name for name in sums if file_sha256(folder / name) != sums[name]]


def _files(folder: Path) -> list[Path]:
    """All files below a folder, but its own SHA256SUMS."""
    paths = (path for path in folder.rglob("*") if path.is_file())
    return [path for path in paths if path != folder / SUMS]


def _sync(path: Path) -> None:
    """Waits until a file, or a folder's list of names, is on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
