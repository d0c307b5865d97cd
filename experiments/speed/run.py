"""python -m experiments.speed.run [--cases NAME ...] [--json] [--steps N]

charlm beside its peers, in turn in one run: medians, and the peer's time over ours, the
median of the pairs. Beside a floor, that ratio is the part of the floor reached. Each
contender has a process of its own, as its users have, and waits while others measure;
this one computes nothing, so that it takes no GPU from them. Without --cases, the
results are kept in results/, by the machine's name.
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
from experiments.speed.cases import NAMES, OURS, case_of
from experiments.speed.contender import Contender
from experiments.speed.peers import Shape
from experiments.speed.whole import ROOT, memory_mb

Row = dict[str, Any]
TURNS = 5
SIZES = [(50, 50), (100, 50), (50, 100), (100, 100)]  # t, b of 2 x 512
GPU_STEPS = 64  # of a turn on a GPU, where a step takes milliseconds: one dispatch
MEMORY, MACHINE = "memory", "machine"


def start(case: str, name: str, steps: int) -> Contender:
    """Starts a contender of a case."""
    command = [sys.executable, "-m", "experiments.speed.run", f"--steps={steps}"]
    return Contender(name, [*command, "--contender", case, name], cwd=ROOT)


def contend(case: str, name: str, steps: int) -> None:
    """What such a process does."""
    if name in (OURS, MEMORY):
        arrange()
    if case == MACHINE:
        return print(json.dumps([jax.default_backend(), get_machine_name()]))
    if case == MEMORY:
        return print(json.dumps(memory()))
    try:
        measure = case_of(case, steps).contenders[name]()
    except ImportError as error:
        sys.exit(f"{case}: {name} is left out: {error}")
    for _ in sys.stdin:
        print(measure(), flush=True)


def ask(what: str) -> Any:
    """Returns what a process that has the GPU for itself says."""
    contender = start(what, what, 0)
    try:
        return contender.measure()
    finally:
        contender.stop()


def arrange() -> None:
    """As the front doors do, but for their cache of programs: compiling is timed."""
    set_environment()
    jax.config.update("jax_num_cpu_devices", count_cores())


def in_turn(name: str, steps: int) -> list[Row]:
    """The rows of a case."""
    case = case_of(name, steps)
    contenders = [start(name, peer, steps) for peer in case.contenders]
    # The first turn compiles, and warms up; who cannot take part is told apart.
    taking = [c for c in contenders if c.measure() is not None]
    taken: dict[str, list[float]] = {contender.name: [] for contender in taking}
    for _ in range(TURNS):
        for contender in taking:
            taken[contender.name].append((contender.measure() or 0) / case.per)
    for contender in contenders:
        contender.stop()
    ours = taken.pop(OURS)
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
        for peer, theirs in taken.items()
    ]


def memory() -> list[Row]:
    """Not milliseconds but MiB: at the peak, and what must be kept."""
    rows = []
    for length, batch in SIZES:
        peak, must = memory_mb(Shape(2, 512, batch, length, 96, 0.5))
        sizes = {"ours_mb": round(peak, 1), "peer_mb": round(must, 1)}
        empty = {"ours_ms": None, "peer_ms": None, "ratio": round(must / peak, 3)}
        peer = f"what must be kept, T {length} B {batch}"
        rows.append({"case": MEMORY, "peer": peer, **empty, **sizes})
    return rows


def line_of(row: Row) -> str:
    pair = [row["ours_ms"], row["peer_ms"]]
    if pair[0] is None:
        shown = [f"{row[key]:.0f} MiB" for key in ("ours_mb", "peer_mb")]
    else:
        shown = [f"{value:.3g}" if value < 100 else f"{value:.0f}" for value in pair]
    return (
        f"{row['case']:22}{row['peer']:34}{shown[0]:>10}{shown[1]:>10}"
        f"{row['ratio']:8.2f}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", nargs="+", choices=[*NAMES, MEMORY])
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--contender", nargs=2, help=argparse.SUPPRESS)
    parser.add_argument("--steps", type=int, default=0, help="of a turn of training")
    given = parser.parse_args()
    if given.contender:
        return contend(*given.contender, given.steps)
    os.environ.pop("XLA_FLAGS", None)  # so that the peers are as they are installed
    os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")  # many share a GPU
    backend, machine = ask(MACHINE)
    on_gpu = backend == "gpu"
    steps = given.steps or GPU_STEPS * on_gpu
    everything = [name for name in NAMES if on_gpu or "tf32" not in name] + [MEMORY]
    rows = []
    if not given.json:
        print(machine)
        print(f"{'case':22}{'peer':34}{'ours, ms':>10}{'peer, ms':>10}{'ratio':>8}")
    for case in given.cases or everything:
        found = ask(MEMORY) if case == MEMORY else in_turn(case, steps)
        rows += found
        if not given.json:
            print(*map(line_of, found), sep="\n", flush=True)
    if given.json:
        print(json.dumps(rows))
    if not given.cases:
        keep(rows, machine)


def keep(rows: list[Row], machine: str) -> None:
    """Writes the results of a whole run, by the machine's name."""
    words = "".join(c if c.isalnum() else " " for c in machine.lower())
    kept = Path(__file__).parent / "results" / ("-".join(words.split()) + ".json")
    kept.parent.mkdir(exist_ok=True)
    versions = {"jax": jax.__version__, "python": platform.python_version()}
    about = {"machine": machine, **versions, "rows": rows}
    kept.write_text(json.dumps(about, indent=1) + "\n")


if __name__ == "__main__":
    main()
