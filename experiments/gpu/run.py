"""python -m experiments.gpu.run --output=DIR [--smoke] [--stages=NAME,...]

The stages of plan.py one after another, each with a deadline: see README.md. Needs no
network. What comes back is in DIR, the workdirs are in --runs.
"""

import argparse
import os
import signal
import sys
import time
from pathlib import Path

from experiments.gpu.parcel import PARCEL, open_parcel
from experiments.gpu.plan import LAST, TOTAL, Plan, get_plan
from experiments.gpu.stage import (
    RESULTS,
    ROOT,
    Job,
    hear_interrupts,
    read_results,
    run_stage,
)


def main() -> None:
    given = parse()
    plan, output, runs = get_plan(given.smoke), Path(given.output), Path(given.runs)
    names = given.stages.split(",") if given.stages else list(plan.seconds)
    if unknown := set(names) - set(plan.seconds):
        sys.exit(f"error: there is no stage {', '.join(sorted(unknown))}")
    hear_interrupts()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # what runs is ended too
    for folder in (output, runs):
        folder.mkdir(parents=True, exist_ok=True)
    (output / RESULTS).write_text("")
    began = time.monotonic()
    job = Job("parcel", *map(str, (output.resolve(), runs.resolve())), 0, given.smoke)
    environment = get_environment(os.environ, open_parcel(ROOT / PARCEL, runs, job))
    run_stages(job, names, plan, environment, began + given.seconds)
    print(f"{time.monotonic() - began:.0f} s in all", flush=True)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", required=True, help="a folder for what comes back")
    parser.add_argument("--runs", default="runs/gpu", help="a folder for the workdirs")
    parser.add_argument("--smoke", action="store_true", help="a rehearsal, on any CPU")
    parser.add_argument("--stages", default="", help="some of them, with commas")
    parser.add_argument("--seconds", type=float, default=TOTAL, help="for all stages")
    return parser.parse_args()


def run_stages(
    job: Job, names: list[str], plan: Plan, environment: dict[str, str], end: float
) -> None:
    """Runs the stages in order; one that fails or is late does not stop the next.

    Args:
      job: what is the same in all of them.
      names: of the stages.
      plan: has their seconds.
      environment: of their processes.
      end: when the last one must have ended, by time.monotonic.
    """
    for at, name in enumerate(names):
        later = sum(plan.seconds[n] for n in names[at + 1 :] if n in LAST)
        seconds = min(plan.seconds[name], end - time.monotonic() - later)
        now = job._replace(stage=name, seconds=round(seconds, 1))
        if seconds <= 0:
            now.report(status="no time left")
            continue
        run_stage(now, environment)
        if name == "correct" and not is_cudnn_right(job):
            environment = {**environment, "CHARLM_CUDNN": "0"}
            now.report(fallback="CHARLM_CUDNN=0, the scan, for all that follows")


def is_cudnn_right(job: Job) -> bool:
    """Returns whether the first check has found cuDNN's path right."""
    return any(
        finding["stage"] == "correct" and finding.get("cudnn_right") is True
        for finding in read_results(job.output)
    )


def get_environment(given, parcel: dict[str, str]) -> dict[str, str]:
    """Returns the environment of the stages.

    Memory is taken as it is needed, so that processes can share a GPU.
    """
    here = [str(ROOT / "src"), str(ROOT), parcel.get("PYTHONPATH", "")]
    paths = [*here, given.get("PYTHONPATH", "")]
    return {
        "CUDA_VISIBLE_DEVICES": "0",
        "XLA_PYTHON_CLIENT_PREALLOCATE": "false",
        **given,
        **parcel,
        "PYTHONPATH": os.pathsep.join(filter(None, paths)),
        "PYTHONUNBUFFERED": "1",
    }


if __name__ == "__main__":
    main()
