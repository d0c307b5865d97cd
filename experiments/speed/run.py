"""python experiments/speed/run.py [--cases NAME ...] [--json]

charlm beside its peers, in turn in one run: medians, and the peer's time over ours, the
median of the pairs. Beside a floor, that ratio is the part of the floor reached. Each
contender has a process of its own, as its users have, and waits while others measure.
Without --cases, the results are kept in results/, by the machine's name.
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

import jax
from cases import NAMES, OURS, case_of
from peers import Shape
from whole import memory_mb

from charlm.doors.machine import available_cores, machine_name, use_fusion

Row = dict[str, Any]
TURNS = 5
SIZES = [(50, 50), (100, 50), (50, 100), (100, 100)]  # t, b of 2 x 512


class Contender:
    """A process that measures when it is asked to."""

    def __init__(self, case: str, name: str):
        self.name = name
        command = [sys.executable, __file__, "--contender", case, name]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def measure(self) -> float | None:
        """Milliseconds; None if it cannot take part here."""
        try:
            print(file=self._process.stdin, flush=True)
        except BrokenPipeError:
            return None
        line = self._process.stdout.readline()
        return float(line) if line else None

    def stop(self) -> None:
        self._process.communicate()


def contend(case: str, name: str) -> None:
    """What such a process does."""
    if name == OURS:
        arrange()
    try:
        measure = case_of(case).contenders[name]()
    except ImportError as error:
        sys.exit(f"{case}: {name} is left out: {error}")
    for _ in sys.stdin:
        print(measure(), flush=True)


def arrange() -> None:
    """As the front doors do, but for their cache of programs: compiling is timed."""
    use_fusion()
    jax.config.update("jax_num_cpu_devices", available_cores())


def in_turn(name: str) -> list[Row]:
    """The rows of a case."""
    case = case_of(name)
    contenders = [Contender(name, peer) for peer in case.contenders]
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
        rows.append({"case": "memory", "peer": peer, **empty, **sizes})
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
    parser.add_argument("--cases", nargs="+", choices=[*NAMES, "memory"])
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--contender", nargs=2, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.contender:
        return contend(*given.contender)
    arrange()
    os.environ.pop("XLA_FLAGS", None)  # so that the peers are as they are installed
    on_gpu = jax.default_backend() == "gpu"
    everything = [name for name in NAMES if on_gpu or "tf32" not in name] + ["memory"]
    rows = []
    if not given.json:
        print(machine_name())
        print(f"{'case':22}{'peer':34}{'ours, ms':>10}{'peer, ms':>10}{'ratio':>8}")
    for case in given.cases or everything:
        found = memory() if case == "memory" else in_turn(case)
        rows += found
        if not given.json:
            print(*map(line_of, found), sep="\n", flush=True)
    if given.json:
        print(json.dumps(rows))
    if not given.cases:
        keep(rows)


def keep(rows: list[Row]) -> None:
    """Writes the results of a whole run, by the machine's name."""
    words = "".join(c if c.isalnum() else " " for c in machine_name().lower())
    kept = Path(__file__).parent / "results" / ("-".join(words.split()) + ".json")
    kept.parent.mkdir(exist_ok=True)
    versions = {"jax": jax.__version__, "python": platform.python_version()}
    about = {"machine": machine_name(), **versions, "rows": rows}
    kept.write_text(json.dumps(about, indent=1) + "\n")


if __name__ == "__main__":
    main()
