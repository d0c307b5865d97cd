"""Runs front doors in forked child processes, which start at once.

This process imports what the front doors import, and never computes. A fork of it is a
front door within milliseconds; a new interpreter takes seconds.
"""

import contextlib
import importlib
import os
import resource
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

# Imported here for the children. None of them computes anything on import.
from orbax.checkpoint import v1 as orbax  # noqa: F401

import charlm.evaluation.score
import charlm.generation.generate
import charlm.model.jax_setup
import charlm.training.build
import charlm.training.loop
import charlm.workdir.lock  # noqa: F401

ROOT = Path(__file__).parent.parent.parent
TIMEOUT = 120.0  # seconds, after which a child hangs


class Exit(NamedTuple):
    """The end of a child.

    Attributes:
      status: its exit status; the negative number of the signal that ended it.
      out: its standard output.
      err: its standard error.
    """

    status: int
    out: str
    err: str


class Child:
    """A function in a forked process."""

    def __init__(self, function: Callable[[], int | None], **environment: str):
        self._streams = [tempfile.TemporaryFile() for _ in range(2)]
        sys.stdout.flush()
        self.pid = os.fork()
        if self.pid == 0:
            _run_in_child(function, self._streams, environment)

    def kill(self) -> None:
        os.kill(self.pid, signal.SIGKILL)

    def has_ended(self) -> bool:
        """Returns whether the child has ended; `wait` can still read its status."""
        return bool(os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT))

    def wait(self, timeout: float = TIMEOUT) -> Exit:
        """Waits for the child to end, and kills it after `timeout` seconds."""
        deadline = time.monotonic() + timeout
        while not self.has_ended():
            if time.monotonic() > deadline:
                self.kill()
            time.sleep(0.005)
        status = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        texts = []
        for file in self._streams:
            file.seek(0)
            texts.append(file.read().decode("utf-8", "replace"))
            file.close()
        return Exit(status, *texts)


def _run_in_child(function, streams, environment) -> None:
    status = 1
    try:
        os.environ.update(environment)
        for number, file in zip((1, 2), streams, strict=True):
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


def make_door(name: str, *flags: str, max_file_size: int = 0) -> Callable[[], int]:
    """Returns the main of a front door as a child's function.

    Args:
      name: of the front door.
      flags: its command line.
      max_file_size: bytes beyond which none of its files may grow; 0 is no limit.
    """

    def main():
        os.chdir(ROOT)
        if max_file_size:
            resource.setrlimit(resource.RLIMIT_FSIZE, (max_file_size, max_file_size))
        module = "corpora.__main__" if name == "corpora" else name
        return importlib.import_module(f"charlm.{module}").main(flags)

    return main


def run_door(name: str, *flags: str, max_file_size: int = 0) -> Exit:
    """Runs a front door to its end; the arguments are those of `make_door`."""
    return Child(make_door(name, *flags, max_file_size=max_file_size)).wait()
