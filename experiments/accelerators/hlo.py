"""Reads the text of compiled programs."""

import re
from typing import NamedTuple

COLLECTIVES = (
    *("all-reduce", "all-gather", "reduce-scatter", "all-to-all"),
    "collective-permute",
)


class Operation(NamedTuple):
    """An operation of a computation: its name, its opcode and its whole line."""

    name: str
    opcode: str
    line: str


Computations = dict[str, list[Operation]]


def read_computations(program: str) -> Computations:
    """Returns the operations of each computation of a compiled program, by name."""
    computations: Computations = {}
    for part in program.split("\n\n"):
        head, *lines = part.strip().split("\n")
        title = re.match(r"(?:ENTRY )?%([\w.\-]+) \(", head)
        if not title:
            continue
        operations = computations[title[1]] = []
        for line in lines:
            plain = re.sub(r"\{[^{}]*\}", "", line)
            match = re.match(r" +(?:ROOT )?%([\w.\-]+) = .*? ([a-z][\w\-]*)\(", plain)
            if match:
                operations.append(Operation(match[1], match[2], line))
    return computations


def get_entry(program: str) -> str:
    """Returns the name of the computation in which a program begins."""
    [name] = re.findall(r"^ENTRY %([\w.\-]+)", program, re.MULTILINE)
    return name


def get_callee(line: str, key: str) -> str:
    """Returns the computation that an operation names as its `key`, as "body"."""
    match = re.search(rf"{key}=\{{?%([\w.\-]+)", line)
    assert match, f"the operation names no {key}: {line}"
    return match[1]


def get_branches(operation: Operation) -> list[str]:
    """Returns the computations of which a conditional runs one."""
    match = re.search(r"branch_computations=\{(.*?)\}", operation.line)
    if match:
        return re.findall(r"%([\w.\-]+)", match[1])
    keys = ("true_computation", "false_computation")
    return [get_callee(operation.line, key) for key in keys]


def get_trip_count(line: str) -> int | None:
    """Returns how often a loop runs, or None where the data decide."""
    match = re.search(r'"known_trip_count":\{"n":"(\d+)"', line)
    return int(match[1]) if match else None


def count_collectives(program: str) -> dict[str, int]:
    """Returns the number of operations of each collective opcode in a program."""
    counts = {
        opcode: len(re.findall(rf" {opcode}(?:-start)?\(", program))
        for opcode in COLLECTIVES
    }
    return {opcode: count for opcode, count in counts.items() if count}
