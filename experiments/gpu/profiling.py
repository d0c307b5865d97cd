"""What the device does in three steps of training: its kernels, and their time.

The program as XLA compiled it and the trace lie among the logs.
"""

import collections
import gzip
import json
import shutil
import sys
from pathlib import Path

from experiments.gpu.stage import Job, read_job

STEPS = 3
SHOWN = 12  # kinds of kernels
MOST = 1_000_000  # bytes of a trace that is kept: there is little room for logs


def main(job: Job) -> None:
    import jax

    from charlm.model.jax_setup import configure_jax
    from experiments.speed.peers import Shape, charlm_program

    configure_jax()
    shape = Shape(*job.plan.shapes[job.plan.profiled])._replace(dtype="tf32")
    run, state, ids = charlm_program(shape)
    text = run.lower(state, ids, STEPS).compile().as_text()
    with gzip.open(job.logs / "program.hlo.txt.gz", "wt") as file:
        file.write(text)
    state, _ = jax.block_until_ready(run(state, ids, STEPS))
    folder = job.folder / "trace"
    shutil.rmtree(folder, ignore_errors=True)
    with jax.profiler.trace(str(folder)):
        jax.block_until_ready(run(state, ids, STEPS))
    for trace in folder.rglob("*.trace.json.gz"):
        job.report(profile=f"{STEPS} steps of {job.plan.profiled}", **summarize(trace))
        if trace.stat().st_size < MOST:
            shutil.copyfile(trace, job.logs / "trace.json.gz")


def summarize(trace: Path) -> dict:
    """Returns the kernels of a trace that ran on a GPU, by their time.

    Args:
      trace: of Chrome's format, compressed. Rows of streams have the kernels; the
        profiler's own sums over them are in other rows.
    """
    events = json.loads(gzip.decompress(trace.read_bytes()))["traceEvents"]
    names = [e for e in events if e.get("ph") == "M"]
    devices = {
        e["pid"]
        for e in names
        if e["name"] == "process_name" and "/device:GPU" in e["args"]["name"]
    }
    streams = {
        (e["pid"], e["tid"])
        for e in names
        if e["name"] == "thread_name" and e["args"]["name"].startswith("Stream")
    }
    kernels = [
        e
        for e in events
        if e.get("ph") == "X"
        and e["pid"] in devices
        and (e["pid"], e["tid"]) in streams
    ]
    spent: dict[str, float] = collections.Counter()
    for event in kernels:
        spent[event["name"][:60]] += event["dur"]
    longest = sorted(spent.items(), key=lambda item: -item[1])[:SHOWN]
    return {
        "kernels_a_step": len(kernels) / STEPS,
        "busy_ms_a_step": sum(spent.values()) / 1000 / STEPS,
        "longest": [[name, us / 1000 / STEPS] for name, us in longest],
    }


if __name__ == "__main__":
    main(read_job(sys.argv[1]))
