"""Compiles charlm's programs for a described H100 and reads the result."""

import time
from typing import Any
from unittest import mock

from experiments.accelerators import layouts, targets
from experiments.accelerators.fixes import LOSS, MASKS, PINS, without_fixes
from experiments.accelerators.kernels import count_kernels
from experiments.accelerators.programs import PROGRAMS, Size, read_sizes

Row = dict[str, Any]
POST = Size(2, 512, 100, 100, 0.5)  # the post's
SIZES = {
    "2 x 512, dropout 0.5": POST,
    "3 x 512, dropout 0.5": POST._replace(layers=3),
    "3 x 680": Size(3, 680, 100, 100),
    "2 x 128": Size(2, 128, 50, 50),
}
# By its name in a table: the size, and whether cuDNN may be used.
PATHS = {
    "cuDNN": (POST, True),
    "scan": (POST, False),
    "scan, bfloat16": (POST._replace(dtype="bfloat16"), False),
}
# By its name in a table: the fixes that a version lacks.
VERSIONS = {
    "no fixes": (PINS, MASKS, LOSS),
    f"without: {MASKS}": (MASKS,),
    f"without: {LOSS}": (LOSS,),
    "all fixes": (),
}


def compile_program(
    program: str, size: Size, *, without: tuple[str, ...] = (), cudnn: bool = True
) -> Row:
    """Compiles a program for an H100 and returns a row about it.

    Args:
      program: of PROGRAMS.
      size: of the model and its windows.
      without: the fixes that it lacks.
      cudnn: whether it may call cuDNN.
    """
    mesh = targets.make_mesh("h100")
    switch = mock.patch.dict("os.environ", {"CHARLM_CUDNN": str(int(cudnn))})
    with switch, targets.tracing_target("cuda"), without_fixes(*without):
        start = time.perf_counter()
        compiled = PROGRAMS[program](size, mesh, "cuda").compile()
        seconds = time.perf_counter() - start
    text = compiled.as_text()
    launches = count_kernels(text)
    return {
        "program": program,
        "seconds": round(seconds, 1),
        "kernels": launches.kernels,
        "waits": launches.waits,
        "loops": [loop for loop in launches.loops if loop[1]],
        "cudnn_calls": layouts.count_calls(text),
        "wrong_calls": layouts.count_wrong_calls(text),
        "temporary_mb": compiled.memory_analysis().temp_size_in_bytes / 1e6,
    }


def check_layouts() -> list[Row]:
    """Returns the wrong calls of cuDNN in every config, with and without the pins.

    A batch of 48 streams makes batch and time distinct.
    """
    rows, counts = [], {}
    for name, size in read_sizes().items():
        size = size._replace(batch=48)
        for program in ("training", "scoring"):
            if (size, program) not in counts:
                pinned = compile_program(program, size)
                loose = compile_program(program, size, without=(PINS,))
                counts[size, program] = {
                    "calls": pinned["cudnn_calls"],
                    "wrong": pinned["wrong_calls"],
                    "wrong_without_pins": loose["wrong_calls"],
                }
            rows.append({"config": name, "program": program, **counts[size, program]})
    return rows


def compare_fixes() -> list[Row]:
    """Returns the kernels of a training step of the post's size, fix by fix."""
    return [
        {
            "path": path,
            "version": version,
            **compile_program("training", size, without=without, cudnn=cudnn),
        }
        for path, (size, cudnn) in PATHS.items()
        for version, without in VERSIONS.items()
    ]


def describe_programs() -> list[Row]:
    """Returns all programs of each size."""
    return [
        {"size": name, **compile_program(program, size)}
        for name, size in SIZES.items()
        for program in PROGRAMS
    ]
