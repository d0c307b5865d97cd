"""Rows of a batch over devices: each works through streams of its own.

The cores of a process are as many CPU devices to JAX, where `jax_num_cpu_devices` says
so, as the front doors do. An LSTM's loop is too fine for threads that share the work of
each step; with a half of the streams each, two cores meet once an optimiser step, to
add up their gradients. XLA partitions the same program: what is computed is the same,
to rounding.
"""

from typing import Any

import jax
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec

PyTree = Any
AXIS = "rows"
ROWS = 8  # of a batch a device, at least: fewer gain nothing (experiments/speed)


def mesh_of(batch_size: int, *, rows: int = ROWS) -> Mesh:
    """The devices that a batch is worked on: the most CPU devices that share it evenly.

    Of accelerators it is the first.

    Args:
      batch_size: b.
      rows: what each of several devices must have of it, at least.
    """
    devices = jax.local_devices()
    most = len(devices) if devices[0].platform == "cpu" else 1
    fitting = [n for n in range(1, most + 1) if batch_size % n == 0]
    count = max(n for n in fitting if n == 1 or batch_size // n >= rows)
    return jax.make_mesh(
        (count,), (AXIS,), devices=devices[:count], axis_types=(AxisType.Auto,)
    )


def by_rows(mesh: Mesh) -> NamedSharding:
    """Of arrays whose first axis is the batch's."""
    return NamedSharding(mesh, PartitionSpec(AXIS))


def whole(mesh: Mesh) -> NamedSharding:
    """Of arrays that every device has all of."""
    return NamedSharding(mesh, PartitionSpec())
