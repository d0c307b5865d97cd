"""fit: resume, step, evaluate, checkpoint, sample, stop."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np
import optax

from charlm.data.streams import Streams
from charlm.data.vocab import Vocab
from charlm.errors import UserError
from charlm.model import sharding
from charlm.model.lm import LanguageModel
from charlm.training.multi_step import Dispatcher, make_dispatch
from charlm.training.reporters import Reporter
from charlm.training.run_logger import Journal
from charlm.training.step import (
    TrainState,
    init_state,
    make_train_step,
    state_shardings,
)
from charlm.workdir.checkpoints import Checkpoints, restore_newest
from charlm.workdir.logs import check_logs, remove_logs_started_after
from charlm.workdir.metadata import (
    has_only_weights,
    list_steps,
    newest_notes,
    unreadable,
)

PyTree = Any


class Intervals(NamedTuple):
    """How often, in steps, each thing is done; 0 is never, but at the end."""

    log: int = 100
    evaluate: int = 1000
    checkpoint: int = 1000
    sample: int = 1000


DEFAULT_INTERVALS = Intervals()
SILENT = Reporter()


def fit(
    *,
    lm: LanguageModel,
    vocab: Vocab,
    optimizer: optax.GradientTransformation,
    learning_rate: optax.Schedule,
    streams: Streams,
    steps: int,
    workdir: Path,
    valid: np.ndarray | None = None,
    intervals: Intervals = DEFAULT_INTERVALS,
    seed: int = 0,
    params: PyTree | None = None,
    sample_length: int = 500,
    sample_temperature: float = 1.0,
    device_bytes: int = -1,
    text_sha256: str = "",
    other_text: bool = False,
    bad_steps: str = "stop",
    reporter: Reporter = SILENT,
    should_stop: Callable[[], bool] = lambda: False,
) -> TrainState:
    """Trains to `steps`, from where the workdir stands, and returns the state reached.

    A run that was stopped, at any moment and in any way, and is continued by the same
    call is bit for bit the run that was never stopped.

    Args:
      lm: the model.
      vocab: its symbols, for samples.
      optimizer: of make_optimizer.
      learning_rate: its schedule, for the log.
      streams: of the text to train on.
      steps: when to end.
      workdir: holds config.json and vocab.json already.
      valid: ids[n] of the text to evaluate on.
      intervals: how often to log, evaluate, checkpoint and sample.
      seed: of the parameters, and of dropout.
      params: to start from, in place of drawn ones.
      sample_length: characters of the samples on the way.
      sample_temperature: of the same.
      device_bytes: a text of more bytes than this stays in its memory-mapped file; a
        negative number is as many as suit the device.
      text_sha256: of the text, to notice another one at resume.
      other_text: go on with a text that the run did not begin on; its streams start
        from the zero carry.
      bad_steps: what to do at a step whose loss, gradient or carry is not finite, or
        whose loss has exploded: "stop" saves the state before it and raises; "skip"
        leaves it out.
      reporter: is told what a person should see.
      should_stop: asked between dispatches; when true, the run is saved and left.

    Raises:
      UserError: the workdir cannot be continued, or a step was bad.
    """
    mesh = sharding.make_mesh(streams.batch_size)
    state = init_state(
        lm, optimizer, batch_size=streams.batch_size, seed=seed, params=params
    )
    check_resumable(workdir, text_sha256, other_text=other_text)
    state, notes = _resume(workdir, state, reporter)
    if other_text and notes.get("text_sha256", text_sha256) != text_sha256:
        state = state._replace(carry=lm.initial_carry(streams.batch_size))
    state = jax.device_put(state, state_shardings(mesh))
    train_step = make_train_step(lm, optimizer, bad_steps=bad_steps)
    train_steps, feed = make_dispatch(train_step, streams, device_bytes, mesh)
    with Checkpoints(workdir) as checkpoints:
        journal = Journal(
            lm=lm,
            vocab=vocab,
            learning_rate=learning_rate,
            streams=streams,
            valid=valid,
            workdir=workdir,
            checkpoints=checkpoints,
            reporter=reporter,
            sample_length=sample_length,
            sample_temperature=sample_temperature,
            text_sha256=text_sha256,
            notes=notes,
            step=int(state.step),
        )
        dispatcher = Dispatcher(train_steps, feed, journal, steps, bad_steps)
        try:
            step, wrong = int(state.step), ""
            while step < steps and not wrong and not should_stop():
                end = step + _to_next(step, steps, intervals)
                state, step, wrong = dispatcher.run(state, step, end, should_stop)
                if not wrong:
                    _do_what_is_due(journal, state, step, steps, intervals)
            if (step < steps or wrong) and step not in list_steps(checkpoints.folder):
                journal.save(state, step)
            if wrong:
                skip = ", or leave such steps out with --config.train.bad_steps=skip"
                raise UserError(
                    f"step {step} is not taken: {wrong}; the state before it is saved,"
                    " and the same command comes to it again: lower"
                    " optim.learning_rate or optim.clip in another --workdir"
                    f"{skip if bad_steps == 'stop' else ''}"
                )
        finally:
            journal.close()
    return state


def _do_what_is_due(journal, state, step, steps, intervals) -> None:
    """Logs, evaluates, samples and saves, in this order, at the steps for it."""

    def due(every):
        return step == steps or (every and step % every == 0)

    if due(intervals.log):
        journal.log(step)
    better = due(intervals.evaluate) and journal.evaluate(state.params, step)
    if due(intervals.sample):
        journal.sample(state.params, step)
    if better or due(intervals.checkpoint):
        journal.save(state, step)


def _to_next(step: int, steps: int, intervals: Intervals) -> int:
    """Steps until something is due."""
    ends = [every - step % every for every in intervals if every]
    return min([steps - step, *ends])


def _resume(
    workdir: Path, state: TrainState, reporter: Reporter
) -> tuple[TrainState, dict[str, Any]]:
    """The newest checkpoint's state and notes; `state` as it is, if there is none."""
    like = {"params": state.params, "run": state._replace(params=())}
    restored, skipped = restore_newest(workdir, like)
    for reason in skipped:
        reporter.say(f"skipped: {reason}")
    if restored is None:
        if skipped:
            raise UserError(unreadable(workdir))
        return state, {}
    remove_logs_started_after(workdir, restored.notes.get("logs", {}), restored.step)
    reporter.say(f"resumed from step {restored.step}")
    changed = _describe_changes(restored.notes.get("trained_on", {}))
    if changed:
        reporter.say(
            f"trained on otherwise so far: {changed}; its losses go on as they would"
            " have, but not to the last bit"
        )
    run = TrainState(*restored.trees["run"])
    return run._replace(params=restored.trees["params"]), restored.notes


def _describe_changes(before: dict[str, Any]) -> str:
    """Returns how this machine differs from that of a checkpoint's notes, or ""."""
    now = sharding.describe_machine()
    return ", ".join(
        f"{name} was {before[name]} and is {now[name]}"
        for name in now
        if before.get(name, now[name]) != now[name]
    )


def check_resumable(
    workdir: Path, text_sha256: str, *, other_text: bool = False
) -> None:
    """Raises UserError if the run in `workdir` cannot go on as it was.

    It has checkpoints of which none is whole, or of another charlm; or weights alone;
    it was begun on another text than this; or what it wrote down has changed.
    """
    step, notes = newest_notes(workdir)
    if notes and has_only_weights(workdir, step):
        raise UserError(
            f"{workdir} holds weights alone, without the optimizer's state, and cannot"
            f" go on; begin from them by --config.train.init_from={workdir} in another"
            " --workdir"
        )
    known = notes.get("text_sha256")
    if known and text_sha256 and known != text_sha256 and not other_text:
        raise UserError(
            f"the text has changed since the run in {workdir} began; give it back as it"
            " was, train in another --workdir, or go on with this one by --other_text"
        )
    check_logs(workdir, notes.get("logs", {}), step)
