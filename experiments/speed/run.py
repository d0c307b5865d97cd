"""Compares the speed of charlm and its peers: python -m experiments.speed.run

[--cases NAME ...] [--json] [--steps N]: it measures all contenders in turn, and prints
medians and the peer's time over ours, the median of the pairs. Each contender has a
process of its own and waits while others measure; this process computes nothing, so
that it takes no GPU from them. Without --cases, it writes the results to results/,
under the machine's name.
"""

import argparse
import json
import os
import platform
import statistics
import sys
from pathlib import Path
from typing import Any

import jax

from charlm.model.jax_setup import set_environment
from charlm.model.sharding import count_cores, get_machine_name
from experiments.report import write_results
from experiments.speed.cases import NAMES, OURS, get_case
from experiments.speed.contender import Contender
from experiments.speed.overhead import ROOT, memory_mb
from experiments.speed.peers import Shape

Row = dict[str, Any]
TURNS = 5
SIZES = [(50, 50), (100, 50), (50, 100), (100, 100)]  # t, b of a 2 x 512 model
GPU_STEPS = 64  # of a turn on a GPU, in one dispatch: a step takes milliseconds
MEMORY, MACHINE = "memory", "machine"


def start(case: str, name: str, steps: int) -> Contender:
    """Starts a contender of a case."""
    command = [sys.executable, "-m", "experiments.speed.run", f"--steps={steps}"]
    return Contender(name, [*command, "--contender", case, name], cwd=ROOT)


def contend(case: str, name: str, steps: int) -> None:
    """Runs a contender: prints a measure for each line of standard input."""
    if name in (OURS, MEMORY):
        configure()
    if case == MACHINE:
        return print(json.dumps([jax.default_backend(), get_machine_name()]))
    if case == MEMORY:
        return print(json.dumps(measure_memory()))
    try:
        measure = get_case(case, steps).contenders[name]()
    except ImportError as error:
        sys.exit(f"{case}: {name} cannot take part: {error}")
    for _ in sys.stdin:
        print(measure(), flush=True)


def ask_alone(case: str) -> Any:
    """Returns what a process measures that has the GPU for itself."""
    contender = start(case, case, 0)
    try:
        return contender.measure()
    finally:
        contender.stop()


def configure() -> None:
    """Configures JAX as the front doors do, without their cache of programs.

    The cache would hide the time of compilation.
    """
    set_environment()
    jax.config.update("jax_num_cpu_devices", count_cores())


def measure_in_turn(name: str, steps: int) -> list[Row]:
    """Returns the rows of a case; `steps` are those of a turn of training."""
    case = get_case(name, steps)
    contenders = [start(name, peer, steps) for peer in case.contenders]
    # The first turn compiles, and shows which contenders can take part.
    active = [c for c in contenders if c.measure() is not None]
    times: dict[str, list[float]] = {contender.name: [] for contender in active}
    for _ in range(TURNS):
        for contender in active:
            times[contender.name].append((contender.measure() or 0) / case.units)
    for contender in contenders:
        contender.stop()
    ours = times.pop(OURS)
    return [
        {
            "case": name,
            "peer": peer,
            "ours_ms": round(statistics.median(ours), 3),
            "peer_ms": round(statistics.median(theirs), 3),
            "ratio": round(
                statistics.median(b / a for a, b in zip(ours, theirs, strict=True)), 3
            ),
        }
        for peer, theirs in times.items()
    ]


def measure_memory() -> list[Row]:
    """Returns rows of MiB: at the peak of a step, and what the step must keep."""
    rows = []
    for length, batch in SIZES:
        peak, minimum = memory_mb(Shape(2, 512, batch, length, 96, 0.5))
        sizes = {"ours_mb": round(peak, 1), "peer_mb": round(minimum, 1)}
        empty = {"ours_ms": None, "peer_ms": None, "ratio": round(minimum / peak, 3)}
        peer = f"what must be kept, T {length} B {batch}"
        rows.append({"case": MEMORY, "peer": peer, **empty, **sizes})
    return rows


def format_row(row: Row) -> str:
    """Returns a line of the printed table."""
    pair = [row["ours_ms"], row["peer_ms"]]
    if pair[0] is None:
        values = [f"{row[key]:.0f} MiB" for key in ("ours_mb", "peer_mb")]
    else:
        values = [f"{value:.3g}" if value < 100 else f"{value:.0f}" for value in pair]
    return (
        f"{row['case']:22}{row['peer']:34}{values[0]:>10}{values[1]:>10}"
        f"{row['ratio']:8.2f}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", nargs="+", choices=[*NAMES, MEMORY])
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--contender", nargs=2, help=argparse.SUPPRESS)
    parser.add_argument("--steps", type=int, default=0, help="of a turn of training")
    arguments = parser.parse_args()
    if arguments.contender:
        case, name = arguments.contender
        return contend(case, name, arguments.steps)
    os.environ.pop("XLA_FLAGS", None)  # so that the peers have their defaults
    os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")  # many share a GPU
    backend, machine = ask_alone(MACHINE)
    on_gpu = backend == "gpu"
    steps = arguments.steps or GPU_STEPS * on_gpu
    everything = [name for name in NAMES if on_gpu or "tf32" not in name] + [MEMORY]
    rows = []
    if not arguments.json:
        print(machine)
        print(f"{'case':22}{'peer':34}{'ours, ms':>10}{'peer, ms':>10}{'ratio':>8}")
    for case in arguments.cases or everything:
        measured = ask_alone(MEMORY) if case == MEMORY else measure_in_turn(case, steps)
        rows += measured
        if not arguments.json:
            print(*map(format_row, measured), sep="\n", flush=True)
    if arguments.json:
        print(json.dumps(rows))
    if not arguments.cases:
        write_rows(rows, machine)


def write_rows(rows: list[Row], machine: str) -> None:
    """Writes the results of a whole run, under the machine's name."""
    words = "".join(c if c.isalnum() else " " for c in machine.lower())
    path = Path(__file__).parent / "results" / ("-".join(words.split()) + ".json")
    path.parent.mkdir(exist_ok=True)
    versions = {"jax": jax.__version__, "python": platform.python_version()}
    write_results(path, {"machine": machine, **versions, "rows": rows})


if __name__ == "__main__":
    main()
