"""charlm's front doors, each run in a child that starts at once.

This process has imported all that they import and has never computed: what is forked
from it is a front door in a few milliseconds, where a new interpreter takes seconds.
"""

import contextlib
import os
import resource
import runpy
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

# Imported here for the children; none of them computes anything when it is imported.
from orbax.checkpoint import v1 as orbax  # noqa: F401

import charlm.evaluation.score
import charlm.generation.stream
import charlm.model.jax_setup
import charlm.training.build
import charlm.training.loop
import charlm.workdir.lock  # noqa: F401

ROOT = Path(__file__).parent.parent.parent
MAX_DISPATCH_SECONDS = 120.0  # seconds: a child that takes longer hangs


class Done(NamedTuple):
    """How a child ended: its exit status (of a signal, -number) and what it said."""

    status: int
    out: str
    err: str


class Child:
    """A function in a forked process."""

    def __init__(self, function: Callable[[], int | None], **env: str):
        self._said = [tempfile.TemporaryFile() for _ in range(2)]
        sys.stdout.flush()
        self.pid = os.fork()
        if self.pid == 0:
            _be_child(function, self._said, env)

    def kill(self, number: int = signal.SIGKILL) -> None:
        os.kill(self.pid, number)

    def ended(self) -> bool:
        """Whether it has ended; the status is kept for `wait`."""
        return bool(os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT))

    def wait(self, patience: float = MAX_DISPATCH_SECONDS) -> Done:
        """Its end, which is brought about when it hangs."""
        until = time.monotonic() + patience
        while not self.ended():
            if time.monotonic() > until:
                self.kill()
            time.sleep(0.005)
        status = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        texts = []
        for file in self._said:
            file.seek(0)
            texts.append(file.read().decode("utf-8", "replace"))
            file.close()
        return Done(status, *texts)


def _be_child(function, said, env) -> None:
    status = 1
    try:
        os.environ.update(env)
        for number, file in zip((1, 2), said, strict=True):
            os.dup2(file.fileno(), number)
        try:
            status = function() or 0
        except SystemExit as end:
            status = end.code if isinstance(end.code, int) else int(bool(end.code))
        except BaseException:
            traceback.print_exc()
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(ValueError, OSError):
                stream.flush()
    finally:
        os._exit(status)


def door(name: str, *flags: str, file_size: int = 0) -> Callable[[], None]:
    """A front door's main, with these flags, as a child's function.

    With a `file_size`, no file of its may grow beyond so many bytes.
    """

    def main():
        os.chdir(ROOT)
        sys.argv = [f"charlm.{name}", *flags]
        if file_size:
            resource.setrlimit(resource.RLIMIT_FSIZE, (file_size, file_size))
        runpy.run_module(f"charlm.{name}", run_name="__main__", alter_sys=True)

    return main


def run(name: str, *flags: str, file_size: int = 0, **env: str) -> Done:
    """A front door, to its end."""
    return Child(door(name, *flags, file_size=file_size), **env).wait()
