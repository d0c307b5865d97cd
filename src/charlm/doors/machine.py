"""What a front door tells JAX of the machine, before JAX's first work; its name."""

import contextlib
import os
import platform
from pathlib import Path

import jax

from charlm.text.corpus import cache_folder

# Lets XLA work out several results in one loop on a CPU; off by default there, and
# worth some percent of a training step (experiments/speed).
XLA_OPTION = "--xla_backend_extra_options=xla_cpu_use_multi_output_fusion"


def use_machine() -> None:
    """Makes each core a device, and keeps compiled programs for the next time."""
    use_fusion()
    jax.config.update("jax_num_cpu_devices", available_cores())
    if "JAX_COMPILATION_CACHE_DIR" not in os.environ:
        keep_compiled()


def use_fusion() -> None:
    """Adds XLA_OPTION to $XLA_FLAGS, unless the user has set such options there."""
    given = os.environ.get("XLA_FLAGS", "")
    if "xla_backend_extra_options" not in given:
        os.environ["XLA_FLAGS"] = f"{given} {XLA_OPTION}".strip()


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


def machine_name() -> str:
    """The machine in words: the accelerator, or the processor and its cores."""
    device = jax.devices()[0]
    if device.platform != "cpu":
        return device.device_kind
    model = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    for line in info.read_text().splitlines() if info.exists() else ():
        if line.startswith("model name"):
            model = line.partition(":")[2].strip()
    return f"{model}, {available_cores()} cores"
