"""Describes devices that are not here, so that programs can be compiled for them.

This file has every private name of JAX that the compilation needs, as in JAX 0.10.2 and
0.11.2. The compilers come with the plugins: jax-cuda13-pjrt and jax-cuda13-plugin for
NVIDIA's GPUs, libtpu for TPUs. No driver, NVIDIA library or device is needed.
"""

import contextlib
import functools
import importlib
import importlib.metadata
import importlib.util
import os
import pathlib
from collections.abc import Iterator
from typing import Any
from unittest import mock

import numpy as np
from jax._src import xla_bridge
from jax._src.interpreters import mlir
from jax._src.lib import xla_client
from jax.experimental import rnn as jax_rnn
from jax.experimental import topologies
from jax.sharding import AxisType, Mesh

from charlm.model import sharding, tpu
from charlm.model.platform import tracing_for

gpu_rnn: Any = jax_rnn.gpu_rnn
# An NVIDIA H100 SXM in the words of XLA's GpuTargetConfigProto.
H100 = pathlib.Path(__file__).with_name("h100.txtpb")
V5E_VMEM = 96 * 2**20  # bytes for a kernel: three quarters of a chip's fast memory
TPU_CHIPS = {"tpu-v5e": "v5e:1x1x1", "tpu-v5e-4": "v5e:2x2", "tpu-v5e-256": "v5e:16x16"}


def find_compiler(target: str) -> str:
    """Returns "" if the target's compiler is installed, else what is missing."""
    gpu, tpu = ("jax_plugins.xla_cuda13", "jax_cuda13_plugin"), ("libtpu",)
    for name in gpu if target == "h100" else tpu:
        try:
            spec = importlib.util.find_spec(name)
        except ModuleNotFoundError:
            spec = None
        if not spec:
            return f"{name} is not installed"
    return ""


def describe_compiler(target: str) -> str:
    """Returns the package that has a target's compiler, and its version."""
    package = "jax-cuda13-pjrt" if target == "h100" else "libtpu"
    return f"{package} {importlib.metadata.version(package)}"


def make_mesh(target: str) -> Mesh:
    """Returns the mesh of a target's devices, its axis that of a batch's rows."""
    topology = _describe_h100() if target == "h100" else _describe_tpu(target)
    chips = np.array(topology.devices)
    return Mesh(chips, (sharding.AXIS,), axis_types=(AxisType.Auto,))


def _describe_tpu(target: str):
    os.environ.setdefault("TPU_SKIP_MDS_QUERY", "1")  # of a machine that is not here
    bounds = {"chips_per_host_bounds": (1, 1, 1)} if target == "tpu-v5e" else {}
    return topologies.get_topology_desc(
        platform="tpu", topology_name=TPU_CHIPS[target], **bounds
    )


@functools.cache
def _describe_h100():
    """Returns the topology of one H100; registers the compiler's plugin."""
    if "cuda" not in xla_bridge._backend_factories:
        plugin: Any = importlib.import_module("jax_plugins.xla_cuda13")
        library = pathlib.Path(plugin.__file__).parent / "xla_cuda_plugin.so"
        api = xla_bridge.register_plugin("cuda", priority=0, library_path=str(library))
    else:
        api = xla_bridge._backend_factories["cuda"].c_api
    _register_custom_calls(api)
    return topologies.get_topology_desc(
        platform="cuda", target_config=H100.read_text(), topology="1x1x1"
    )


def _register_custom_calls(api) -> None:
    """Registers the handlers of cuDNN's calls, which a compilation looks up."""
    extension: Any = importlib.import_module("jax_cuda13_plugin.cuda_plugin_extension")
    xla_client.register_custom_call_handler(
        "CUDA", functools.partial(extension.register_custom_call_target, api)
    )


@contextlib.contextmanager
def tracing_target(platform: str) -> Iterator[None]:
    """Traces and lowers as on a platform that is not here, with cuDNN's LSTMs.

    The sizes of cuDNN's buffers are estimates, since only cuDNN on a GPU knows them. A
    TPU is a v5e.
    """
    name = "compute_rnn_workspace_reserve_space_sizes"
    if not hasattr(gpu_rnn, name) and gpu_rnn._cuda_rnn is None:
        _register_lowerings()
    cudnn_sizes = mock.patch.object(gpu_rnn, name, _estimate_sizes, create=True)
    vmem = mock.patch.object(tpu, "get_vmem", lambda: V5E_VMEM)
    with tracing_for(platform), cudnn_sizes, vmem:
        yield


def _estimate_sizes(d, h, layers, batch, length, *_) -> tuple[int, int]:
    """Returns sizes of cuDNN's workspace and reserve space of the right order."""
    return 32 * batch * h * layers, 24 * batch * length * h * layers


class _Descriptor:
    """Replaces the plugin's descriptors of an LSTM, which a lowered program has."""

    @staticmethod
    def build_rnn_descriptor(*_) -> bytes:
        return b"placeholder"


def _register_lowerings() -> None:
    """Registers a lowering of cuDNN's calls where the plugin with its own is absent."""
    forward, backward = gpu_rnn._rnn_fwd_lowering, gpu_rnn._rnn_bwd_lowering
    for primitive, lower in (
        (jax_rnn.rnn_fwd_p, forward),
        (jax_rnn.rnn_bwd_p, backward),
    ):
        lower = functools.partial(lower, _Descriptor, "cu")
        mlir.register_lowering(primitive, lower, platform="cuda")
