"""Huge pages: a training step's memory, mapped in few steps and not in thousands."""

import contextlib
import os
import sys
from pathlib import Path

TUNABLE = "glibc.malloc.hugetlb"
POLICY = Path("/sys/kernel/mm/transparent_hugepage/enabled")


def use_huge_pages() -> None:
    """Starts this program anew with huge pages, where Linux leaves that to programs.

    XLA allocates the memory of a dispatch when it begins, and Linux maps it page by
    page as it is first written: some percent of a large model's step. glibc's malloc
    asks for huge pages when a variable says so that it reads at the start of a process;
    so this must come before anything is done, and comes back in the new process.
    """
    given = os.environ.get("GLIBC_TUNABLES", "")
    if TUNABLE in given or not _is_left_to_programs():
        return
    both = f"{given}:{TUNABLE}=1".lstrip(":")
    with contextlib.suppress(OSError):
        os.execve(
            sys.executable,
            [sys.executable, *sys.orig_argv[1:]],
            {**os.environ, "GLIBC_TUNABLES": both},
        )


def _is_left_to_programs() -> bool:
    with contextlib.suppress(OSError):
        return sys.platform == "linux" and "[madvise]" in POLICY.read_text()
    return False
