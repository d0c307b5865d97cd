"""Reads the text of compiled programs."""

import re
from typing import NamedTuple


class Operation(NamedTuple):
    """An operation of a computation: its name, its kind and its whole line."""

    name: str
    kind: str
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
            found = re.match(r" +(?:ROOT )?%([\w.\-]+) = .*? ([a-z][\w\-]*)\(", plain)
            if found:
                operations.append(Operation(found[1], found[2], line))
    return computations


def get_entry(program: str) -> str:
    """Returns the name of the computation in which a program begins."""
    [name] = re.findall(r"^ENTRY %([\w.\-]+)", program, re.MULTILINE)
    return name


def get_called(line: str, key: str) -> str:
    """Returns the computation that an operation names as its `key`, as "body"."""
    return re.search(rf"{key}=\{{?%([\w.\-]+)", line)[1]  # pyright: ignore


def get_branches(operation: Operation) -> list[str]:
    """Returns the computations of which a conditional runs one."""
    found = re.search(r"branch_computations=\{(.*?)\}", operation.line)
    if found:
        return re.findall(r"%([\w.\-]+)", found[1])
    keys = ("true_computation", "false_computation")
    return [get_called(operation.line, key) for key in keys]


def get_trip_count(line: str) -> int | None:
    """Returns how often a loop runs, or None where the data decide."""
    found = re.search(r'"known_trip_count":\{"n":"(\d+)"', line)
    return int(found[1]) if found else None


def count_collectives(program: str) -> dict[str, int]:
    """Returns how often each kind of exchange between devices stands in a program."""
    kinds = ("all-reduce", "all-gather", "reduce-scatter", "all-to-all")
    kinds += ("collective-permute",)
    counts = {k: len(re.findall(rf" {k}(?:-start)?\(", program)) for k in kinds}
    return {kind: count for kind, count in counts.items() if count}
