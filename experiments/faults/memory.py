"""python experiments/faults/memory.py

Does memory grow? The resident set of a run of 20,000 steps, and of a process that
writes a million characters, at ten moments of each. Exit status 1 if one has grown by
more than a twentieth since its third moment.
"""

import os
import sys
import tempfile
from pathlib import Path

from doors import Child
from plans import Plan, every, made_text

STEPS, CHARACTERS, MOMENTS = 20_000, 1_000_000, 10


def resident() -> float:
    """MiB of this process that are in memory now."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / (1 << 20)


def training(plan: Plan, workdir: Path):
    """The front door's run, its memory noted as it logs."""

    def main():
        from doors import door

        from charlm.training import reporters

        def told(record):
            if record["split"] == "train":
                print(f"{record['step']} {resident():.1f}", flush=True)

        reporters.make_reporter = lambda: reporters.Reporter(record=told)
        door("train", *plan.flags(workdir))()

    return main


def writing(workdir: Path):
    """A text without end, up to CHARACTERS."""

    def main():
        from charlm import load_model, stream

        count, due = 0, CHARACTERS // MOMENTS
        lm, params, vocab = load_model(workdir)
        for [piece] in stream(lm, params, vocab, length=None, seed=1):
            count += len(piece)
            if count >= due:
                print(f"{count} {resident():.1f}", flush=True)
                due += CHARACTERS // MOMENTS
            if count >= CHARACTERS:
                break

    return main


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="charlm-memory-") as folder:
        os.environ["CHARLM_CACHE"] = f"{folder}/cache"
        here = Path(folder)
        knobs = every(STEPS // MOMENTS, 500, STEPS)
        plan = Plan(made_text(here / "text.txt"), knobs)
        runs = {
            "steps trained": training(plan, here / "run"),
            "characters written": writing(here / "run"),
        }
        for what, run in runs.items():
            done = Child(run).wait(patience=1800)
            print(f"{what}, MiB\n{done.out}{done.err}", flush=True)
            sizes = [float(line.split()[1]) for line in done.out.splitlines()]
            if done.status or len(sizes) < MOMENTS or sizes[-1] > 1.05 * sizes[2]:
                sys.exit(1)


if __name__ == "__main__":
    main()
