"""Reports the card and the software, on which the other results depend."""

import importlib.metadata
import os
import platform
import subprocess
import sys

from experiments.gpu.stage import Job

PACKAGES = (
    *("jax", "jaxlib", "jax-cuda13-plugin", "nvidia-cudnn-cu13", "flax", "optax"),
    *("orbax-checkpoint", "ml_collections", "numpy", "torch"),
)
QUERY = "name,driver_version,memory.total,clocks.max.sm"
# Runs in a process of its own, since a process that starts JAX holds the GPU.
JAX_SCRIPT = """
import jax
import jax.extend
device = jax.devices()[0]
print(jax.default_backend(), device.device_kind, sep="|")
print(jax.extend.backend.get_backend().platform_version.replace(chr(10), " "))
"""


def run(job: Job) -> None:
    versions = {name: get_version(name) for name in PACKAGES}
    job.report(python=platform.python_version(), **versions)
    job.report(cores=len(os.sched_getaffinity(0)), **query_card())
    backend, device, version = query_jax()
    job.report(platform=backend, device=device, built_for=version)


def get_version(package: str) -> str:
    """Returns the installed version of a package, or "none"."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "none"


def query_card() -> dict[str, str]:
    """Returns what nvidia-smi reports about the first card."""
    command = ["nvidia-smi", f"--query-gpu={QUERY}", "--format=csv,noheader"]
    try:
        process = subprocess.run(command, capture_output=True, text=True, check=True)
    except FileNotFoundError:
        return {"card": "no nvidia-smi"}
    except subprocess.CalledProcessError as error:
        return {"card": f"nvidia-smi: {error.stderr.strip() or error.stdout.strip()}"}
    return {"card": process.stdout.splitlines()[0]}


def query_jax() -> tuple[str, str, str]:
    """Returns JAX's platform, the first device's name, and its platform's version."""
    command = [sys.executable, "-c", JAX_SCRIPT]
    process = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    first, version = process.stdout.splitlines()[:2]
    backend, device = first.split("|")
    return backend, device, version
