"""What a front door tells JAX of the machine, before JAX's first work."""

import contextlib
import os

import jax

from charlm.text.corpus import cache_folder


def use_machine() -> None:
    """Makes each core a device, and keeps compiled programs for the next time."""
    jax.config.update("jax_num_cpu_devices", available_cores())
    if "JAX_COMPILATION_CACHE_DIR" not in os.environ:
        keep_compiled()


def available_cores() -> int:
    """Cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def keep_compiled() -> None:
    """Sets the folder of compiled programs, which is this user's alone: it is code.

    Where it cannot be made, or is not the user's, programs are compiled every time.
    """
    folder = cache_folder() / "compiled"
    with contextlib.suppress(OSError):
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        if hasattr(os, "getuid") and folder.stat().st_uid != os.getuid():
            return
        folder.chmod(0o700)
        jax.config.update("jax_compilation_cache_dir", str(folder))
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 0)
        jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)
