"""python experiments/speed/run.py [--cases NAME ...] [--json]

charlm beside its peers, in turn in one run: medians, and the peer's time over ours, the
median of the pairs. Beside a floor, that ratio is the part of the floor reached.
Without --cases or --json, the results are kept in results/, by the machine's name.
"""

import argparse
import functools
import json
import platform
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
from floor import (
    floor_of,
    products_of_reading,
    products_of_training,
    products_of_writing,
)
from peers import Shape, charlm_steps, flax_steps, textbook_steps, torch_steps
from whole import compile_ms, memory_mb, start_ms, torch_start_ms
from writing import charlm_reads, charlm_writes, torch_reads, torch_writes

from charlm.doors.machine import available_cores, use_fusion
from charlm.doors.pages import use_huge_pages

Row = dict[str, Any]
TURNS = 7
WINDOWS = 5  # of every stream, in a text to score
# name: the shape, and the steps of a turn
TRAINING = {
    "train-2x128": (Shape(2, 128, 50, 50, 65), 20),
    "train-2x512": (Shape(2, 512, 100, 50, 96, 0.5), 1),
    "train-2x512-T100": (Shape(2, 512, 100, 100, 96, 0.5), 1),
    "train-3x512": (Shape(3, 512, 50, 50, 65), 1),
    "train-3x680": (Shape(3, 680, 100, 100, 96), 1),
    "train-2x512-T100-tf32": (Shape(2, 512, 100, 100, 96, 0.5, "tf32"), 1),
    "train-2x512-bfloat16": (Shape(2, 512, 100, 50, 96, 0.5, "bfloat16"), 1),
}
WRITING = {
    "sample-1": Shape(2, 512, 1, 512, 96),
    "sample-64": Shape(2, 512, 64, 256, 96),
    "sample-64-2x128": Shape(2, 128, 64, 512, 65),
}
READING = {"score-2x512": Shape(2, 512, 100, 100, 96)}
COMPILED = Shape(2, 128, 50, 50, 65)
SIZES = [(50, 50), (100, 50), (50, 100), (100, 100)]  # t, b of 2 x 512


def has_torch() -> bool:
    try:
        import torch  # noqa: F401
    except ImportError:
        print("torch is not installed: its rows are left out", file=sys.stderr)
        return False
    return True


def timed(run: Callable, *given) -> Callable[[], float]:
    """() -> milliseconds of run(*given)."""

    def measure():
        began = time.perf_counter()
        run(*given)
        return 1000 * (time.perf_counter() - began)

    return measure


def in_turn(case: str, ours: Callable, peers: dict[str, Callable], per=1) -> list[Row]:
    """The rows of a case; each of the functions gives milliseconds, of `per` units."""
    taken: dict[str, list[float]] = {"charlm": [], **{name: [] for name in peers}}
    measures = {"charlm": ours, **peers}
    for measure in measures.values():
        measure()  # compiles, and warms up
    for _ in range(TURNS):
        for name, measure in measures.items():
            taken[name].append(measure() / per)
    median = {name: statistics.median(times) for name, times in taken.items()}
    return [
        row_of(
            case,
            name,
            median["charlm"],
            median[name],
            statistics.median(
                theirs / our
                for our, theirs in zip(taken["charlm"], taken[name], strict=True)
            ),
        )
        for name in peers
    ]


def row_of(case: str, peer: str, ours: float, theirs: float, ratio: float) -> Row:
    return {
        "case": case,
        "peer": peer,
        "ours_ms": round(ours, 3),
        "peer_ms": round(theirs, 3),
        "ratio": round(ratio, 3),
    }


def training(case: str) -> list[Row]:
    shape, count = TRAINING[case]
    narrow = shape.dtype == "bfloat16"
    peers = (
        {}
        if shape.dtype != "float32"
        else {"flax nn.RNN": flax_steps, "lax.scan": textbook_steps}
    )
    if has_torch():
        name = "torch.nn.LSTM, autocast" if narrow else "torch.nn.LSTM"
        peers[name] = torch_steps
        if case == "train-2x512":
            peers["torch.compile"] = functools.partial(torch_steps, compiled=True)
    runs = {name: timed(make(shape), count) for name, make in peers.items()}
    floor = floor_of(products_of_training(shape), shape.dtype)
    runs["floor"] = lambda: floor() * count
    return in_turn(case, timed(charlm_steps(shape), count), runs, count)


def writing(case: str) -> list[Row]:
    """Milliseconds of a character of every stream."""
    shape, peers = WRITING[case], {}
    if has_torch():
        peers["torch.nn.LSTM"] = timed(torch_writes(shape, cells=False))
        peers["torch.nn.LSTMCell"] = timed(torch_writes(shape, cells=True))
    peers["floor"] = floor_of(products_of_writing(shape))
    return in_turn(case, timed(charlm_writes(shape)), peers, shape.length)


def reading(case: str) -> list[Row]:
    """Milliseconds of a window of every stream."""
    shape, peers = READING[case], {}
    if has_torch():
        peers["torch.nn.LSTM"] = timed(torch_reads(shape, WINDOWS))
    floor = floor_of(products_of_reading(shape))
    peers["floor"] = lambda: floor() * WINDOWS
    return in_turn(case, timed(charlm_reads(shape, WINDOWS)), peers, WINDOWS)


def compiling(case: str) -> list[Row]:
    """T 1000 beside T 50."""
    long = COMPILED._replace(length=1000)
    short = {"charlm at T 50": lambda: compile_ms(COMPILED)}
    return in_turn(case, lambda: compile_ms(long), short)


def starting(case: str) -> list[Row]:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        cold = start_ms(folder)
        peers = {"torch script": lambda: torch_start_ms(folder)} if has_torch() else {}
        rows = in_turn(case, lambda: start_ms(folder), peers)
        warm = rows[0]["ours_ms"] if rows else start_ms(folder)
        return [*rows, row_of(case, "charlm, cache cold", warm, cold, cold / warm)]


def memory(case: str) -> list[Row]:
    """Not milliseconds but MiB: at the peak, and what must be kept."""
    rows = []
    for length, batch in SIZES:
        peak, must = memory_mb(Shape(2, 512, batch, length, 96, 0.5))
        sizes = {"ours_mb": round(peak, 1), "peer_mb": round(must, 1)}
        empty = {"ours_ms": None, "peer_ms": None, "ratio": round(must / peak, 3)}
        peer = f"what must be kept, T {length} B {batch}"
        rows.append({"case": case, "peer": peer, **empty, **sizes})
    return rows


CASES: dict[str, Callable[[str], list[Row]]] = {
    **{name: training for name in TRAINING},
    **{name: writing for name in WRITING},
    **{name: reading for name in READING},
    "compile-T1000": compiling,
    "start-warm": starting,
    "memory": memory,
}


def machine() -> str:
    """The machine in words: the GPU, or the processor and its cores."""
    device = jax.devices()[0]
    if device.platform != "cpu":
        return device.device_kind
    model = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    for line in info.read_text().splitlines() if info.exists() else ():
        if line.startswith("model name"):
            model = line.partition(":")[2].strip()
    return f"{model}, {available_cores()} cores"


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
    parser.add_argument("--cases", nargs="+", choices=CASES)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    # As the front doors do, but for their cache of programs: compiling is timed here.
    use_fusion()
    jax.config.update("jax_num_cpu_devices", available_cores())
    on_gpu = jax.default_backend() == "gpu"
    everything = [name for name in CASES if on_gpu or "tf32" not in name]
    rows = []
    if not given.json:
        print(machine())
        print(f"{'case':22}{'peer':34}{'ours, ms':>10}{'peer, ms':>10}{'ratio':>8}")
    for case in given.cases or everything:
        found = CASES[case](case)
        rows += found
        if not given.json:
            print(*map(line_of, found), sep="\n", flush=True)
        jax.clear_caches()
    if given.json:
        print(json.dumps(rows))
    if not given.cases:
        kept = Path(__file__).parent / "results" / (slug(machine()) + ".json")
        kept.parent.mkdir(exist_ok=True)
        versions = {"jax": jax.__version__, "python": platform.python_version()}
        about = {"machine": machine(), **versions, "rows": rows}
        kept.write_text(json.dumps(about, indent=1) + "\n")


def slug(words: str) -> str:
    """Words as a file's name."""
    kept = "".join(c if c.isalnum() else " " for c in words.lower())
    return "-".join(kept.split())


if __name__ == "__main__":
    use_huge_pages()
    main()
