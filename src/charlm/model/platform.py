"""The platform that programs are traced for, by which fast paths are chosen."""

import contextlib
import contextvars
import os
from collections.abc import Iterator

import jax
from jax.extend import backend

from charlm.errors import UserError

# Environment variables: a fast path is off where its own is 0.
CUDNN, PALLAS = "CHARLM_CUDNN", "CHARLM_PALLAS"
_traced_for = contextvars.ContextVar("traced_for", default="")


def get_platform() -> str:
    """Returns "cpu", "cuda", "rocm" or "tpu": what is traced now is to run there.

    JAX calls NVIDIA's and AMD's GPUs "gpu", but their libraries differ: cuDNN's gates
    are ordered i f g o, MIOpen's i f o g.
    """
    if _traced_for.get():
        return _traced_for.get()
    name = jax.default_backend()
    if name != "gpu":
        return name
    version = backend.get_backend().platform_version
    return "cuda" if "cuda" in version.lower() else "rocm"


def is_switched_on(variable: str) -> bool:
    """Returns whether a fast path may be taken: $variable is 1, or unset, and not 0."""
    switch = os.environ.get(variable, "1")
    if switch not in ("0", "1"):
        raise UserError(
            f"${variable} is {switch!r}; set it to 0 (off) or 1, or unset it"
        )
    return switch == "1"


def get_switches() -> tuple[str, ...]:
    """Returns what decides which fast paths are traced now."""
    return get_platform(), *(os.environ.get(name, "1") for name in (CUDNN, PALLAS))


@contextlib.contextmanager
def tracing_for(platform: str) -> Iterator[None]:
    """Traces functions as on another platform, to compile for a device not here.

    A function that jit has traced already is not traced again: make it anew.
    """
    token = _traced_for.set(platform)
    try:
        yield
    finally:
        _traced_for.reset(token)
