"""Takes from this process what Windows or macOS lack, before charlm is imported.

It is a simulation: the compiled code of JAX and TensorStore is Linux's, and still reads
/proc and renames open files.
"""

import asyncio.unix_events
import builtins
import enum
import errno
import io
import multiprocessing
import os
import shutil
import signal
import sys
import tempfile
from pathlib import PureWindowsPath
from typing import Any

# On Linux these ask for getuid and uname when they are imported.
import numpy  # noqa: F401
import platformdirs  # noqa: F401

LINUX = {"open": open, "stat": os.stat, "listdir": os.listdir, "readlink": os.readlink}
MODULES = "fcntl grp pty pwd resource termios tty".split()
WINDOWS_SIGNALS = "SIGABRT SIGFPE SIGILL SIGINT SIGSEGV SIGTERM".split()
FUNCTIONS = """chown fchown lchown fork forkpty getegid geteuid getgid getpgid getppid
getpriority getsid getuid killpg mkfifo mknod nice posix_fallocate posix_spawn pread
pwrite sched_getaffinity sched_setaffinity sendfile setsid statvfs sysconf uname wait4
O_DIRECTORY O_NOFOLLOW O_CLOEXEC O_TMPFILE""".split()
FORBIDDEN = set('<>:"|?*') | set(map(chr, range(32)))


def become_windows(encoding: str = "cp1252") -> None:
    """Takes away modules, signals, functions, /proc and links, as Windows has none."""
    for name in MODULES:
        sys.modules[name] = None  # pyright: ignore  # to Python, it is not installed
    for name in FUNCTIONS:
        if hasattr(os, name):
            delattr(os, name)
    _take_signals(set(WINDOWS_SIGNALS))
    _take_proc()
    os.symlink = _refuse(OSError, errno.EPERM)
    loop: Any = asyncio.unix_events._UnixSelectorEventLoop  # pyright: ignore
    loop.add_signal_handler = _refuse(NotImplementedError)
    shutil._use_fd_functions = False  # pyright: ignore  # they open folders
    tempfile.TemporaryFile = tempfile.NamedTemporaryFile  # others are open and deleted
    _protect_open_files()
    _check_names_and_folders()
    _use_encoding(encoding)


def become_macos() -> None:
    """Takes away /proc, sched_getaffinity, some of sysconf, and forked processes."""
    del os.sched_getaffinity, os.sched_setaffinity
    _take_signals({s.name for s in signal.Signals} - {"SIGPWR", "SIGSTKFLT", "SIGPOLL"})
    _take_proc()
    names = {n: os.sysconf_names[n] for n in ("SC_PAGE_SIZE", "SC_NPROCESSORS_ONLN")}
    ask, os.sysconf_names = os.sysconf, names
    os.sysconf = lambda name: ask(names[f"{name}"])
    multiprocessing.set_start_method("spawn")


def _refuse(error, *args):
    def fail(*_, **__):
        raise error(*args, "not on this system") if args else error

    return fail


def _take_signals(kept: set[str]) -> None:
    numbers = {s.name: int(s) for s in signal.Signals if s.name in kept}
    for name in {s.name for s in signal.Signals} - kept:
        delattr(signal, name)
    signal.Signals = enum.IntEnum("Signals", numbers)  # pyright: ignore


def _take_proc() -> None:
    def hide(function):
        def call(path, *args, **kwargs):
            if isinstance(path, str | os.PathLike) and f"{path}".startswith("/proc"):
                raise FileNotFoundError(errno.ENOENT, "no such file", f"{path}")
            return function(path, *args, **kwargs)

        return call

    io.open = builtins.open = hide(open)
    os.stat, os.listdir = hide(os.stat), hide(os.listdir)


def list_open_files() -> list[str]:
    """Returns the files that this process has open, its mapped ones included."""
    links = []
    for name in LINUX["listdir"]("/proc/self/fd"):
        try:
            links.append(LINUX["readlink"](f"/proc/self/fd/{name}"))
        except OSError:  # of the listing itself
            continue
    return links


def _is_open(path) -> bool:
    """Returns whether a file, or one in a folder, is open: Windows keeps its name."""
    name = os.path.realpath(path)
    return any(f == name or f.startswith(f"{name}/") for f in list_open_files())


def _protect_open_files() -> None:
    rename, replace, unlink = os.rename, os.replace, os.unlink

    def check(path):
        if _is_open(path):
            raise PermissionError(errno.EACCES, "it is open", f"{path}")

    def move(function, is_replacing):
        def call(source, target, **kwargs):
            check(source)
            check(target)
            if not is_replacing and os.path.lexists(target):
                raise FileExistsError(errno.EEXIST, "it is there", f"{target}")
            check_name(target)
            return function(source, target, **kwargs)

        return call

    def remove(path, **kwargs):
        check(path)
        return unlink(path, **kwargs)

    os.rename, os.replace = move(rename, False), move(replace, True)
    os.unlink = os.remove = remove


def check_name(path) -> None:
    """Raises OSError for a path that Windows cannot have."""
    for part in os.path.normpath(path).split("/"):
        bad = FORBIDDEN & set(part) or "\\" in part or part != part.rstrip(" .")
        if (bad or PureWindowsPath(part).is_reserved()) and part not in (".", ".."):
            raise OSError(errno.EINVAL, "Windows cannot have this name", f"{path}")


def _check_names_and_folders() -> None:
    open_descriptor, mkdir = os.open, os.mkdir

    def open_file(path, *args, **kwargs):
        if os.path.isdir(path):
            raise PermissionError(errno.EACCES, "it is a folder", f"{path}")
        check_name(path)
        return open_descriptor(path, *args, **kwargs)

    def make_folder(path, *args, **kwargs):
        check_name(path)
        return mkdir(path, *args, **kwargs)

    os.open, os.mkdir = open_file, make_folder


def _use_encoding(encoding: str) -> None:
    """Makes an encoding that is not named this one, and \\n that is written \\r\\n."""
    before = open

    def open_text(
        file, mode="r", buffering=-1, code=None, errors=None, end=None, *rest
    ):
        if "b" not in mode:
            code = encoding if code in (None, "locale") else code
            end = "\r\n" if end is None and set(mode) & set("wax") else end
        if set(mode) & set("wax") and not isinstance(file, int):
            check_name(file)
        return before(file, mode, buffering, code, errors, end, *rest)

    def open_named(file, mode="r", buffering=-1, **named):
        names = ("encoding", "errors", "newline", "closefd", "opener")
        values = [named.pop(n, n == "closefd" or None) for n in names]
        assert not named
        return open_text(file, mode, buffering, *values)

    def call(file, mode="r", buffering=-1, *args, **named):
        if args:
            return open_text(file, mode, buffering, *args)
        return open_named(file, mode, buffering, **named)

    io.open = builtins.open = call
    for name, errors in (("stdout", "strict"), ("stderr", "backslashreplace")):
        stream: Any = getattr(sys, name)
        stream.reconfigure(encoding=encoding, errors=errors, newline="\r\n")
