"""The devices here, and the rows of a batch over them.

Each device works through streams of its own.

The cores of a process are as many CPU devices to JAX, where `jax_num_cpu_devices` says
so, as the front doors do. An LSTM's loop is too fine for threads that share the work of
each step; with a half of the streams each, two cores meet once an optimiser step, to
add up their gradients. XLA partitions the same program: what is computed is the same,
to rounding.
"""

import os
import platform
from pathlib import Path
from typing import Any

import jax
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec

from charlm.errors import UserError
from charlm.model.cudnn import has_cudnn
from charlm.model.tpu import has_pallas

PyTree = Any
AXIS = "rows"
ROWS = 8  # of a batch a device, at least: fewer gain nothing (experiments/speed)


def make_mesh(batch_size: int, *, rows: int = ROWS) -> Mesh:
    """The devices that a batch is worked on: the most CPU devices that share it evenly.

    Of accelerators it is the first.

    Args:
      batch_size: b.
      rows: what each of several devices must have of it, at least.

    Raises:
      UserError: this is one of several processes of jax.distributed.
    """
    if jax.process_count() > 1:
        raise UserError(
            f"this is one of {jax.process_count()} processes of jax.distributed, and"
            " charlm works in one: start a single process, with one device or more"
        )
    devices = jax.local_devices()
    most = len(devices) if devices[0].platform == "cpu" else 1
    fitting = [n for n in range(1, most + 1) if batch_size % n == 0]
    count = max(n for n in fitting if n == 1 or batch_size // n >= rows)
    return jax.make_mesh(
        (count,), (AXIS,), devices=devices[:count], axis_types=(AxisType.Auto,)
    )


def shard_rows(mesh: Mesh) -> NamedSharding:
    """Of arrays whose first axis is the batch's."""
    return NamedSharding(mesh, PartitionSpec(AXIS))


def whole(mesh: Mesh) -> NamedSharding:
    """Of arrays that every device has all of."""
    return NamedSharding(mesh, PartitionSpec())


def get_memory(device: Any = None) -> int:
    """Returns the bytes that a device can hold, or 0 where it does not say.

    Args:
      device: the first one, by default. A CPU does not say.
    """
    device = device or jax.local_devices()[0]
    return int((device.memory_stats() or {}).get("bytes_limit", 0))


def available_cores() -> int:
    """Cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


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


def describe_machine() -> dict[str, str]:
    """Returns what the last bits of a run depend on, besides its config and text.

    "lstm" is the way of LSTMs that it could take, whatever the run's cells are.
    """
    return {
        "machine": machine_name(),
        "jax": jax.__version__,
        "lstm": "cuDNN" if has_cudnn() else "Pallas" if has_pallas() else "scan",
    }
