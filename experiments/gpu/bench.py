"""Measures a training step of charlm beside torch.nn.LSTM's, at the same precision.

Each contender is a process. All start at once, and those of a shape have compiled
before its first turn. One computes while the others wait. A turn has plan.steps steps;
the result is the median of three turns.
"""

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from experiments.gpu.hopper import make_hopper_lstm
from experiments.gpu.stage import ROOT, Job, parse_job, read_last_line
from experiments.speed.contender import Contender

TURNS = 3
DTYPES = ("float32", "tf32", "bfloat16")
CHARLM, TORCH, WHOLE_LOOP = "charlm", "torch.nn.LSTM", "charlm, +WHILE"
KERNELS = "charlm, Hopper kernels"
# The loop over time as one CUDA graph; off by default.
COMMAND_BUFFERS = "--xla_gpu_enable_command_buffer=+WHILE"
PROFILE_SECONDS = 40


class Key(NamedTuple):
    """A contender of a shape: its peer and the type of its products."""

    peer: str
    dtype: str


Contenders = dict[Key, Contender]


def run(job: Job) -> None:
    contenders = {shape: start_all(job, shape) for shape in job.plan.shapes}
    try:
        for shape, group in contenders.items():
            measure_shape(job, shape, group, compile_all(group))
    finally:
        for group in contenders.values():
            for contender in group.values():
                contender.stop()
    profile(job)


def start_all(job: Job, shape: str) -> Contenders:
    """Starts the contenders of a shape."""
    keys = [Key(peer, dtype) for dtype in DTYPES for peer in (CHARLM, TORCH)]
    if shape == job.plan.profile_shape:
        keys.append(Key(WHOLE_LOOP, "bfloat16"))
    if job.plan.make_shape(shape, "bfloat16").features in job.plan.hopper_widths:
        keys.append(Key(KERNELS, "bfloat16"))
    return {key: start(job, shape, key) for key in keys}


def start(job: Job, shape: str, key: Key) -> Contender:
    """Starts a contender, whose errors go to a log of its own."""
    flags = f"{os.environ.get('XLA_FLAGS', '')} {COMMAND_BUFFERS}".strip()
    variables = {"XLA_FLAGS": flags} if key.peer == WHOLE_LOOP else {}
    with get_log(job, shape, key).open("wb") as log:
        return Contender(
            " ".join(key),
            job.make_command("bench", shape, *key),
            cwd=ROOT,
            env={**os.environ, **variables},
            stderr=log,
        )


def get_log(job: Job, shape: str, key: Key) -> Path:
    """Returns the log of a contender's errors."""
    name = " ".join((shape, *key))
    words = "".join(c if c.isalnum() else " " for c in name).split()
    return job.logs / f"bench-{'-'.join(words)}.log"


def compile_all(contenders: Contenders) -> list[Key]:
    """Lets all contenders compile at once; returns those that can take part."""
    for contender in contenders.values():
        contender.ask()
    answers = {key: contender.answer() for key, contender in contenders.items()}
    return [key for key, answer in answers.items() if answer]


def measure_shape(
    job: Job, shape: str, contenders: Contenders, keys: Iterable[Key]
) -> None:
    """Reports the contenders of a shape, and PyTorch's time over charlm's.

    Args:
      job: of this stage.
      shape: its name.
      contenders: of the shape.
      keys: of those that can take part.
    """
    turns = {key: [] for key in keys}
    for _ in range(TURNS):
        for key, answers in turns.items():
            answers.append(contenders[key].measure())
    medians: dict[Key, float] = {}
    for key in contenders:
        row = {"shape": shape, "dtype": key.dtype, "peer": key.peer}
        if key not in turns:
            job.report(**row, missing=read_last_line(get_log(job, shape, key)))
            continue
        times = [answer["ms"] for answer in turns[key] if answer]
        if not times:
            job.report(**row, missing="its process ended in a turn")
            continue
        medians[key] = statistics.median(times)
        peak_mb = turns[key][0]["peak_mb"]
        job.report(**row, ms=medians[key], peak_mb=peak_mb, turns=times)
    for dtype in DTYPES:
        theirs = medians.get(Key(TORCH, dtype))
        for peer in (CHARLM, KERNELS):
            if theirs and (ours := medians.get(Key(peer, dtype))):
                row = {"shape": shape, "dtype": dtype, "peer": peer}
                job.report(**row, torch_over_it=theirs / ours)


def profile(job: Job) -> None:
    """Reports the CUDA kernels of three steps, from a process with a deadline."""
    log = job.logs / "profile.log"
    with log.open("wb") as errors:
        command = job.make_command("profiling")
        try:
            process = subprocess.run(
                command, cwd=ROOT, stderr=errors, timeout=PROFILE_SECONDS
            )
        except subprocess.TimeoutExpired:
            return job.report(profile=f"not done in {PROFILE_SECONDS} s")
    if process.returncode:
        job.report(profile="failed", error=read_last_line(log))


def contend(job: Job, shape: str, key: Key) -> None:
    """Runs a contender, which takes a turn for each line of its input."""
    from experiments.speed.peers import charlm_steps, torch_steps

    sizes, count = job.plan.make_shape(shape, key.dtype), job.plan.steps
    if key.peer == TORCH:
        run_steps, get_peak_mb = torch_steps(sizes), get_torch_peak_mb
    else:
        from charlm.model.jax_setup import configure_jax

        configure_jax()
        cell = make_hopper_lstm(job.smoke) if key.peer == KERNELS else "lstm"
        run_steps, get_peak_mb = charlm_steps(sizes, cell=cell), get_jax_peak_mb
    for _ in sys.stdin:
        start_time = time.perf_counter()
        run_steps(count)
        ms = 1000 * (time.perf_counter() - start_time) / count
        print(json.dumps({"ms": round(ms, 4), "peak_mb": get_peak_mb()}), flush=True)


def get_jax_peak_mb() -> float | None:
    """Returns the largest MB that JAX had of the device; a CPU does not report it."""
    import jax

    stats = jax.local_devices()[0].memory_stats() or {}
    peak = stats.get("peak_bytes_in_use")
    return peak and round(peak / 1e6, 1)


def get_torch_peak_mb() -> float | None:
    """Returns the largest MB that PyTorch had of the device; None on a CPU."""
    import torch

    if not torch.cuda.is_available():
        return None
    return round(torch.cuda.max_memory_allocated() / 1e6, 1)


if __name__ == "__main__":
    contend(parse_job(sys.argv[1]), sys.argv[2], Key(*sys.argv[3:]))
