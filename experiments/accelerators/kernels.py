"""Counts the kernels that an NVIDIA GPU launches for a program, loop by loop."""

from typing import NamedTuple

from experiments.accelerators.hlo import (
    Computations,
    get_branches,
    get_callee,
    get_entry,
    get_trip_count,
    read_computations,
)

NO_KERNEL = {
    *("parameter", "get-tuple-element", "tuple", "bitcast", "constant", "domain"),
    *("copy-done", "async-done", "fusion-done", "opt-barrier", "after-all"),
}


class Launches(NamedTuple):
    """Kernels of a part of a program that runs once and takes its longest branches.

    Attributes:
      kernels: fusions, copies, products and other calls; those of a loop count as often
        as it runs.
      waits: loops and branches at which the host waits for the device.
      loops: (kernels of a turn, turns) of each inner loop; the turns are None where the
        data decide.
    """

    kernels: int
    waits: int
    loops: list[tuple[int, int | None]]


def count_kernels(program: str) -> Launches:
    """Returns the launches of a program; of a training program, those of one step.

    A loop whose length the data decide, as that of a dispatch, counts as one turn.
    """
    computations = read_computations(program)
    return _count(computations, get_entry(program))


def _count(computations: Computations, name: str) -> Launches:
    kernels, waits, loops = 0, 0, []
    for operation in computations[name]:
        if operation.opcode == "while":
            trips = get_trip_count(operation.line)
            body = _count(computations, get_callee(operation.line, "body"))
            kernels += body.kernels * (trips or 1)
            waits += body.waits * (trips or 1) + (trips is None)
            loops += [(body.kernels, trips), *body.loops]
        elif operation.opcode in ("call", "async-start", "call-start"):
            key = "to_apply" if "to_apply=" in operation.line else "calls"
            inside = _count(computations, get_callee(operation.line, key))
            kernels, waits = kernels + inside.kernels, waits + inside.waits
            loops += inside.loops
        elif operation.opcode == "conditional":
            inside = max(_count(computations, name) for name in get_branches(operation))
            kernels, waits = kernels + inside.kernels, waits + 1 + inside.waits
            loops += inside.loops
        elif operation.opcode not in NO_KERNEL:
            kernels += 1
    return Launches(kernels, waits, loops)
