"""One run at a time in a workdir."""

import contextlib
import errno
import fcntl
import os
import platform
from collections.abc import Iterator
from pathlib import Path

from charlm.errors import UserError

FILE = "lock"
# What a file system answers that knows no locks: there, nobody guards the workdir.
NO_LOCKS = {errno.ENOTSUP, errno.ENOSYS, errno.ENOLCK}


@contextlib.contextmanager
def hold(workdir: str | os.PathLike) -> Iterator[None]:
    """Keeps other runs out of a workdir, which is made if it is not there.

    The system drops the lock when its process ends in whatever way: the file that a
    dead run left stops nobody.

    Raises:
      UserError: a live run holds it, or it cannot be written.
    """
    workdir = Path(workdir)
    path, new = workdir / FILE, not workdir.exists()
    try:
        workdir.mkdir(parents=True, exist_ok=True)
        file = _locked(path)
    except BlockingIOError as error:
        raise UserError(
            f"{workdir} is in use by {_owner(path)}; wait until that run ends, stop it,"
            " or choose another --workdir"
        ) from error
    except OSError as error:
        raise UserError(
            f"{workdir} cannot be written ({error.strerror}); choose another --workdir"
        ) from error
    with file:
        try:
            yield
        finally:
            path.unlink(missing_ok=True)
            if new:  # and nothing came of it
                with contextlib.suppress(OSError):
                    workdir.rmdir()


def _locked(path: Path):
    """The lock's file, open and locked, with this process's name in it."""
    while True:
        file = path.open("a+", encoding="utf-8")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            file.truncate(0)
            file.write(f"process {os.getpid()} on {platform.node()}\n")
            file.flush()
        except OSError as error:
            if error.errno not in NO_LOCKS:
                file.close()
                raise
        with contextlib.suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(file.fileno()), path.stat()):
                return file
        file.close()  # its owner took it away as it ended: try the next one


def _owner(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")[:200].strip()
    except OSError:
        return "another process"
