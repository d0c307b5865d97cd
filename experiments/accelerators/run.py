"""python -m experiments.accelerators.run [--targets h100 tpu]: see README.md.

Compiles charlm for devices that are not here, and writes down what the compilers say.
"""

import os

os.environ["JAX_PLATFORMS"] = "cpu"  # before JAX starts: nothing here is a device

import argparse
import json
import sys
from pathlib import Path

from charlm.model.jax_setup import set_environment
from experiments.accelerators import targets
from experiments.report import table, write_report

FOLDER = Path(__file__).parent


def show_loops(loops: list) -> str:
    """Returns loops in words, as "9 x 100, 7 x 100"."""
    return ", ".join(f"{kernels} x {turns}" for kernels, turns in loops) or "none"


def run_gpu() -> None:
    """Compiles for an H100 and writes that part of the README."""
    from experiments.accelerators import gpu

    checked, mends = gpu.check_layouts(), gpu.compare_mends()
    programs, bounds = gpu.describe_programs(), gpu.get_bounds()
    blocks = [
        "Calls of cuDNN that are given an array in an order that it misreads:",
        table(
            ["config, 48 streams", "program", "calls", "wrong", "wrong without pins"],
            (row.values() for row in checked),
        ),
        "Kernels of a training step of 2 x 512, 100 x 100, dropout 0.5; a call of cuDNN"
        " counts as one, and launches two or more a character inside:",
        table(
            ["path", "program", "kernels", "loops: kernels x turns", "compiled in, s"],
            (
                (row["path"], row["program of"], row["kernels"])
                + (show_loops(row["loops"]), str(row["seconds"]))
                for row in mends
            ),
        ),
        "All programs, as they are now; drawing is of 256 characters. At a wait, the"
        " host looks at a result before it goes on:",
        table(
            ["size", "program", "kernels", "loops: kernels x turns", "waits"]
            + ["cuDNN's calls", "temporary MB", "compiled in, s"],
            (
                (row["size"], row["program"], row["kernels"], show_loops(row["loops"]))
                + (row["waits"], row["cudnn_calls"], round(row["temporary_mb"]))
                + (str(row["seconds"]),)
                for row in programs
            ),
        ),
        "By arithmetic: a training step's products, and how long they take at the peak"
        " of an H100 in each type, in ms; and how many steps wait for the one before:",
        table(
            ["size", "GFLOP", "float32", "tf32", "bfloat16", "steps in a row"],
            (row.values() for row in bounds),
        ),
    ]
    results = {"layouts": checked, "mends": mends, "programs": programs}
    write_report(FOLDER, results | {"bounds": bounds}, blocks, part="h100")


def run_tpu() -> None:
    """Compiles for TPUs and writes that part of the README."""
    from experiments.accelerators import tpu

    training, others, chips = (
        *(tpu.describe_training(), tpu.describe_others()),
        tpu.describe_chips(),
    )
    bounds = tpu.get_bounds()
    cost = [
        "kernels",
        "loops: kernels x turns",
        "cycles",
        "moved, MB",
        "ms",
        "temporary MB",
        "compiled in, s",
    ]

    def show_cost(row):
        return (
            *(row["kernels"], show_loops(row["loops"]), row["cycles"]),
            *(round(row["moved_mb"]), row["ms"]),
            *(round(row["temporary_mb"]), str(row["seconds"])),
        )

    blocks = [
        "A training step on one TPU v5e, 100 streams of 100 characters a chip:",
        table(
            ["size", "type", "by", *cost],
            ((r["size"], r["dtype"], r["way"], *show_cost(r)) for r in training),
        ),
        "The other programs, in bfloat16; drawing is of 256 characters:",
        table(
            ["size", "program", *cost],
            ((r["size"], r["program"], *show_cost(r)) for r in others),
        ),
        "By arithmetic: a training step's products at the peak of a v5e, in ms:",
        table(
            ["size", "GFLOP", "float32", "tf32", "bfloat16"],
            (row.values() for row in bounds),
        ),
        "Programs for many chips, by the scan, in bfloat16: exchanges in a program, and"
        " memory of a chip:",
        table(
            ["size", "program", "chips", "exchanges", "temporary MB", "compiled in, s"],
            (
                (r["size"], r["program"], r["chips"], json.dumps(r["collectives"]))
                + (round(r["temporary_mb"]), str(r["seconds"]))
                for r in chips
            ),
        ),
    ]
    results = {"training": training, "others": others, "chips": chips}
    results |= {"bounds": bounds}
    write_report(FOLDER, results, blocks, part="tpu")


RUNS = {"h100": run_gpu, "tpu": run_tpu}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--targets", nargs="+", choices=RUNS, default=list(RUNS))
    set_environment()
    for name in parser.parse_args().targets:
        missing = targets.find_compiler(name)
        if missing:
            sys.exit(f"error: {missing}; make accelerators installs it")
        RUNS[name]()


if __name__ == "__main__":
    main()
