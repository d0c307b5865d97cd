"""One run at a time in a workdir."""

import contextlib
import os
import platform
from collections.abc import Iterator
from pathlib import Path

from charlm.errors import UserError
from charlm.locks import locked

FILE = "lock"


@contextlib.contextmanager
def hold(workdir: str | os.PathLike) -> Iterator[None]:
    """Keeps other runs out of a workdir, which is made if it is not there.

    The file that a dead run left stops nobody.

    Raises:
      UserError: a live run holds it, or it cannot be written.
    """
    workdir = Path(workdir)
    path, new = workdir / FILE, not workdir.exists()
    for entry in workdir.iterdir() if workdir.is_dir() else ():
        if not entry.is_dir() and (entry.is_symlink() or not entry.is_file()):
            raise UserError(
                f"{entry} is not a plain file, and a run would write to where it leads;"
                " remove it, or choose another --workdir"
            )
    with contextlib.ExitStack() as held:
        try:
            workdir.mkdir(parents=True, exist_ok=True)
            file = held.enter_context(locked(path, wait=False))
            file.truncate(0)
            file.write(f"process {os.getpid()} on {platform.node()}\n".encode())
        except BlockingIOError as error:
            raise UserError(
                f"{workdir} is in use by {_owner(path)}; wait until that run ends, stop"
                " it, or choose another --workdir"
            ) from error
        except OSError as error:
            raise UserError(
                f"{workdir} cannot be written ({error.strerror}); choose another"
                " --workdir"
            ) from error
        try:
            yield
        finally:
            file.truncate(0)
            held.close()
            if new:  # and nothing came of it
                with contextlib.suppress(OSError):
                    workdir.rmdir()


def _owner(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")[:200].strip()
    except OSError:
        return "another process"
