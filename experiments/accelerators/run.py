"""python -m experiments.accelerators.run [--targets h100 tpu]: see README.md.

Compiles charlm for devices that are not here, and writes what the compilers report.
"""

import os

os.environ["JAX_PLATFORMS"] = "cpu"  # before JAX starts: nothing here is a device

import argparse
import json
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, NamedTuple

from charlm.model.jax_setup import set_environment
from experiments.accelerators import gpu, peaks, targets, tpu
from experiments.report import table, write_report

FOLDER = Path(__file__).parent
Row = dict[str, Any]


def format_loops(loops: list) -> str:
    """Returns loops in words, as "9 x 100, 7 x 100"."""
    return ", ".join(f"{kernels} x {turns}" for kernels, turns in loops) or "none"


# How the value of a key stands in a table, where it is not the value itself.
FORMATS: dict[str, Callable[[Any], Any]] = {
    "loops": format_loops,
    "seconds": str,
    "temporary_mb": round,
    "traffic_mb": round,
    "collectives": json.dumps,
}
LOOPS = {"kernels": "kernels", "loops": "loops: kernels x turns"}
COMPILATION = {"temporary_mb": "temporary MB", "seconds": "compiled in, s"}
COST = {**LOOPS, "cycles": "cycles", "traffic_mb": "traffic, MB", "ms": "ms"}
BOUNDS = {
    "size": "size",
    "gflop": "GFLOP",
    **{dtype: dtype for dtype in ("float32", "tf32", "bfloat16")},
}


class Table(NamedTuple):
    """A table of the README, and of the results.

    Attributes:
      title: the sentence above it.
      columns: their heads, by the keys of a row.
      get_rows: returns the rows.
    """

    title: str
    columns: dict[str, str]
    get_rows: Callable[[], Iterable[Row]]


# By target, and by the name of a table in the results.
TABLES = {
    "h100": {
        "layouts": Table(
            "Calls of cuDNN that get an array in an order that it misreads:",
            {
                "config": "config, 48 streams",
                "program": "program",
                "calls": "calls",
                "wrong": "wrong",
                "wrong_without_pins": "wrong without pins",
            },
            gpu.check_layouts,
        ),
        "fixes": Table(
            "Kernels of a training step of 2 x 512, 100 x 100, dropout 0.5. A call of"
            " cuDNN counts as one, and launches two or more for each character:",
            {
                "path": "path",
                "version": "program",
                **LOOPS,
                "seconds": COMPILATION["seconds"],
            },
            gpu.compare_fixes,
        ),
        "programs": Table(
            "All programs with all fixes; decode draws 256 characters. At a wait the"
            " host looks at a result before it continues:",
            {
                "size": "size",
                "program": "program",
                **LOOPS,
                "waits": "waits",
                "cudnn_calls": "cuDNN's calls",
                **COMPILATION,
            },
            gpu.describe_programs,
        ),
        "bounds": Table(
            "By arithmetic: the products of a training step; their time at the peak of"
            " an H100 in each type, in ms; and the number of steps that each depend on"
            " the one before:",
            {**BOUNDS, "dependent_steps": "dependent steps"},
            lambda: peaks.get_bounds(gpu.SIZES, "h100"),
        ),
    },
    "tpu": {
        "training": Table(
            "A training step on one TPU v5e, 100 streams of 100 characters a chip:",
            {
                "size": "size",
                "dtype": "type",
                "version": "program",
                **COST,
                **COMPILATION,
            },
            tpu.describe_training,
        ),
        "inference": Table(
            "The other programs, in bfloat16; decode draws 256 characters:",
            {"size": "size", "program": "program", **COST, **COMPILATION},
            tpu.describe_inference,
        ),
        "bounds": Table(
            "By arithmetic: the products of a training step at the peak of a v5e, in"
            " ms:",
            BOUNDS,
            lambda: peaks.get_bounds(tpu.SIZES, "tpu-v5e"),
        ),
        "chips": Table(
            "Programs for many chips, by the scan, in bfloat16: the collectives of a"
            " program, and the memory of a chip:",
            {
                "size": "size",
                "program": "program",
                "chips": "chips",
                "collectives": "collectives",
                **COMPILATION,
            },
            tpu.describe_chips,
        ),
    },
}


def make_table(columns: dict[str, str], rows: Iterable[Row]) -> str:
    """Returns a table in Markdown of some keys of rows."""
    lines = (
        [FORMATS.get(key, lambda value: value)(row[key]) for key in columns]
        for row in rows
    )
    return table(list(columns.values()), lines)


def run_target(target: str) -> None:
    """Compiles for a target of TABLES and writes its part of the README."""
    compiler = targets.describe_compiler(target)
    results: dict[str, Any] = {"compiler": compiler}
    blocks = [f"The compiler is {compiler}."]
    for name, (title, columns, get_rows) in TABLES[target].items():
        results[name] = list(get_rows())
        blocks += [title, make_table(columns, results[name])]
    write_report(FOLDER, results, blocks, part=target, sources=results)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--targets", nargs="+", choices=TABLES, default=list(TABLES))
    arguments = parser.parse_args()
    set_environment()
    for target in arguments.targets:
        missing = targets.find_compiler(target)
        if missing:
            sys.exit(f"error: {missing}; make accelerators installs it")
        run_target(target)


if __name__ == "__main__":
    main()
