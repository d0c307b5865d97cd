"""A file that one process at a time can hold."""

import contextlib
import errno
import fcntl
import os
import platform
from collections.abc import Iterator
from pathlib import Path

# What a file system answers that knows no locks: there, nobody is kept out.
NO_LOCKS = {errno.ENOTSUP, errno.ENOSYS, errno.ENOLCK}


@contextlib.contextmanager
def alone(path: Path, *, wait: bool) -> Iterator[None]:
    """Holds the file `path`, which is there only while it is held, or was by the dead.

    The system lets go of it when its process ends, in whatever way.

    Args:
      path: in a folder that is there.
      wait: for whoever holds it.

    Raises:
      BlockingIOError: another process holds it, and there is no waiting.
      OSError: it cannot be written.
    """
    with _locked(path, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB)):
        try:
            yield
        finally:
            path.unlink(missing_ok=True)


def _locked(path: Path, how: int):
    """The file, open and locked, with this process's name in it."""
    while True:
        file = path.open("a+", encoding="utf-8")
        try:
            fcntl.flock(file, how)
        except OSError as error:
            if error.errno not in NO_LOCKS:
                file.close()
                raise
        with contextlib.suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(file.fileno()), path.stat()):
                file.truncate(0)
                file.write(f"process {os.getpid()} on {platform.node()}\n")
                file.flush()
                return file
        file.close()  # its owner took it away as it ended: try the next one
