"""Configures JAX for this machine: devices, memory, cache of compiled programs."""

import contextlib
import os

import jax

from charlm.files import get_cache_folder
from charlm.model.sharding import count_cores

XLA_FLAGS = (
    # Lets XLA compute several results in one loop on a CPU. It is off by default there
    # and saves some percent of a training step (experiments/speed).
    "--xla_backend_extra_options=xla_cpu_use_multi_output_fusion",
    # On a GPU XLA would choose tilings and algorithms by measuring, anew in each
    # process that compiles: two runs of one config would differ in their last bits.
    "--xla_gpu_autotune_level=0",
    "--xla_gpu_experimental_enable_fusion_autotuner=false",
    # Triton's products without that choice are slow: those of 2x512 in bfloat16 took
    # 7 of 10 ms of a training step on an H200. cuBLAS has heuristics instead.
    "--xla_gpu_enable_triton_gemm=false",
)
GPU_VARIABLES = {
    # Memory is allocated when needed: JAX would take three quarters of each GPU.
    "XLA_PYTHON_CLIENT_PREALLOCATE": "false",
    # cuDNN's RNNs are not deterministic with cuBLAS's own choice (docs of cuDNN).
    "CUBLAS_WORKSPACE_CONFIG": ":4096:2",
}


def configure_jax() -> None:
    """Makes each core a device, or uses one GPU; caches compiled programs.

    It must run before JAX first computes. Afterwards it changes nothing.
    """
    set_environment()
    with contextlib.suppress(RuntimeError):  # JAX has started, with its own devices
        jax.config.update("jax_num_cpu_devices", count_cores())
    # The first that $CUDA_VISIBLE_DEVICES leaves: memory on others would be wasted.
    jax.config.update("jax_cuda_visible_devices", "0")
    if "JAX_COMPILATION_CACHE_DIR" not in os.environ:
        set_compilation_cache()


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
        jax.config.update("jax_compilation_cache_dir", str(folder))
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 0)
        jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)
