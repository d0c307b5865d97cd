"""A step of training, charlm's beside torch.nn.LSTM's, at the same precision.

Every contender is a process; all start at once, those of a size are warm before its
first turn, and one computes while the others wait. A turn is plan.steps steps; three
turns, and their median.
"""

import json
import os
import statistics
import subprocess
import sys
import time

from experiments.gpu.stage import ROOT, Job, read_last_line
from experiments.speed.contender import Contender

TURNS = 3
DTYPES = ("float32", "tf32", "bfloat16")
CHARLM, TORCH, WHOLE_LOOP = "charlm", "torch.nn.LSTM", "charlm, +WHILE"
# The loop over time as one CUDA graph; off by default.
COMMAND_BUFFERS = "--xla_gpu_enable_command_buffer=+WHILE"
PROFILE_SECONDS = 40


def run(job: Job) -> None:
    contenders = {name: start_all(job, name) for name in job.plan.shapes}
    try:
        for name, of_shape in contenders.items():
            measure_shape(job, name, of_shape, warm_up(of_shape))
    finally:
        for of_shape in contenders.values():
            for contender in of_shape.values():
                contender.stop()
    profile(job)


def start_all(job: Job, name: str) -> dict[tuple[str, str], Contender]:
    """Starts the contenders of a shape."""
    return {
        (who, dtype): start(job, name, who, dtype)
        for dtype in DTYPES
        for who in (CHARLM, TORCH, WHOLE_LOOP)
        if who != WHOLE_LOOP or (dtype == "bfloat16" and name == job.plan.profiled)
    }


def start(job: Job, name: str, who: str, dtype: str) -> Contender:
    """Starts a contender; its errors are in a log of its own."""
    flags = f"{os.environ.get('XLA_FLAGS', '')} {COMMAND_BUFFERS}".strip()
    more = {"XLA_FLAGS": flags} if who == WHOLE_LOOP else {}
    with get_log(job, name, who, dtype).open("wb") as log:
        return Contender(
            f"{who} {dtype}",
            job.command("bench", name, who, dtype),
            cwd=ROOT,
            env={**os.environ, **more},
            stderr=log,
        )


def get_log(job: Job, name: str, who: str, dtype: str):
    words = "".join(c if c.isalnum() else " " for c in f"{name} {who} {dtype}").split()
    return job.logs / f"bench-{'-'.join(words)}.log"


def warm_up(contenders: dict) -> list[tuple[str, str]]:
    """Lets the contenders of a shape compile, and returns those that can take part."""
    for contender in contenders.values():
        contender.ask()
    answers = {key: contender.answer() for key, contender in contenders.items()}
    return [key for key, answer in answers.items() if answer]


def measure_shape(job: Job, name: str, contenders: dict, warm: list) -> None:
    """Reports the contenders of a shape, and the ratios of the pairs."""
    for who, dtype in (key for key in contenders if key not in warm):
        why = read_last_line(get_log(job, name, who, dtype))
        job.report(shape=name, dtype=dtype, who=who, missing=why)
    turns: dict = {key: [] for key in warm}
    for _ in range(TURNS):
        for key, measured in turns.items():
            measured.append(contenders[key].measure())
    medians = {}
    for (who, dtype), measured in turns.items():
        times = [turn["ms"] for turn in measured if turn]
        if not times:
            job.report(shape=name, dtype=dtype, who=who, missing="it ended in a turn")
            continue
        medians[who, dtype] = statistics.median(times)
        job.report(
            shape=name,
            dtype=dtype,
            who=who,
            ms=medians[who, dtype],
            peak_mb=measured[0]["peak_mb"],
            turns=times,
        )
    for dtype in DTYPES:
        if {(CHARLM, dtype), (TORCH, dtype)} <= set(medians):
            ratio = medians[TORCH, dtype] / medians[CHARLM, dtype]
            job.report(shape=name, dtype=dtype, torch_over_charlm=ratio)


def profile(job: Job) -> None:
    """Reports the kernels of three steps; its process ends when it takes too long."""
    log = job.logs / "profile.log"
    with log.open("wb") as errors:
        command = job.command("profiling")
        try:
            done = subprocess.run(
                command, cwd=ROOT, stderr=errors, timeout=PROFILE_SECONDS
            )
        except subprocess.TimeoutExpired:
            return job.report(profile=f"not done in {PROFILE_SECONDS} s")
    if done.returncode:
        job.report(profile="failed", error=read_last_line(log))


def contend(job: Job, name: str, who: str, dtype: str) -> None:
    """What a contender does: for each line that it reads, a turn."""
    from experiments.speed.peers import Shape, charlm_steps, torch_steps

    if who == TORCH:
        make, get_peak = torch_steps, get_torch_peak
    else:
        from charlm.model.jax_setup import configure_jax

        configure_jax()
        make, get_peak = charlm_steps, get_jax_peak
    shape, count = Shape(*job.plan.shapes[name])._replace(dtype=dtype), job.plan.steps
    steps = make(shape)
    for _ in sys.stdin:
        began = time.perf_counter()
        steps(count)
        ms = 1000 * (time.perf_counter() - began) / count
        print(json.dumps({"ms": round(ms, 4), "peak_mb": get_peak()}), flush=True)


def get_jax_peak() -> float | None:
    """Returns the MB that JAX had of the device at most; a CPU does not say."""
    import jax

    stats = jax.local_devices()[0].memory_stats() or {}
    peak = stats.get("peak_bytes_in_use")
    return peak and round(peak / 1e6, 1)


def get_torch_peak() -> float | None:
    import torch

    if not torch.cuda.is_available():
        return None
    return round(torch.cuda.max_memory_allocated() / 1e6, 1)


if __name__ == "__main__":
    from experiments.gpu.stage import read_job

    contend(read_job(sys.argv[1]), *sys.argv[2:])
