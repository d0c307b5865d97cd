"""Reads whether XLA gives cuDNN its arrays in the memory order that cuDNN reads.

JAX's call of cuDNN's RNNs names no layouts, and cuDNN gets bare pointers: it misreads
an array in another order without an error.
"""

import re
from typing import NamedTuple

TARGET = 'custom_call_target="cudnn_rnn'
CALL = re.compile(
    r"= (.+?) custom-call\((.*?)\), custom_call_target=\"(cudnn_rnn\w*)\""
)
ARRAY = re.compile(r"\w+\[([\d,]*)\]\{([\d,]*)")


class Call(NamedTuple):
    """A call of cuDNN in a compiled program.

    Attributes:
      name: of its target.
      arrays: results and operands of two axes or more, as "f32[48,100,512]{2,1,0}".
      is_row_major: whether the last axis of each is the innermost one, and so on.
    """

    name: str
    arrays: list[str]
    is_row_major: bool


def count_calls(program: str) -> int:
    """Returns the number of calls of cuDNN's RNNs in a compiled program's text."""
    return program.count(TARGET)


def read_calls(program: str) -> list[Call]:
    """Returns the calls of cuDNN's RNNs whose arrays can be read in a program's text.

    They are fewer than `count_calls` where the text has an unknown form.
    """
    types = dict(re.findall(r"\n\s+(?:ROOT )?(%[\w.\-]+) = (\S+)", program))
    calls = []
    for results, operands, name in CALL.findall(program):
        names = re.findall(r"%[\w.\-]+", re.sub(r"/\*.*?\*/", "", operands))
        text = " ".join([results, *(types.get(operand, "") for operand in names)])
        matches = [match for match in ARRAY.finditer(text) if "," in match[1]]
        if matches and all(operand in types for operand in names):
            arrays = [f"{match[0]}}}" for match in matches]
            calls.append(Call(name, arrays, all(_is_row_major(m[2]) for m in matches)))
    return calls


def count_wrong_calls(program: str) -> int:
    """Returns the number of calls not known to get all arrays in row-major order."""
    right = sum(call.is_row_major for call in read_calls(program))
    return count_calls(program) - right


def _is_row_major(order: str) -> bool:
    axes = [int(axis) for axis in order.split(",")]
    return axes == sorted(axes, reverse=True)


def find_unpinned(program: str) -> list[str]:
    """Returns the lines of a lowered program in which cuDNN's arrays are not pinned.

    In StableHLO each operand of three axes must come from a layout constraint or from
    another call of cuDNN, and each result must go to such operations alone.
    """
    functions = program.split("func.func")  # names of values are each function's own
    return [line for function in functions for line in _find_unpinned(function)]


def _find_unpinned(function: str) -> list[str]:
    lines = [line.strip() for line in function.splitlines()]
    # The line that defines a value, by its name: "%15" defines "%15#0" too.
    definitions = {
        line.split(" =")[0].split(":")[0]: line for line in lines if " = " in line
    }
    unpinned = []
    for line in lines:
        call = re.search(r"@cudnn_rnn\w*\((.*?)\) .*: \((.*?)\) -> \((.*)\)", line)
        if call:
            operands = zip(call[1].split(", "), call[2].split(", "), strict=True)
            names = [name.split("#")[0] for name, t in operands if _count_axes(t) == 3]
            sources = [definitions.get(name, name) for name in names]
            results = _list_results(line, call[3])
            users = [user for name in results for user in _list_users(name, lines)]
            if not all(map(_is_pinned, [*sources, *users])):
                unpinned.append(line)
    return unpinned


def _list_results(line: str, types: str) -> list[str]:
    name = line.split(":")[0].split(" =")[0]
    axes = map(_count_axes, types.split(", "))
    return [f"{name}#{n}" for n, count in enumerate(axes) if count == 3]


def _list_users(name: str, lines: list[str]) -> list[str]:
    return [line for line in lines if re.search(rf"{name}\b", line.partition(" = ")[2])]


def _is_pinned(line: str) -> bool:
    """Returns whether a line is a constraint to row-major order, or a call of cuDNN.

    A constant is pinned too, since it is the same in any order.
    """
    constraint = "@LayoutConstraint(" in line and "[dense<[2, 1, 0]>" in line
    constant = "broadcast_in_dim" in line and "dims = []" in line
    return constraint or constant or "@cudnn_rnn" in line


def _count_axes(array_type: str) -> int:
    return array_type.count("x") if array_type.startswith("tensor<") else 0
