"""The cache folder, file locks, atomic writes, and lists of checksums."""

import contextlib
import errno
import hashlib
import os
import re
import time
from collections.abc import Iterator
from pathlib import Path

import platformdirs
from filelock import FileLock

from charlm.errors import UserError

CHECKSUMS = "SHA256SUMS"  # as `sha256sum --check` reads it
MAX_CHECKSUMS_BYTES = 1 << 24  # a longer list is another program's
# What a file system without locks answers. Nobody is kept out there.
NO_LOCKS = {errno.ENOTSUP, errno.ENOSYS, errno.ENOLCK}
# What network file systems and others answer that cannot sync a folder; and Windows,
# which cannot open one: EACCES.
NO_SYNC = {errno.EINVAL, errno.ENOTSUP, errno.ENOSYS, errno.EBADF, errno.EACCES}
RENAME_PAUSES = (0.05, 0.1, 0.2, 0.4, None)  # seconds before each further try
RESERVED = re.compile(r"^(con|prn|aux|nul|(?:com|lpt)\d) *(?=\.|$)", re.IGNORECASE)
ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")


def get_cache_folder() -> Path:
    """Returns $CHARLM_CACHE, or charlm's folder in the user's cache."""
    user_cache = platformdirs.user_cache_dir("charlm", appauthor=False)
    return Path(os.environ.get("CHARLM_CACHE") or user_cache)


def local_path(path: str | os.PathLike) -> str:
    """Returns a path with ~ expanded; UserError for an address like gs://bucket."""
    text = os.fspath(path)
    if ADDRESS.match(text):
        raise UserError(
            f"{text} is an address, and charlm reads and writes files of this machine;"
            " give a folder or a file here, and copy it to or from there"
        )
    return os.path.expanduser(text)


def make_file_name(text: str) -> str:
    """Returns a text as a name that files can have on every system, Windows included.

    Its rules: "Naming Files, Paths, and Namespaces", learn.microsoft.com.
    """
    name = re.sub(r'[<>:"/\\|?*\x00-\x1f]', "-", text).rstrip(" .")
    return RESERVED.sub(r"\1-", name) or "-"


class LocalPath(str):
    """The path that a flag names, as local_path returns it."""

    def __new__(cls, path: str | os.PathLike = ""):
        return super().__new__(cls, local_path(path))


@contextlib.contextmanager
def lock_file(path: Path, *, timeout: float = -1) -> Iterator[None]:
    """Holds the lock file `path`, and removes it at the end.

    The lock of a process that was killed keeps nobody out. The file's folder is made if
    it is missing.

    Raises:
      filelock.Timeout: another holds it for `timeout` seconds; -1 waits without an end.
    """
    # A soft lock is a file that is there: that of a dead process on another machine
    # would keep everybody out.
    lock = FileLock(path, timeout=timeout, fallback_to_soft=False)
    try:
        lock.acquire()
    except OSError as error:
        if error.errno not in NO_LOCKS:
            raise
    try:
        yield
    finally:
        # Removed while it is held: who waits for it then makes another.
        with contextlib.suppress(OSError):  # Windows cannot, but filelock does it there
            path.unlink()
        lock.release()


def file_sha256(path: str | os.PathLike) -> str:
    """Returns the SHA-256 of a file, in hexadecimal."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextlib.contextmanager
def atomic_file(path: Path) -> Iterator[Path]:
    """Gives a path beside `path` to write to, which replaces `path` at the end.

    After an error it is removed, and `path` stays as it was.
    """
    temporary = path.with_name(f"{path.name}.tmp")
    try:
        yield temporary
        commit(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def atomic_write(path: Path, text: str) -> None:
    """Writes a file, whole or not at all."""
    with atomic_file(path) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="")


def commit(temporary: Path, path: Path) -> None:
    """Renames a file to `path` once its bytes are on the disk."""
    _sync(temporary)
    for pause in RENAME_PAUSES:
        try:
            temporary.replace(path)
            break
        except PermissionError:  # Windows', while another program has the file open
            if pause is None:
                raise
            time.sleep(pause)
    _sync(path.parent)


def write_checksums(folder: Path) -> None:
    """Puts all files of a folder on the disk, and their sums into its SHA256SUMS."""
    names = sorted(_list_files(folder) - {CHECKSUMS})
    lines = [f"{file_sha256(folder / name)}  {name}\n" for name in names]
    atomic_write(folder / CHECKSUMS, "".join(lines))
    for path in [*folder.rglob("*"), folder, folder.parent]:
        _sync(path)


def changed_files(folder: Path, *, only: str = "") -> list[str]:
    """Returns the files, or `only` that file, that differ from a folder's SHA256SUMS.

    Without SHA256SUMS it returns []. Raises OSError for what cannot be read.
    """
    present = _list_files(folder)
    special = sorted(name for name in present if not (folder / name).is_file())
    if special:  # reading a pipe, say, would not end
        return special
    try:
        if (folder / CHECKSUMS).stat().st_size > MAX_CHECKSUMS_BYTES:
            return [CHECKSUMS]
        lines = (folder / CHECKSUMS).read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:  # an older charlm's, or killed just before it was written
        return []
    except (IsADirectoryError, ValueError):
        return [CHECKSUMS]
    sums = {name: sha256 for sha256, _, name in (li.partition("  ") for li in lines)}
    if not sums or not set(sums) <= present:  # more are another program's
        absent = sorted(set(sums) - present)
        for name in absent:
            with contextlib.suppress(FileNotFoundError, NotADirectoryError, ValueError):
                os.stat(folder / name)  # PermissionError, if a folder cannot be read
        return absent or [CHECKSUMS]
    names = [only] if only else list(sums)
    return [name for name in names if file_sha256(folder / name) != sums.get(name)]


def _list_files(folder: Path) -> set[str]:
    """Returns the names of all below a folder that are no folders."""
    paths = (path for path in folder.rglob("*") if not path.is_dir())
    return {path.relative_to(folder).as_posix() for path in paths}


def _sync(path: Path) -> None:
    """Waits until a file, or a folder's list of names, is on the disk."""
    is_folder = path.is_dir()
    try:
        # Windows syncs only what is open for writing.
        descriptor = os.open(path, os.O_RDONLY if is_folder else os.O_RDWR)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except OSError as error:
        if not is_folder or error.errno not in NO_SYNC:
            raise
