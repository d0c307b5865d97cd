"""Reports the CUDA kernels of three training steps, and their time.

The program as XLA compiled it and the trace are among the logs.
"""

import collections
import gzip
import json
import shutil
import sys
from pathlib import Path
from typing import Any

from experiments.gpu.stage import Job, Result, parse_job

STEPS = 3
MAX_KERNELS = 12  # names of kernels in a report
MAX_NAME = 60  # characters
MAX_TRACE_BYTES = 1_000_000  # a larger trace does not come back


def main(job: Job) -> None:
    from charlm.model.jax_setup import configure_jax
    from experiments.gpu.bench import CHARLM, KERNELS
    from experiments.gpu.hopper import make_hopper_lstm

    configure_jax()
    shape = job.plan.profile_shape
    profile(job, shape, "bfloat16", KERNELS, make_hopper_lstm(job.smoke))
    profile(job, shape, "tf32", CHARLM)


def profile(job: Job, shape: str, dtype: str, peer: str, cell: Any = "lstm") -> None:
    """Reports the kernels of a training step.

    Args:
      job: of this stage.
      shape: its name.
      dtype: of products.
      peer: names the cell in the report.
      cell: of the layers.
    """
    import jax

    from experiments.speed.peers import charlm_program

    run, state, ids = charlm_program(job.plan.make_shape(shape, dtype), cell=cell)
    name = "-".join(f"{shape} {dtype} {peer}".split())
    text = run.lower(state, ids, STEPS).compile().as_text()
    with gzip.open(job.logs / f"{name}.hlo.txt.gz", "wt") as file:
        file.write(text)
    state, _ = jax.block_until_ready(run(state, ids, STEPS))
    folder = job.run_folder / "trace"
    shutil.rmtree(folder, ignore_errors=True)
    with jax.profiler.trace(str(folder)):
        jax.block_until_ready(run(state, ids, STEPS))
    for trace in folder.rglob("*.trace.json.gz"):
        row = {"shape": shape, "dtype": dtype, "peer": peer}
        job.report(profile=f"{STEPS} steps", **row, **summarize(trace))
        if trace.stat().st_size < MAX_TRACE_BYTES:
            shutil.copyfile(trace, job.logs / f"{name}.trace.json.gz")


def summarize(trace: Path) -> Result:
    """Returns the kernels of a trace that ran on a GPU, by their time.

    Args:
      trace: a file of Chrome's format, compressed. The threads of streams have the
        kernels; the profiler's own sums over them are in other threads.
    """
    events = json.loads(gzip.decompress(trace.read_bytes()))["traceEvents"]
    metadata = [event for event in events if event.get("ph") == "M"]
    devices = {
        event["pid"]
        for event in metadata
        if event["name"] == "process_name" and "/device:GPU" in event["args"]["name"]
    }
    streams = {
        (event["pid"], event["tid"])
        for event in metadata
        if event["name"] == "thread_name" and event["args"]["name"].startswith("Stream")
    }
    kernels = [
        event
        for event in events
        if event.get("ph") == "X"
        and event["pid"] in devices
        and (event["pid"], event["tid"]) in streams
    ]
    microseconds: dict[str, float] = collections.defaultdict(float)
    for event in kernels:
        microseconds[event["name"][:MAX_NAME]] += event["dur"]
    longest = sorted(microseconds.items(), key=lambda item: -item[1])[:MAX_KERNELS]
    return {
        "kernels_a_step": len(kernels) / STEPS,
        "busy_ms_a_step": sum(microseconds.values()) / 1000 / STEPS,
        "longest": [[name, us / 1000 / STEPS] for name, us in longest],
    }


if __name__ == "__main__":
    main(parse_job(sys.argv[1]))
