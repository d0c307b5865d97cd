"""A file that one process at a time can hold."""

import contextlib
import errno
import fcntl
import io
import os
from collections.abc import Iterator
from pathlib import Path

# What a file system answers that knows no locks: there, nobody is kept out.
NO_LOCKS = {errno.ENOTSUP, errno.ENOSYS, errno.ENOLCK}


@contextlib.contextmanager
def locked(path: Path, *, wait: bool = True) -> Iterator[io.FileIO]:
    """The file at a path, for one process at a time; it writes at the file's end.

    The file is made if it is not there, and removed at the end if it is empty then.
    A process that is killed lets the next one in.

    Args:
      path: in a folder that is there.
      wait: for whoever holds it.

    Raises:
      BlockingIOError: another process holds it, and there is no waiting.
      OSError: it cannot be written.
    """
    how = fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB)
    while True:
        file = path.open("ab+", buffering=0)
        try:
            fcntl.flock(file, how)
        except OSError as error:
            if error.errno not in NO_LOCKS:
                file.close()
                raise
        if _is_at(file, path):
            break
        file.close()  # renamed or removed while we waited
    try:
        yield file
    finally:
        if not os.fstat(file.fileno()).st_size and _is_at(file, path):
            path.unlink()
        file.close()


def _is_at(file: io.FileIO, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    except FileNotFoundError:
        return False
