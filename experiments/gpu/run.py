"""python -m experiments.gpu.run --output=DIR [--smoke] [--stages=NAME,...]

Runs the stages of plan.py one after another, each with a deadline: see README.md. It
needs no network. DIR has what comes back; --runs has the workdirs.
"""

import argparse
import os
import signal
import sys
import time
from collections.abc import Mapping
from pathlib import Path

from experiments.gpu.parcel import PARCEL, open_parcel
from experiments.gpu.plan import FINAL_STAGES, TOTAL_SECONDS, Plan, get_plan
from experiments.gpu.stage import (
    RESULTS,
    ROOT,
    Job,
    enable_interrupts,
    read_results,
    run_stage,
)


def main() -> None:
    arguments = parse_arguments()
    plan = get_plan(arguments.smoke)
    output, runs = Path(arguments.output), Path(arguments.runs)
    names = arguments.stages.split(",") if arguments.stages else list(plan.seconds)
    if unknown := set(names) - set(plan.seconds):
        sys.exit(
            f"error: there is no stage {', '.join(sorted(unknown))}; the stages are"
            f" {', '.join(plan.seconds)}"
        )
    enable_interrupts()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # ends the stage as well
    for folder in (output, runs):
        folder.mkdir(parents=True, exist_ok=True)
    (output / RESULTS).write_text("")
    start = time.monotonic()
    job = Job("parcel", str(output.resolve()), str(runs.resolve()), 0, arguments.smoke)
    environment = make_environment(os.environ, open_parcel(ROOT / PARCEL, runs, job))
    run_stages(job, names, plan, environment, start + arguments.seconds)
    print(f"{time.monotonic() - start:.0f} s in all", flush=True)


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", required=True, help="a folder for what comes back")
    parser.add_argument("--runs", default="runs/gpu", help="a folder for the workdirs")
    parser.add_argument("--smoke", action="store_true", help="a rehearsal, on any CPU")
    parser.add_argument("--stages", default="", help="some of them, with commas")
    parser.add_argument(
        "--seconds", type=float, default=TOTAL_SECONDS, help="for all stages"
    )
    return parser.parse_args()


def run_stages(
    job: Job, names: list[str], plan: Plan, environment: dict[str, str], end: float
) -> None:
    """Runs the stages in order; one that fails or is late does not stop the next.

    Args:
      job: the part that all stages share.
      names: of the stages.
      plan: has their seconds.
      environment: of their processes.
      end: when the last one must have ended, by time.monotonic.
    """
    for index, name in enumerate(names):
        reserved = sum(plan.seconds[n] for n in names[index + 1 :] if n in FINAL_STAGES)
        seconds = min(plan.seconds[name], end - time.monotonic() - reserved)
        stage_job = job._replace(stage=name, seconds=round(seconds, 1))
        if seconds <= 0:
            stage_job.report(status="no time left")
            continue
        run_stage(stage_job, environment)
        if name == "correctness" and not is_cudnn_right(job):
            environment = {**environment, "CHARLM_CUDNN": "0"}
            stage_job.report(fallback="CHARLM_CUDNN=0, the scan, in all later stages")


def is_cudnn_right(job: Job) -> bool:
    """Returns whether the correctness stage has reported that cuDNN's path is right."""
    return any(
        result["stage"] == "correctness" and result.get("cudnn_right") is True
        for result in read_results(job.output)
    )


def make_environment(
    variables: Mapping[str, str], parcel: dict[str, str]
) -> dict[str, str]:
    """Returns the environment of the stages.

    JAX allocates memory when it needs it, so that processes can share a GPU.

    Args:
      variables: of this process.
      parcel: of `open_parcel`.
    """
    paths = [str(ROOT / "src"), str(ROOT), parcel.get("PYTHONPATH", "")]
    paths.append(variables.get("PYTHONPATH", ""))
    return {
        "CUDA_VISIBLE_DEVICES": "0",
        "XLA_PYTHON_CLIENT_PREALLOCATE": "false",
        **variables,
        **parcel,
        "PYTHONPATH": os.pathsep.join(filter(None, paths)),
        "PYTHONUNBUFFERED": "1",
    }


if __name__ == "__main__":
    main()
