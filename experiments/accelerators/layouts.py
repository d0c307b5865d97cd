"""Whether XLA gives cuDNN its arrays in the memory order that cuDNN reads.

JAX's call of cuDNN's RNNs names no layouts, and cuDNN sees bare pointers: an array in
another order is misread without an error.
"""

import re
from typing import NamedTuple

CALL = re.compile(
    r"= (.+?) custom-call\((.*?)\), custom_call_target=\"(cudnn_rnn\w*)\""
)
ARRAY = re.compile(r"\w+\[([\d,]*)\]\{([\d,]*)")


class Call(NamedTuple):
    """A call of cuDNN in a compiled program.

    Attributes:
      name: of its target.
      arrays: results and operands of two axes or more, as "f32[48,100,512]{2,1,0}".
      ok: whether the last axis of each is the innermost one, and so on.
    """

    name: str
    arrays: list[str]
    ok: bool


def check(program: str) -> list[Call]:
    """Returns the calls of cuDNN's RNNs in a compiled program's text."""
    types = dict(re.findall(r"\n\s+(?:ROOT )?(%[\w.\-]+) = (\S+)", program))
    calls = []
    for results, operands, name in CALL.findall(program):
        names = re.findall(r"%[\w.\-]+", re.sub(r"/\*.*?\*/", "", operands))
        text = " ".join([results, *(types[operand] for operand in names)])
        found = [match for match in ARRAY.finditer(text) if "," in match[1]]
        ok = all(_is_row_major(match[2]) for match in found)
        calls.append(Call(name, [f"{match[0]}}}" for match in found], ok))
    return calls


def _is_row_major(order: str) -> bool:
    axes = [int(axis) for axis in order.split(",")]
    return axes == sorted(axes, reverse=True)


def find_unpinned(program: str) -> list[str]:
    """Returns the lines of a lowered program in which cuDNN's arrays are not pinned.

    In StableHLO each operand of three axes must come from a layout constraint or from
    another call of cuDNN, and each result must go to such places alone.
    """
    functions = program.split("func.func")  # names of values are each function's own
    return [line for function in functions for line in _find_unpinned(function)]


def _find_unpinned(function: str) -> list[str]:
    lines = [line.strip() for line in function.splitlines()]
    # By its name, what makes a value: "%15" makes "%15#0" too.
    makers = {
        line.split(" =")[0].split(":")[0]: line for line in lines if " = " in line
    }
    wrong = []
    for line in lines:
        call = re.search(r"@cudnn_rnn\w*\((.*?)\) .*: \((.*?)\) -> \((.*)\)", line)
        if call:
            operands = zip(call[1].split(", "), call[2].split(", "), strict=True)
            wide = [name.split("#")[0] for name, kind in operands if _axes(kind) == 3]
            users = [u for name in _results(line, call[3]) for u in _users(name, lines)]
            if not all(map(_is_pinned, [*(makers.get(n, n) for n in wide), *users])):
                wrong.append(line)
    return wrong


def _results(line: str, kinds: str) -> list[str]:
    name = line.split(":")[0].split(" =")[0]
    found = enumerate(kinds.split(", "))
    return [f"{name}#{n}" for n, kind in found if _axes(kind) == 3]


def _users(name: str, lines: list[str]) -> list[str]:
    return [line for line in lines if re.search(rf"{name}\b", line.partition(" = ")[2])]


def _is_pinned(line: str) -> bool:
    """Whether a line is a constraint to the plain order, or a call of cuDNN.

    Or one number everywhere, the same in any order.
    """
    constraint = "@LayoutConstraint(" in line and "[dense<[2, 1, 0]>" in line
    constant = "broadcast_in_dim" in line and "dims = []" in line
    return constraint or constant or "@cudnn_rnn" in line


def _axes(kind: str) -> int:
    return kind.count("x") if kind.startswith("tensor<") else 0
