"""Reads the cycles and the memory traffic of a program from its TPU schedules.

libtpu writes the schedule of each kernel. A bundle of instructions takes a cycle. The
cost of a kernel has its bundles, those of a loop as often as it runs, and the bytes
that it copies to and from main memory. A kernel with a loop copies while it computes:
it takes the longer of the two times. A kernel without a loop waits for its copies: it
takes the sum. Not counted are stalls, the latency of a transfer, and copies outside the
kernels.
"""

import math
import re
from pathlib import Path
from typing import NamedTuple

from experiments.accelerators.hlo import (
    Computations,
    Operation,
    get_branches,
    get_callee,
    get_entry,
    read_computations,
)

# A v5e: 197 TFLOP/s of bfloat16 and 819 GB/s (cloud.google.com/tpu/docs/v5e); its four
# MXUs of 128 x 128 cells multiply and add once a cycle, so that its clock is known.
CLOCK = 197e12 / (4 * 128 * 128 * 2)
BYTES_PER_CYCLE = 819e9 / CLOCK
PIPELINE = 2  # turns of a loop that only copy what the first reads or the last writes
GRANULE = 32  # bytes; the unit of copies in schedules
FREE = {"parameter", "constant", "tuple", "get-tuple-element", "bitcast", "after-all"}
ASYNC = {"copy-start", "slice-start", "dynamic-slice-start", "async-start"}


class Cost(NamedTuple):
    """The cost of kernels.

    Attributes:
      cycles: that they take.
      bundles: of instructions.
      traffic: bytes copied to and from main memory.
      kernels: how many there are.
    """

    cycles: float = 0
    bundles: float = 0
    traffic: float = 0
    kernels: float = 0

    def __add__(self, other):
        return Cost(*(a + b for a, b in zip(self, other, strict=True)))

    def scale(self, count):
        return Cost(*(count * x for x in self))


def read_schedule(text: str) -> Cost:
    """Returns the cost of a kernel from its `final_bundles` text."""
    counts: dict[bool, list[float]] = {False: [0, 0], True: [0, 0]}
    runs = 1
    for line in text.splitlines():
        bundle = re.match(r" *(?:0x[0-9a-f]+|0) +(?:[A-Z]+)?: +(>?)", line)
        if not bundle:
            continue
        is_in_loop = bool(bundle[1])
        counts[is_in_loop][0] += 1
        for granules in re.findall(r"dma\.(?:hbm|vmem)_to.*?granules=\*/(\d+)", line):
            counts[is_in_loop][1] += GRANULE * int(granules)
        end = re.search(r"scmp\.ge\.s32\.totalorder \S+ (\d+) /\* loop exit test", line)
        if end:
            runs = int(end[1]) - PIPELINE
    bundles, traffic = (a + runs * b for a, b in zip(*counts.values(), strict=True))
    waits = traffic / BYTES_PER_CYCLE
    cycles = max(bundles, waits) if runs > 1 else bundles + waits
    return Cost(cycles, bundles, traffic, 1)


def read_schedules(folder: Path) -> dict[str, Cost]:
    """Returns the cost of each kernel that libtpu wrote to a folder, by its name."""
    costs = {}
    for path in folder.glob("*final_bundles.txt"):
        name = re.match(r"\d+-(.+)-\d+-final_bundles", path.name)
        if name:
            costs[name[1]] = read_schedule(path.read_text())
    for path in folder.glob("*deduplication-map.txt"):
        for group in path.read_text().split("key:")[1:]:
            key, _, _, *same = (line.strip() for line in group.splitlines())
            costs.update({name: costs[key] for name in same if key in costs})
    return costs


def get_program_cost(program: str, schedules: dict[str, Cost]) -> Cost:
    """Returns the cost of a compiled program; of a dispatch's loop, that of one step.

    Args:
      program: its text.
      schedules: of read_schedules.
    """
    return _get_cost(read_computations(program), get_entry(program), schedules)


def _get_cost(computations: Computations, name: str, schedules) -> Cost:
    total = Cost()
    for operation in computations[name]:
        if operation.opcode == "while":
            body, turns = _read_loop(computations, operation)
            total += _get_cost(computations, body, schedules).scale(turns)
        elif operation.opcode == "conditional":
            branches = get_branches(operation)
            total += max(_get_cost(computations, x, schedules) for x in branches)
        elif operation.opcode in FREE or operation.opcode in ASYNC:
            continue
        elif operation.name in schedules:
            total += _get_kernel_cost(operation, computations[name], schedules)
    return total


def get_loops(program: str, schedules: dict[str, Cost]) -> list[tuple[int, int]]:
    """Returns (kernels of a turn, turns) of each loop of more than one turn."""
    computations, loops = read_computations(program), []
    for operations in computations.values():
        for operation in operations:
            if operation.opcode == "while":
                body, turns = _read_loop(computations, operation)
                loops.append(
                    (sum(x.name in schedules for x in computations[body]), turns)
                )
    return [loop for loop in loops if loop[1] > 1]


def _read_loop(computations: Computations, operation: Operation) -> tuple[str, int]:
    """Returns the body of a loop, and its turns: 1 where the data decide."""
    body, condition = (get_callee(operation.line, k) for k in ("body", "condition"))
    lines = "".join(x.line for x in computations[condition])
    bounds = re.findall(r"constant\((\d+)\)", lines)
    return body, int(bounds[0]) if bounds else 1


def _get_kernel_cost(operation, operations, schedules) -> Cost:
    """Returns a kernel's cost; a Pallas kernel copies each of its arrays once."""
    cost = schedules[operation.name]
    if operation.opcode != "custom-call":
        return cost
    lines = {x.name: x.line for x in operations}
    call = operation.line.split("custom_call_target")[0]
    results, operands = call.split(" custom-call(")
    arrays = [results, *(lines[x] for x in re.findall(r"%([\w.\-]+)", operands))]
    traffic = sum(count_main_memory_bytes(x.split(" = ")[1]) for x in arrays)
    cycles = max(cost.bundles, traffic / BYTES_PER_CYCLE)
    return Cost(cycles, cost.bundles, traffic, 1)


def count_main_memory_bytes(result: str) -> float:
    """Returns the bytes of an operation's results that lie in main memory.

    Args:
      result: the operation's line from its types on.
    """
    types = re.match(r"\([^()]*(?:\([^()]*\)[^()]*)*\)|\S+", result)
    arrays = re.findall(r"(\w+)\[([\d,]*)\](\{[^{}]*\})?", types[0] if types else "")
    return sum(get_size(*array) for *array, layout in arrays if "S(1)" not in layout)


def get_size(dtype: str, shape: str) -> float:
    """Returns the bytes of an array, its last two axes padded to tiles of 8 by 128."""
    size = {"pred": 1, "u8": 1, "s8": 1, "bf16": 2}.get(dtype, 4)
    axes = [int(n) for n in shape.split(",") if n]
    for axis, tile in zip(reversed(axes), (128, 8), strict=False):
        size *= -(-axis // tile) * tile
    return size * math.prod(axes[:-2])
