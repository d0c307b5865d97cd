"""Many training steps in one dispatch of a compiled program."""

import functools
import time
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh
from jaxtyping import Array

from charlm.data.streams import Batch
from charlm.model import sharding
from charlm.training.build import Run
from charlm.training.run_logger import RunLogger
from charlm.training.step import (
    GuardedMetrics,
    StepMetrics,
    TrainState,
    make_guarded_step,
    make_train_step,
)

MAX_STEPS = 64  # of one dispatch
# How long a dispatch may take before anyone can stop the run. Short ones cost: XLA
# allocates all that a dispatch needs anew, and the system maps it page by page.
MAX_DISPATCH_SECONDS = 2.0
MAX_TEXT_BYTES = 1 << 28  # of a text that is kept in the memory of a CPU


def state_shardings(mesh: Mesh) -> TrainState:
    """Returns the sharding of each part of a state: rows for the carry, else copies."""
    replicated: Any = sharding.replicate(mesh)
    state = TrainState(*(replicated for _ in TrainState._fields))
    return state._replace(carry=sharding.shard_rows(mesh))


def make_train_steps(
    guarded_step: Callable[..., tuple[TrainState, GuardedMetrics]],
    get_batch: Callable[[Any, Array, Array], Batch],
    mesh: Mesh | None = None,
) -> Any:
    """Returns the compiled (state, data, count, first=None) -> (state, metrics[64]).

    It runs `count` steps, at most MAX_STEPS. One program serves every count, so that
    where dispatches begin and end changes no bit of the result. The state's buffers are
    donated. `first` is the step of the first batch, the state's own by default: a state
    at another step, because a bad step has stopped it, stays as it is.

    Args:
      guarded_step: of make_guarded_step.
      get_batch: (data, step, index in the dispatch) -> the batch of that step.
      mesh: the devices that share the batch's rows; by default, where the state is.
    """
    shardings = None
    if mesh is not None:
        shardings = (state_shardings(mesh), sharding.replicate(mesh))

    @functools.partial(jax.jit, donate_argnums=0, out_shardings=shardings)
    def train_steps(state, data, count, first=None):
        first = state.step if first is None else first

        def body(n, loop):
            state, history = loop
            active = state.step == first + n
            batch = get_batch(data, state.step, n)
            state, metrics = guarded_step(state, batch, active)
            return state, jax.tree.map(lambda h, m: h.at[n].set(m), history, metrics)

        zeros = StepMetrics(*(jnp.zeros(MAX_STEPS) for _ in StepMetrics._fields))
        history = GuardedMetrics(zeros, jnp.zeros(MAX_STEPS, bool))
        return jax.lax.fori_loop(0, count, body, (state, history))

    return train_steps


def compile_run(run: Run, mesh: Mesh) -> tuple[Callable, Any]:
    """Returns get_data(step, count), of one dispatch, and make_train_steps' result."""
    get_data, get_batch = _place_text(run, mesh)
    train_step = make_train_step(run.lm, run.optimizer)
    bad_steps = run.config.train.bad_steps
    guarded_step = make_guarded_step(
        train_step, vocab_size=len(run.vocab), bad_steps=bad_steps
    )
    return get_data, make_train_steps(guarded_step, get_batch, mesh)


class Dispatcher:
    """Runs steps, many a dispatch, and hands their metrics to the logger.

    While a dispatch runs on a CPU, the metrics of the one before are fetched and logged
    and the windows of the next one are read. On a GPU the host controls the loop of a
    dispatch, whose length is data, and may wait there until it ends.
    """

    def __init__(self, run: Run, mesh: Mesh, logger: RunLogger):
        self._logger, self._bad_steps = logger, run.config.train.bad_steps
        self._steps_per_dispatch, self._start = 1, 0.0
        self._get_data, self._train_steps = compile_run(run, mesh)

    def run(self, state, step, end, should_stop) -> tuple[TrainState, int, str]:
        """Trains from `step` to `end`; returns (state, step, problem).

        It returns earlier when asked to stop, or at a step that stops the run: then the
        state is the one before it, and `problem` says what was wrong. All metrics up to
        there are logged.
        """
        in_flight = None  # (first step, count, metrics) of a dispatch
        self._start = time.perf_counter()
        while True:
            count = min(self._steps_per_dispatch, end - step)
            data = self._get_data(step, count)
            state, metrics = self._train_steps(state, data, count, step)
            if in_flight and (problem := self._collect(*in_flight)):
                # The dispatch in flight is a no-op: no step is active.
                return state, int(state.step), problem
            in_flight = step, count, metrics
            step += count
            if step >= end or should_stop() or self._too_many_skips():
                problem = self._collect(*in_flight) or self._too_many_skips()
                return state, int(state.step), problem

    def _collect(self, first: int, count: int, results: GuardedMetrics) -> str:
        """Blocks until a dispatch is done and logs it; returns the problem or ""."""
        metrics, accepted = jax.device_get(results)
        done = time.perf_counter()
        seconds, self._start = done - self._start, done
        bad = np.flatnonzero(~accepted[:count])
        stop = bool(bad.size) and self._bad_steps == "stop"
        end = int(bad[0]) if stop else count
        taken = jax.tree.map(lambda x: x[:end][accepted[:end]], metrics)
        self._logger.add_steps(first + end, taken, seconds)
        if stop:
            return describe_step(metrics, end)
        for n in range(count):
            reason = "" if accepted[n] else describe_step(metrics, n)
            self._logger.count_skips(first + n, reason)
        # More steps in the next dispatch, while it is quick.
        fitting = int(MAX_DISPATCH_SECONDS * count / max(seconds, 1e-9))
        steps = min(fitting, 2 * self._steps_per_dispatch, MAX_STEPS)
        self._steps_per_dispatch = max(1, steps)
        return ""

    def _too_many_skips(self) -> str:
        """Returns why a run that skips and skips should stop, or ""."""
        skips = self._logger.state.skips_in_a_row
        text = f"the {skips} steps before it were skipped in a row"
        return text if skips >= MAX_STEPS else ""


def _place_text(run: Run, mesh: Mesh) -> tuple[Callable, Callable]:
    """Returns get_data(step, count), of one dispatch, and get_batch(data, step, n).

    The text is kept on the devices if it has at most data.device_bytes; its windows are
    cut on the host if it has more.
    """
    streams, max_bytes = run.streams, run.config.data.device_bytes
    if max_bytes < 0:
        max_bytes = sharding.get_memory(mesh.devices.flat[0]) // 10 or MAX_TEXT_BYTES
    if streams.ids.nbytes <= max_bytes and len(streams.ids) < 2**31:
        ids = jax.device_put(np.asarray(streams.ids), sharding.replicate(mesh))
        return lambda *_: ids, lambda ids, step, _: streams.device_batch(ids, step)

    def read_windows(step, count):
        windows = [streams.read(step + n) for n in range(count)]
        padding = windows[-1:] * (MAX_STEPS - count)  # the shape stays the same
        return np.stack(windows + padding)

    return read_windows, lambda windows, step, n: streams.batch(windows[n], step)


def describe_step(metrics: StepMetrics, n: int) -> str:
    """Returns what step n was like, in words."""
    step = jax.tree.map(lambda values: float(values[n]), metrics)
    words = (
        f"loss {step.nats_per_char:.4g}, gradient norm {step.grad_norm:.4g},"
        f" largest state {step.max_carry:.4g}"
    )
    if np.isfinite([step.nats_per_char, step.grad_norm, step.max_carry]).all():
        return f"{words}: it has exploded, or its update is not finite"
    return words
