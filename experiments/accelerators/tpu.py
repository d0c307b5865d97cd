"""python -m experiments.accelerators.tpu PROGRAM [--layers=2 ...]: one row, as JSON.

Compiles a program for a TPU v5e that is not here, and reads the compiler's schedules.
Each program has a process of its own: libtpu is told where to write them as it starts.
"""

import argparse
import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

Row = dict[str, Any]
ROOT = Path(__file__).parent.parent.parent


def set_dump_folder(folder: str) -> None:
    """Tells libtpu to write the schedules of kernels to a folder."""
    os.environ["LIBTPU_INIT_ARGS"] = (
        f"--xla_jf_dump_to={folder} --xla_jf_dump_llo_text=true "
        "--xla_jf_dump_llo_pass_label_regex=.*(final.bundles|deduplication).*"
    )
    os.environ["ALLOW_MULTIPLE_LIBTPU_LOAD"] = "1"  # nothing here is locked: no chip


def compile_program(given: argparse.Namespace, folder: Path) -> Row:
    """Compiles a program and returns what is seen in it."""
    from experiments.accelerators import targets
    from experiments.accelerators.hlo import count_collectives
    from experiments.accelerators.mends import without
    from experiments.accelerators.programs import PROGRAMS, Size
    from experiments.accelerators.schedules import (
        CLOCK,
        get_loops,
        get_program_cost,
        read_schedules,
    )

    sizes = {name: getattr(given, name) for name in Size._fields if name != "cell"}
    mesh = targets.make_mesh(given.target)
    with targets.tracing_target("tpu"), without(*given.without):
        lowered = PROGRAMS[given.program](Size(**sizes), mesh, "tpu")
        began = time.perf_counter()
        compiled = lowered.compile()
        spent = time.perf_counter() - began
    text, memory = compiled.as_text(), compiled.memory_analysis()
    schedules = read_schedules(folder)
    cost = get_program_cost(text, schedules)
    return {
        "program": given.program,
        "chips": mesh.size,
        "seconds": round(spent, 1),
        "kernels": round(cost.kernels),
        "loops": get_loops(text, schedules),
        "cycles": round(cost.cycles),
        "moved_mb": cost.moved / 1e6,
        "ms": 1e3 * cost.cycles / CLOCK,
        "temporary_mb": memory.temp_size_in_bytes / 1e6,
        "collectives": count_collectives(text),
    }


def get_row(
    program: str, *, pallas: bool = True, without: Sequence[str] = (), **flags: Any
) -> Row:
    """Returns the row of a program, compiled in a process of its own."""
    command = [sys.executable, "-m", "experiments.accelerators.tpu", program]
    command += [f"--without={name}" for name in without]
    command += [f"--{name}={value}" for name, value in flags.items()]
    environment = {**os.environ, "CHARLM_PALLAS": str(int(pallas))}
    done = subprocess.run(
        command,
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return json.loads(done.stdout.splitlines()[-1])


TPU_MENDS = (
    *("masks of a window at once", "loss without scatter"),
    "padded to whole registers",
)
SIZES = {
    "2 x 512, dropout 0.5": {"layers": 2, "features": 512, "dropout": 0.5},
    "3 x 680": {"layers": 3, "features": 680, "dropout": 0.0},
}


def describe_training() -> list[Row]:
    """Returns what a training step is before the mends, by the scan, and now."""
    ways = {
        "scan, before": {"pallas": False, "without": TPU_MENDS},
        "scan": {"pallas": False},
        "kernel": {},
    }
    rows = [
        {"size": name, "dtype": "bfloat16", "way": way, **get_row("training", **given)}
        for name, size in SIZES.items()
        for way, options in ways.items()
        for given in [{**size, **options}]
    ]
    [name, size] = next(iter(SIZES.items()))
    exact = get_row("training", dtype="float32", **size)
    return [*rows, {"size": name, "dtype": "float32", "way": "kernel", **exact}]


def describe_others() -> list[Row]:
    """Returns the other programs of the first size."""
    [name, size] = next(iter(SIZES.items()))
    programs = ("scoring", "reading", "drawing")
    return [{"size": name, **get_row(program, **size)} for program in programs]


def describe_chips() -> list[Row]:
    """Returns the programs of the first size on many chips, by the scan."""
    [name, size] = next(iter(SIZES.items()))
    return [
        {"size": name, **get_row(program, pallas=False, target=target, **size)}
        for target in ("tpu-v5e-4", "tpu-v5e-256")
        for program in ("training", "scoring", "reading", "drawing")
    ]


def get_bounds() -> list[Row]:
    """Returns what the products of a training step take at the peak of a v5e."""
    from experiments.accelerators.arithmetic import count_training_flops, get_bound_ms
    from experiments.accelerators.programs import Size

    rows = []
    for name, options in SIZES.items():
        size = Size(batch=100, length=100, **options)
        types = ("float32", "tf32", "bfloat16")
        peaks = {t: get_bound_ms(size._replace(dtype=t), "tpu-v5e") for t in types}
        rows.append({"size": name, "gflop": count_training_flops(size) / 1e9, **peaks})
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("program")
    parser.add_argument("--target", default="tpu-v5e")
    parser.add_argument("--without", action="append", default=[], help="of mends.MENDS")
    for name, default in (
        ("layers", 2),
        ("features", 512),
        ("batch", 100),
        ("length", 100),
        ("embedding", 0),
    ):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--dropout", type=float, default=0.5)
    parser.add_argument("--dtype", default="bfloat16")
    os.environ["JAX_PLATFORMS"] = "cpu"
    with tempfile.TemporaryDirectory() as folder:
        set_dump_folder(folder)
        with contextlib.redirect_stdout(sys.stderr):
            row = compile_program(parser.parse_args(), Path(folder))
    print(json.dumps(row))


if __name__ == "__main__":
    main()
