"""How a batch is sharded over the devices of this process.

Each device works through streams of its own. With `jax_num_cpu_devices`, as
`configure_jax` sets it, each core is a device. An LSTM's loop is too fine for threads
that share the work of each step; with half of the streams each, two cores meet once an
optimizer step, to add up their gradients. XLA partitions the same program, and the
result is the same to rounding.
"""

import os
import platform
from pathlib import Path
from typing import Any

import jax
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec

from charlm.errors import UserError

PyTree = Any
AXIS = "rows"
MIN_ROWS = 8  # of a batch a device: fewer gain nothing (experiments/speed)


def make_mesh(batch_size: int, *, min_rows: int = MIN_ROWS) -> Mesh:
    """Returns the devices that share a batch: the most CPU devices that divide it.

    Each has at least `min_rows` of it. Of accelerators it is the first one.
    """
    if jax.process_count() > 1:
        raise UserError(
            f"this is one of {jax.process_count()} processes of jax.distributed, and"
            " charlm works in one: start a single process, with one device or more"
        )
    devices = jax.local_devices()
    max_count = len(devices) if devices[0].platform == "cpu" else 1
    fitting = [n for n in range(1, max_count + 1) if batch_size % n == 0]
    count = max(n for n in fitting if n == 1 or batch_size // n >= min_rows)
    return jax.make_mesh(
        (count,), (AXIS,), devices=devices[:count], axis_types=(AxisType.Auto,)
    )


def shard_rows(mesh: Mesh) -> NamedSharding:
    """Returns the sharding of arrays whose first axis is the batch's."""
    return NamedSharding(mesh, PartitionSpec(AXIS))


def replicate(mesh: Mesh) -> NamedSharding:
    """Returns the sharding of arrays that every device has all of."""
    return NamedSharding(mesh, PartitionSpec())


def get_memory(device: Any = None) -> int:
    """Returns the bytes that a device, or the first, can hold; 0 if it does not say."""
    device = device or jax.local_devices()[0]
    return int((device.memory_stats() or {}).get("bytes_limit", 0))


def count_cores() -> int:
    """Returns the number of cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def get_machine_name() -> str:
    """Returns the accelerator's name, or the processor's and its number of cores."""
    device = jax.devices()[0]
    if device.platform != "cpu":
        return device.device_kind
    model = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    text = info.read_text("utf-8", "replace") if info.exists() else ""
    for line in text.splitlines():
        if line.startswith("model name"):
            model = line.partition(":")[2].strip()
    return f"{model}, {count_cores()} cores"


def describe_machine() -> dict[str, str]:
    """Returns what the last bits of a run depend on, besides its config and text."""
    return {"machine": get_machine_name(), "jax": jax.__version__}
