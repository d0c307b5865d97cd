"""Measures whether memory grows: python -m experiments.faults.memory

It prints the resident set of a run of 20,000 steps, and of a process that samples a
million characters, at ten moments of each. The exit status is 1 if one has grown by
more than a twentieth since its third moment.
"""

import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from experiments.faults.children import Child, make_door
from experiments.faults.plans import Plan, make_options, write_text

STEPS, CHARACTERS, MOMENTS = 20_000, 1_000_000, 10


def get_resident_mib() -> float:
    """Returns the MiB of this process that are in memory."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / (1 << 20)


def make_training(plan: Plan, workdir: Path) -> Callable[[], None]:
    """Returns charlm.train as a child's function that prints its memory as it logs."""

    def main():
        from charlm.training import reporters

        def print_memory(record):
            if record["split"] == "train":
                print(f"{record['step']} {get_resident_mib():.1f}", flush=True)

        reporters.make_reporter = lambda: reporters.Reporter(record=print_memory)
        make_door("train", *plan.make_flags(workdir))()

    return main


def make_sampling(workdir: Path) -> Callable[[], None]:
    """Returns a child's function that samples CHARACTERS and prints its memory."""

    def main():
        from charlm import generate_stream, load_model

        count, next_moment = 0, CHARACTERS // MOMENTS
        model = load_model(workdir)
        for text in generate_stream(model, length=None, seed=1):
            count += len(text)
            if count >= next_moment:
                print(f"{count} {get_resident_mib():.1f}", flush=True)
                next_moment += CHARACTERS // MOMENTS
            if count >= CHARACTERS:
                break

    return main


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="charlm-memory-") as name:
        folder = Path(name)
        os.environ["CHARLM_CACHE"] = str(folder / "cache")
        options = make_options(STEPS // MOMENTS, 500, STEPS)
        plan = Plan(write_text(folder / "text.txt"), options)
        functions = {
            "steps trained": make_training(plan, folder / "run"),
            "characters sampled": make_sampling(folder / "run"),
        }
        for unit, function in functions.items():
            end = Child(function).wait(timeout=1800)
            print(f"{unit}, MiB\n{end.out}{end.err}", flush=True)
            sizes = [float(line.split()[1]) for line in end.out.splitlines()]
            if end.status or len(sizes) < MOMENTS or sizes[-1] > 1.05 * sizes[2]:
                sys.exit(1)


if __name__ == "__main__":
    main()
