"""Compiles charlm's programs for a described H100 and says what is in them."""

import time
from typing import Any
from unittest import mock

from experiments.accelerators import layouts, targets
from experiments.accelerators.arithmetic import count_training_flops, get_bound_ms
from experiments.accelerators.kernels import count_kernels
from experiments.accelerators.mends import without
from experiments.accelerators.programs import PROGRAMS, Size, read_sizes

Row = dict[str, Any]
PINS = "layouts pinned around cuDNN"
GPU_MENDS = (PINS, "masks of a window at once", "loss without scatter")
POST = Size(2, 512, 100, 100, 0.5)  # the post's
SIZES = {
    "2 x 512, dropout 0.5": POST,
    "3 x 512, dropout 0.5": POST._replace(layers=3),
    "3 x 680": Size(3, 680, 100, 100),
    "2 x 128": Size(2, 128, 50, 50),
}


def compile_program(
    program: str, size: Size, *, before: tuple[str, ...] = (), cudnn: bool = True
) -> Row:
    """Compiles a program for an H100 and returns what is seen in it."""
    mesh = targets.make_mesh("h100")
    switch = mock.patch.dict("os.environ", {"CHARLM_CUDNN": str(int(cudnn))})
    with switch, targets.tracing_target("cuda"), without(*before):
        began = time.perf_counter()
        compiled = PROGRAMS[program](size, mesh, "cuda").compile()
        spent = time.perf_counter() - began
    text = compiled.as_text()
    launches, calls = count_kernels(text), layouts.check(text)
    return {
        "program": program,
        "seconds": round(spent, 1),
        "kernels": launches.kernels,
        "waits": launches.waits,
        "loops": [loop for loop in launches.loops if loop[1]],
        "cudnn_calls": len(calls),
        "wrong_calls": sum(not call.ok for call in calls),
        "temporary_mb": compiled.memory_analysis().temp_size_in_bytes / 1e6,
    }


def check_layouts() -> list[Row]:
    """Returns the wrong calls of cuDNN in every config, with and without the pins.

    A batch of 48 streams, so that batch and time can be told apart.
    """
    rows, seen = [], {}
    for name, size in read_sizes().items():
        size = size._replace(batch=48)
        for program in ("training", "scoring"):
            if (size, program) not in seen:
                pinned = compile_program(program, size)
                loose = compile_program(program, size, before=(PINS,))
                seen[size, program] = {
                    "calls": pinned["cudnn_calls"],
                    "wrong": pinned["wrong_calls"],
                    "wrong_without_pins": loose["wrong_calls"],
                }
            rows.append({"config": name, "program": program, **seen[size, program]})
    return rows


def compare_mends() -> list[Row]:
    """Returns the kernels of a training step of the post's size, mend by mend."""
    rows = []
    for path, size, cudnn in (
        ("cuDNN", POST, True),
        ("scan", POST, False),
        ("scan, bfloat16", POST._replace(dtype="bfloat16"), False),
    ):
        for missing in (GPU_MENDS, *((name,) for name in GPU_MENDS[1:]), ()):
            label = {GPU_MENDS: "before", (): "mended"}.get(missing)
            seen = compile_program("training", size, before=missing, cudnn=cudnn)
            label = label or f"without: {missing[0]}"
            rows.append({"path": path, "program of": label, **seen})
    return rows


def describe_programs() -> list[Row]:
    """Returns what is in the programs of each size."""
    return [
        {"size": name, **compile_program(program, size)}
        for name, size in SIZES.items()
        for program in PROGRAMS
    ]


def get_bounds() -> list[Row]:
    """Returns what the products of a training step take at the peak of an H100."""
    return [
        {
            "size": name,
            "gflop": count_training_flops(size) / 1e9,
            **{
                dtype: get_bound_ms(size._replace(dtype=dtype), "h100")
                for dtype in ("float32", "tf32", "bfloat16")
            },
            "dependent_steps": 2 * size.layers * size.length,
        }
        for name, size in SIZES.items()
    ]
