"""Many steps a dispatch, and the next one under way before the last one's metrics."""

import time

import jax
import numpy as np
from jax.sharding import Mesh

from charlm.data.streams import Streams
from charlm.model import sharding
from charlm.training.step import (
    DISPATCH,
    StepMetrics,
    TrainState,
    make_train_steps,
)

# Seconds that a dispatch may take before anyone can stop the run. A short one costs:
# XLA allocates all that a dispatch needs anew, and the system maps it page by page.
MAX_DISPATCH_SECONDS = 2.0
TEXT_BYTES = 1 << 28  # of a text that lies in the memory of a CPU


def make_dispatch(train_step, streams: Streams, device_bytes: int, mesh: Mesh):
    """(train_steps, feed): feed(step, count) is the data that train_steps reads.

    A text of at most `device_bytes` bytes lies on the devices; a negative number is a
    tenth of what a device holds, or TEXT_BYTES where it does not say.
    """
    if device_bytes < 0:
        device_bytes = sharding.get_memory(mesh.devices.flat[0]) // 10 or TEXT_BYTES
    if streams.ids.nbytes <= device_bytes and len(streams.ids) < 2**31:
        on_device = jax.device_put(np.asarray(streams.ids), sharding.whole(mesh))

        def cut(ids, step, _):
            return streams.cut(ids, step)

        return make_train_steps(train_step, cut, mesh), lambda step, count: on_device

    def stacked(step, count):
        windows = [streams.read(step + n) for n in range(count)]
        return np.stack(windows + windows[-1:] * (DISPATCH - count))  # the shape stays

    def pick(windows, step, n):
        return streams.batch(windows[n], step)

    return make_train_steps(train_step, pick, mesh), stacked


class Dispatcher:
    """Runs steps, many a dispatch, and hands their metrics to the journal.

    While a dispatch runs on a CPU, the metrics of the one before it are fetched and
    written and the windows of the next one are cut. On a GPU the loop of a dispatch,
    whose length is data, is led by the host, which may wait there until it ends.
    """

    def __init__(self, train_steps, feed, journal, steps, bad_steps):
        self._train_steps, self._feed = train_steps, feed
        self._journal, self._steps, self._bad_steps = journal, steps, bad_steps
        self._pace = 1  # steps of the next dispatch
        self._skipped = 0  # steps in a row

    def run(self, state, step, end, should_stop) -> tuple[TrainState, int, str]:
        """(state, step, "") at `end`, or earlier when asked to stop.

        All metrics up to there are handed on. When a step is bad and the run is to
        stop, it is (the state before that step, the step, what was wrong with it).
        """
        flying, began = None, time.perf_counter()
        while True:
            count = min(self._pace, end - step)
            data = self._feed(step, count)
            state, metrics = self._train_steps(state, data, count, step)
            if flying is not None:
                wrong, began = self._land(*flying, began)
                if wrong:  # what flies leaves the state as it is
                    return state, int(state.step), wrong
            step += count
            flying = (step, count, metrics)
            if step >= end or should_stop() or self._skipped >= DISPATCH:
                wrong, _ = self._land(*flying, began)
                return state, int(state.step), wrong or self._hopeless()

    def _land(self, step, count, metrics, began) -> tuple[str, float]:
        """Waits for the dispatch that ends at `step`: what stops the run there, or "",
        and the time at which it was done."""
        metrics = StepMetrics(*(kept[:count] for kept in jax.device_get(metrics)))
        done = time.perf_counter()
        first, bad = step - count, np.flatnonzero(~metrics.good)
        stop = bool(bad.size) and self._bad_steps == "stop"
        upto = int(bad[0]) if stop else count
        taken = StepMetrics(*(m[:upto][metrics.good[:upto]] for m in metrics))
        self._journal.after_dispatch(first + upto, self._steps, taken, done - began)
        if stop:
            return told(metrics, upto), done
        for n in range(count):
            self._skipped = 0 if metrics.good[n] else self._skipped + 1
            if self._skipped:
                self._journal.skip(first + n, told(metrics, n))
        self._pace = _new_pace(self._pace, count, done - began)
        return "", done

    def _hopeless(self) -> str:
        """What stops a run that skips and skips; or ""."""
        if self._skipped < DISPATCH:
            return ""
        return f"the {self._skipped} before it were skipped, one after another"


def told(metrics: StepMetrics, n: int) -> str:
    """What one of the steps was like, in words."""
    *values, _ = (metric[n] for metric in metrics)
    words = "loss {:.4g}, gradient's norm {:.4g}, largest state {:.4g}".format(*values)
    if np.isfinite(values).all():
        return f"{words}: it has exploded, or its update is not finite"
    return words


def _new_pace(pace: int, count: int, spent: float) -> int:
    """The steps of the next dispatch: more while it is quick, up to DISPATCH."""
    fitting = int(MAX_DISPATCH_SECONDS * count / max(spent, 1e-9))
    return max(1, min(fitting, 2 * pace, DISPATCH))
