"""One run at a time in a workdir."""

import contextlib
import os
import platform
from collections.abc import Iterator
from pathlib import Path

from filelock import Timeout

from charlm.errors import UserError
from charlm.files import lock_file

FILE = "lock"  # names its owner while the run lasts
MAX_WAIT_SECONDS = 1.0  # a run that has just begun has named itself by then


@contextlib.contextmanager
def lock_workdir(workdir: str | os.PathLike) -> Iterator[None]:
    """Keeps other runs out of a workdir, or raises UserError; makes it if missing."""
    workdir = Path(workdir)
    path, is_new = workdir / FILE, not workdir.exists()
    for entry in workdir.iterdir() if workdir.is_dir() else ():
        if not entry.is_dir() and (entry.is_symlink() or not entry.is_file()):
            raise UserError(
                f"{entry} is not a plain file, and a run would write to where it leads;"
                " remove it, or choose another workdir"
            )
    with contextlib.ExitStack() as stack:
        try:
            workdir.mkdir(parents=True, exist_ok=True)
            if is_new:  # it is removed again if nothing came of it
                stack.callback(_remove_empty, workdir)
            stack.enter_context(lock_file(path, timeout=MAX_WAIT_SECONDS))
            with contextlib.suppress(PermissionError):  # Windows locks its bytes too
                owner = f"process {os.getpid()} on {platform.node()}\n"
                path.write_text(owner, encoding="utf-8", newline="")
        except Timeout as error:
            owner = ""
            with contextlib.suppress(OSError):
                owner = path.read_text(encoding="utf-8", errors="replace")[:200].strip()
            raise UserError(
                f"{workdir} is in use by {owner or 'another process'}; wait until that"
                " run ends, stop it, or choose another workdir"
            ) from error
        except OSError as error:
            raise UserError(
                f"{workdir} cannot be written ({error.strerror}); choose another"
                " workdir"
            ) from error
        yield


def _remove_empty(folder: Path) -> None:
    with contextlib.suppress(OSError):
        folder.rmdir()
