"""python -m experiments.accelerators.tpu PROGRAM [--layers=2 ...]: one row, as JSON.

Compiles a program for a TPU v5e that is not here, and reads the compiler's schedules.
Each program has a process of its own: libtpu reads where to write them as it starts.
"""

import os

os.environ["JAX_PLATFORMS"] = "cpu"  # before JAX starts: nothing here is a device

import argparse
import contextlib
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from experiments.accelerators import targets
from experiments.accelerators.fixes import LOSS, MASKS, PADDING, without_fixes
from experiments.accelerators.hlo import count_collectives
from experiments.accelerators.programs import PROGRAMS, Size
from experiments.accelerators.schedules import (
    CLOCK,
    get_loops,
    get_program_cost,
    read_schedules,
)

Row = dict[str, Any]
ROOT = Path(__file__).parent.parent.parent
POST = Size(2, 512, 100, 100, 0.5, "bfloat16")  # the post's
SIZES = {
    "2 x 512, dropout 0.5": POST,
    "3 x 680": Size(3, 680, 100, 100, 0.0, "bfloat16"),
}
FIRST = next(iter(SIZES))
# By its name in a table: how a training step is compiled.
VERSIONS: dict[str, Row] = {
    "scan, no fixes": {"pallas": False, "without": (MASKS, LOSS, PADDING)},
    "scan": {"pallas": False},
    "kernel": {},
}
MANY_CHIPS = ("tpu-v5e-4", "tpu-v5e-256")


def set_dump_folder(folder: str) -> None:
    """Makes libtpu, when it starts, write the schedules of kernels to a folder."""
    os.environ["LIBTPU_INIT_ARGS"] = (
        f"--xla_jf_dump_to={folder} --xla_jf_dump_llo_text=true "
        "--xla_jf_dump_llo_pass_label_regex=.*(final.bundles|deduplication).*"
    )
    os.environ["ALLOW_MULTIPLE_LIBTPU_LOAD"] = "1"  # nothing here is locked: no chip


def compile_program(
    program: str, size: Size, target: str, without: list[str], folder: Path
) -> Row:
    """Compiles a program and returns a row about it.

    Args:
      program: of PROGRAMS.
      size: of the model and its windows.
      target: of targets.TPU_CHIPS.
      without: the fixes that it lacks.
      folder: where libtpu writes the schedules.
    """
    mesh = targets.make_mesh(target)
    with targets.tracing_target("tpu"), without_fixes(*without):
        lowered = PROGRAMS[program](size, mesh, "tpu")
        start = time.perf_counter()
        compiled = lowered.compile()
        seconds = time.perf_counter() - start
    text, memory = compiled.as_text(), compiled.memory_analysis()
    schedules = read_schedules(folder)
    cost = get_program_cost(text, schedules)
    return {
        "program": program,
        "chips": mesh.size,
        "seconds": round(seconds, 1),
        "kernels": round(cost.kernels),
        "loops": get_loops(text, schedules),
        "cycles": round(cost.cycles),
        "traffic_mb": cost.traffic / 1e6,
        "ms": 1e3 * cost.cycles / CLOCK,
        "temporary_mb": memory.temp_size_in_bytes / 1e6,
        "collectives": count_collectives(text),
    }


def get_row(
    program: str,
    size: Size,
    *,
    target: str = "tpu-v5e",
    pallas: bool = True,
    without: tuple[str, ...] = (),
) -> Row:
    """Returns the row of a program, compiled in a process of its own.

    Args:
      program: of PROGRAMS.
      size: of the model and its windows.
      target: of targets.TPU_CHIPS.
      pallas: whether the LSTM may run by the kernels.
      without: the fixes that it lacks.
    """
    command = [sys.executable, "-m", "experiments.accelerators.tpu", program]
    command += [f"--target={target}", *(f"--without={name}" for name in without)]
    command += [f"--{name}={value}" for name, value in size._asdict().items()]
    process = subprocess.run(
        command,
        cwd=ROOT,
        env={**os.environ, "CHARLM_PALLAS": str(int(pallas))},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return json.loads(process.stdout.splitlines()[-1])


def describe_training() -> list[Row]:
    """Returns a training step by the scan without the fixes, by the scan and now."""
    steps = [
        (name, version, size, options)
        for name, size in SIZES.items()
        for version, options in VERSIONS.items()
    ]
    steps.append((FIRST, "kernel", POST._replace(dtype="float32"), {}))
    return [
        {
            "size": name,
            "dtype": size.dtype,
            "version": version,
            **get_row("training", size, **options),
        }
        for name, version, size, options in steps
    ]


def describe_inference() -> list[Row]:
    """Returns the other programs of the first size."""
    programs = (program for program in PROGRAMS if program != "training")
    return [{"size": FIRST, **get_row(program, POST)} for program in programs]


def describe_chips() -> list[Row]:
    """Returns the programs of the first size on many chips, by the scan."""
    return [
        {"size": FIRST, **get_row(program, POST, target=target, pallas=False)}
        for target in MANY_CHIPS
        for program in PROGRAMS
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("program", choices=PROGRAMS)
    parser.add_argument("--target", default="tpu-v5e", choices=targets.TPU_CHIPS)
    parser.add_argument("--without", action="append", default=[], help="of FIXES")
    for name, value in POST._asdict().items():
        parser.add_argument(f"--{name}", type=type(value), default=value)
    arguments = parser.parse_args()
    size = Size(*(getattr(arguments, name) for name in Size._fields))
    with tempfile.TemporaryDirectory() as folder:
        set_dump_folder(folder)
        with contextlib.redirect_stdout(sys.stderr):
            row = compile_program(
                arguments.program,
                size,
                arguments.target,
                arguments.without,
                Path(folder),
            )
    print(json.dumps(row))


if __name__ == "__main__":
    main()
