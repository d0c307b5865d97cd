"""Which card, which software: what the other results depend on."""

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
# Run apart: the process that asks has the GPU until it ends.
ASK = """
import jax
device = jax.devices()[0]
print(jax.default_backend(), device.device_kind, sep="|")
print(jax.extend.backend.get_backend().platform_version.replace(chr(10), " "))
"""


def run(job: Job) -> None:
    versions = {name: get_version(name) for name in PACKAGES}
    job.report(python=platform.python_version(), **versions)
    job.report(cores=len(os.sched_getaffinity(0)), **ask_card())
    platform_name, device, version = ask_jax()
    job.report(platform=platform_name, device=device, built_for=version)


def get_version(name: str) -> str:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return "none"


def ask_card() -> dict[str, str]:
    """Returns what nvidia-smi says of the first card."""
    command = ["nvidia-smi", f"--query-gpu={QUERY}", "--format=csv,noheader"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True)
    except FileNotFoundError:
        return {"card": "no nvidia-smi"}
    except subprocess.CalledProcessError as error:
        return {"card": f"nvidia-smi: {error.stderr.strip() or error.stdout.strip()}"}
    return {"card": done.stdout.splitlines()[0]}


def ask_jax() -> tuple[str, str, str]:
    """Returns JAX's platform, the first device's name, and what it was built for."""
    code = f"import jax.extend\n{ASK}"
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    first, version = done.stdout.splitlines()[:2]
    platform_name, device = first.split("|")
    return platform_name, device, version
