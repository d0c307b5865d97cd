"""Configures JAX for this machine: devices, memory, cache of compiled programs."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeVar

import jax
import jax.experimental
import jaxlib.version

from charlm.errors import UserError
from charlm.files import get_cache_folder
from charlm.model.sharding import count_cores

XLA_FLAGS = (
    # Lets XLA compute several results in one loop on a CPU. It is off by default there
    # and saves some percent of a training step (experiments/speed).
    "--xla_backend_extra_options=xla_cpu_use_multi_output_fusion",
    # On a GPU XLA would choose tilings and algorithms by measuring, anew in each
    # process that compiles: two runs of one config would differ in their last bits.
    "--xla_gpu_autotune_level=0",
    # Triton's products without that choice are slow: those of 2x512 in bfloat16 took
    # 7 of 10 ms of a training step on an H200. cuBLAS has heuristics instead.
    "--xla_gpu_enable_triton_gemm=false",
)
if jaxlib.version.__version_info__ >= (0, 8):  # an unknown flag ends the process
    XLA_FLAGS += ("--xla_gpu_experimental_enable_fusion_autotuner=false",)
GPU_VARIABLES = {
    # Memory is allocated when needed: JAX would take three quarters of each GPU.
    "XLA_PYTHON_CLIENT_PREALLOCATE": "false",
    # cuDNN's RNNs are not deterministic with cuBLAS's own choice (docs of cuDNN).
    "CUBLAS_WORKSPACE_CONFIG": ":4096:2",
}

# Files by which a system shows an accelerator, and JAX's extra for it.
ACCELERATORS = (
    (
        # The last is that of WSL2.
        ("/dev/nvidia0", "/proc/driver/nvidia/gpus", "/usr/lib/wsl/lib/libcuda.so.1"),
        "an NVIDIA GPU",
        "cuda13",
    ),
    (("/dev/accel0", "/dev/vfio/0"), "a TPU", "tpu"),
)
# What the rest of a program may have changed, by jax.config or by an environment
# variable, and charlm computes with.
SETTINGS = {
    "enable_x64": False,
    "numpy_rank_promotion": "allow",
    "numpy_dtype_promotion": "standard",
    "transfer_guard": "allow",
    "debug_nans": False,  # NaN means "not held" to an edit, and a guard looks for it
    "debug_infs": False,
    "default_prng_impl": "threefry2x32",
    "threefry_partitionable": True,
    "debug_key_reuse": False,  # it refuses the key that training keeps in its state
}
# JAX has no public switch of it for one thread.
PROCESS_SETTINGS = {**SETTINGS, "random_seed_offset": 0}
Item = TypeVar("Item")
config: Any = jax.config  # whose attributes no checker knows


@contextlib.contextmanager
def own_settings() -> Iterator[None]:
    """Sets SETTINGS in this thread, for a block or as a decorator for a function."""
    with contextlib.ExitStack() as stack:
        for name, value in SETTINGS.items():
            # JAX 0.7 has enable_x64 among its experiments.
            place = jax if hasattr(jax, name) else jax.experimental
            stack.enter_context(getattr(place, name)(value))
        yield


def iterate(iterator: Iterator[Item]) -> Iterator[Item]:
    """Yields the items of an iterator, each of which is computed in own_settings."""
    while True:
        try:
            with own_settings():  # but not while the caller uses the item
                item = next(iterator)
        except StopIteration:
            return
        yield item


def configure_jax() -> None:
    """Makes each core a device, or uses one GPU; caches compiled programs.

    It must run before JAX first computes. Afterwards it changes nothing. Raises
    UserError where JAX finds no device of the platform that it is told to use.
    """
    set_environment()
    with contextlib.suppress(RuntimeError):  # JAX has started, with its own devices
        config.update("jax_num_cpu_devices", count_cores())
    # The first that $CUDA_VISIBLE_DEVICES leaves: memory on others would be wasted.
    config.update("jax_cuda_visible_devices", "0")
    if "JAX_COMPILATION_CACHE_DIR" not in os.environ:
        set_compilation_cache()
    try:
        jax.local_devices()
    except (RuntimeError, AssertionError) as error:
        platforms = {
            "JAX_PLATFORMS": config.jax_platforms,
            "JAX_PLATFORM_NAME": os.environ.get("JAX_PLATFORM_NAME"),
        }
        given = [f"{name} is {value!r}" for name, value in platforms.items() if value]
        raise UserError(
            f"{' and '.join(given) or 'JAX_PLATFORMS is None'}, and JAX finds no such"
            " device: unset it, or install what JAX needs for it, such as jax[cuda13]"
            " or jax[tpu]"
        ) from error


def configure_process() -> None:
    """Configures JAX for a process that is charlm's alone, all its threads included."""
    for name, value in PROCESS_SETTINGS.items():
        config.update(f"jax_{name}", value)
    configure_jax()


def describe_unused_accelerator() -> str:
    """Returns a line on a GPU or TPU that JAX does not use, or "" without one."""
    if jax.default_backend() != "cpu" or config.jax_platforms:
        return ""
    for paths, name, extra in ACCELERATORS:
        if any(Path(path).exists() for path in paths):
            return (
                f"{name} is on this machine, but JAX computes on the CPU; to use it:"
                f" pip install 'jax[{extra}]=={jax.__version__}'"
            )
    return ""


def set_environment() -> None:
    """Sets what XLA and CUDA read when they start, unless the user has set it."""
    for flag in XLA_FLAGS:
        given = os.environ.get("XLA_FLAGS", "")
        if flag.partition("=")[0] not in given:
            os.environ["XLA_FLAGS"] = f"{given} {flag}".strip()
    for name, value in GPU_VARIABLES.items():
        os.environ.setdefault(name, value)


def set_compilation_cache() -> None:
    """Sets the folder of compiled programs. It is code, so only this user may write it.

    Where it cannot be made, or is not the user's, programs are compiled every time.
    """
    folder = get_cache_folder() / "compiled"
    with contextlib.suppress(OSError):
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        if hasattr(os, "getuid") and folder.stat().st_uid != os.getuid():
            return
        folder.chmod(0o700)
        config.update("jax_compilation_cache_dir", str(folder))
        config.update("jax_persistent_cache_min_compile_time_secs", 0)
        config.update("jax_persistent_cache_min_entry_size_bytes", -1)
