"""Many steps a dispatch, and the next one under way before the last one's metrics."""

import time

import jax
import numpy as np
from jax.sharding import Mesh

from charlm.errors import UserError
from charlm.model import devices
from charlm.text.streams import Batch, Streams
from charlm.training.step import (
    DISPATCH,
    StepMetrics,
    TrainState,
    make_train_step,
    make_train_steps,
)
from charlm.workdir.checkpoints import Checkpoints, steps_in

# Seconds that a dispatch may take before anyone can stop the run. A short one costs:
# XLA allocates all that a dispatch needs anew, and the system maps it page by page.
PATIENCE = 2.0


def make_dispatch(lm, optimizer, streams: Streams, device_bytes: int, mesh: Mesh):
    """(train_steps, feed): feed(step, count) is the data that train_steps reads."""
    train_step = make_train_step(lm, optimizer)
    if streams.ids.nbytes <= device_bytes and len(streams.ids) < 2**31:
        on_device = jax.device_put(np.asarray(streams.ids), devices.whole(mesh))

        def cut(ids, step, _):
            return streams.cut(ids, step)

        return make_train_steps(train_step, cut, mesh), lambda step, count: on_device

    def stacked(step, count):
        batches = [streams[step + n] for n in range(count)]
        batches += [batches[-1]] * (DISPATCH - count)  # the shape stays
        return jax.tree.map(lambda *rows: np.stack(rows), *batches)

    def pick(batches: Batch, _, n):
        return jax.tree.map(lambda rows: rows[n], batches)

    return make_train_steps(train_step, pick, mesh), stacked


class Dispatcher:
    """Runs steps, many a dispatch, and hands their metrics to the journal.

    While a dispatch runs, the metrics of the one before it are fetched and written and
    the windows of the next one are cut.
    """

    def __init__(self, train_steps, feed, checkpoints, journal, steps):
        self._train_steps, self._feed = train_steps, feed
        self._checkpoints, self._journal, self._steps = checkpoints, journal, steps
        self._pace = 1  # steps of the next dispatch

    def run(self, state, step, end, should_stop) -> tuple[TrainState, int]:
        """(state, step) at `end`, or earlier when asked to stop, all metrics handed on.

        Raises:
          UserError: a loss, a gradient or a carry is no number.
        """
        flying, began = None, time.perf_counter()
        while True:
            count = min(self._pace, end - step)
            state, metrics = self._train_steps(state, self._feed(step, count), count)
            if flying is not None:
                began = self._land(*flying, began)
            step += count
            flying = (step, count, metrics)
            if step >= end or should_stop():
                self._land(*flying, began)
                return state, step

    def _land(self, step, count, metrics, began) -> float:
        """Waits for the dispatch that ends at `step`; the time at which it was done."""
        metrics = StepMetrics(*(kept[:count] for kept in jax.device_get(metrics)))
        done = time.perf_counter()
        _check_finite(metrics, step - count, self._checkpoints)
        self._pace = _new_pace(self._pace, count, done - began)
        self._journal.after_dispatch(step, self._steps, metrics, done - began)
        return done


def _new_pace(pace: int, count: int, spent: float) -> int:
    """The steps of the next dispatch: more while it is quick, up to DISPATCH."""
    fitting = int(PATIENCE * count / max(spent, 1e-9))
    return max(1, min(fitting, 2 * pace, DISPATCH))


def _check_finite(metrics: StepMetrics, step: int, checkpoints: Checkpoints) -> None:
    """Raises UserError where a loss, a gradient or a carry is no number."""
    good = np.all([np.isfinite(metric) for metric in metrics], axis=0)
    if not good.all():
        kept = steps_in(checkpoints.folder)
        last = f"step {kept[-1]} is the last good state" if kept else "nothing is saved"
        bad = int(np.flatnonzero(~good)[0])
        raise UserError(
            f"the loss of step {step + bad} is {metrics.nats_per_char[bad]}, its"
            f" gradient's norm {metrics.grad_norm[bad]}; {last}: lower"
            " optim.learning_rate or optim.clip, in another --workdir"
        )
