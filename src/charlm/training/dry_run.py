"""What a run would take: memory and time, by a few of its real steps."""

import time
from typing import NamedTuple

import jax
import jax.numpy as jnp

from charlm.model import sharding
from charlm.model.jax_setup import own_settings
from charlm.training.build import Run, describe_run, init_run
from charlm.training.multi_step import MAX_STEPS, compile_run, state_shardings
from charlm.training.reporters import format_seconds

MEASURED_SECONDS = 2.0  # of steps that are measured


class Measurement(NamedTuple):
    """What some training steps took."""

    compile_seconds: float
    step_seconds: float
    memory_bytes: int  # of the compiled steps, state and text included


@own_settings()
def measure_steps(run: Run) -> Measurement:
    """Compiles the training steps of a run and runs a few; nothing is kept."""
    mesh = sharding.make_mesh(run.streams.batch_size)
    state = jax.device_put(init_run(run), state_shardings(mesh))
    get_data, train_steps = compile_run(run, mesh)
    first, count = jnp.int32(0), 1
    start = time.perf_counter()
    compiled = train_steps.lower(state, get_data(0, 1), first, first).compile()
    compile_seconds = time.perf_counter() - start
    usage = compiled.memory_analysis()
    memory = usage.argument_size_in_bytes + usage.temp_size_in_bytes if usage else 0
    seconds, limit = 0.0, MEASURED_SECONDS / 2
    while seconds < limit and count < MAX_STEPS:
        count = count if not seconds else min(2 * count, MAX_STEPS)
        step = int(state.step)
        data = get_data(step, count)
        start = time.perf_counter()
        state, _ = compiled(state, data, jnp.int32(count), jnp.int32(step))
        jax.block_until_ready(state)
        seconds = time.perf_counter() - start
    return Measurement(compile_seconds, seconds / count, memory)


def describe_plan(run: Run, step: int = 0) -> str:
    """Returns what a run would take from a step on: size, memory and time."""
    measured = measure_steps(run)
    left = max(0, run.steps - step)
    return (
        f"{describe_run(run)}\n"
        f"memory of the training steps: {measured.memory_bytes / 1e6:,.0f} MB\n"
        f"time: {format_seconds(left * measured.step_seconds)} for {left:,} steps of"
        f" {1000 * measured.step_seconds:,.1f} ms, after"
        f" {measured.compile_seconds:.0f} s of compiling; validation, samples and"
        " checkpoints come on top"
    )
