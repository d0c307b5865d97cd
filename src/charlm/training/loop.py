"""train: resume, step, evaluate, checkpoint, sample, stop."""

import contextlib
import dataclasses
import math
import operator
import os
import time
from collections.abc import Callable
from pathlib import Path

import jax
import optax

from charlm.config import RunConfig
from charlm.errors import UserError
from charlm.files import local_path
from charlm.model import sharding
from charlm.model.jax_setup import describe_unused_accelerator, own_settings
from charlm.model.lm import LanguageModel, resolve_dtype
from charlm.options import CUSTOM
from charlm.training import resume
from charlm.training.branch import make_initial_state
from charlm.training.build import Run, build_run, describe_run, init_run
from charlm.training.ending import Ending
from charlm.training.multi_step import Dispatcher, state_shardings
from charlm.training.reporters import Reporter
from charlm.training.run_logger import RunLogger
from charlm.training.step import TrainState
from charlm.workdir.lock import lock_workdir
from charlm.workdir.metadata import FOLDER, list_steps
from charlm.workdir.model_files import read_config, read_vocab, write_model_files

SILENT = Reporter()
get_intervals = operator.attrgetter(
    "log_every", "eval_every", "sample_every", "checkpoint_every"
)


@own_settings()
def start_run(
    config: RunConfig,
    workdir: Path,
    *,
    other_text: bool = False,
    extend: bool = False,
    optimizer: optax.GradientTransformation | None = None,
    lm: LanguageModel | None = None,
    reporter: Reporter = SILENT,
    should_stop: Callable[[], bool] = lambda: False,
) -> tuple[Run, Ending]:
    """Trains a config in a workdir, or continues the run there.

    Returns the run, and how it ended. A config or text that cannot be used is a
    UserError, and so is another run's workdir.

    Args:
      config: the options.
      workdir: new, empty, or of a run of this config.
      other_text: continue although the text is not the one the run started on.
      extend: continue to other train.steps although the rate is a cosine, which then
        has the new length.
      optimizer, lm: as in build_run.
      reporter: shows a person what happens.
      should_stop: asked between dispatches; when true, the run is saved and left.
    """
    run, start = prepare_run(config, workdir, extend=extend, optimizer=optimizer, lm=lm)
    with lock_workdir(workdir):
        # Again: another run may have started here in the meantime.
        resume.check_config_matches(workdir, run.config, extend=extend)
        if resume.has_checkpoint(workdir) and read_vocab(workdir) != run.vocab:
            raise UserError(
                f"the text has symbols that the run in {workdir} does not know; start"
                f" another run with train.init_from={workdir}"
            )
        resume.check_resumable(workdir, run.text_sha256, other_text=other_text)
        reporter.say(f"{workdir}: {describe_run(run)}")
        if unused := describe_unused_accelerator():
            reporter.say(unused)
        if run.config.model.dtype != "float32":
            reporter.say(f"matrix products are in {run.config.model.dtype}")
        ending = train(
            run,
            workdir,
            start=start,
            other_text=other_text,
            reporter=reporter,
            should_stop=should_stop,
        )
    return run, ending


def prepare_run(
    config: RunConfig,
    workdir: Path,
    *,
    extend: bool = False,
    optimizer: optax.GradientTransformation | None = None,
    lm: LanguageModel | None = None,
) -> tuple[Run, TrainState | None]:
    """Returns the run of a config in a workdir, and its state if it is a new one.

    The arguments and the errors are those of start_run. Nothing is written.
    """
    config = _complete(config, workdir, optimizer, lm)
    resume.check_config_matches(workdir, config, extend=extend)
    is_new = not resume.has_checkpoint(workdir)
    source = config.train.branch_from or config.train.init_from if is_new else workdir
    symbols = read_vocab(source) if source else None
    run = build_run(config, extra_symbols=symbols, optimizer=optimizer, lm=lm)
    return run, make_initial_state(run, optimizer) if is_new else None


def _complete(config: RunConfig, workdir: Path, optimizer, lm) -> RunConfig:
    """Returns the config with the objects, absolute paths and the type of products.

    A workdir names that type, so that its model is the same on every platform.
    """
    replace, model, optim = dataclasses.replace, config.model, config.optim
    if lm is not None:
        model = lm.config
    if optimizer is not None:
        optim = replace(optim, name=CUSTOM)
    before = read_config(workdir) if resume.has_checkpoint(workdir) else None
    dtype = model.dtype
    if dtype == "auto" and before:
        dtype = before.model.dtype
    model = replace(model, dtype=resolve_dtype(dtype))
    data = replace(config.data, path=_make_absolute(config.data.path))
    # A path that the workdir names may be of the system that it comes from, as C:\old.
    known = (before.train.init_from, before.train.branch_from) if before else ()
    origins = {
        name: path if path in known else _make_absolute(path)
        for name in ("init_from", "branch_from")
        if (path := getattr(config.train, name))
    }
    train = replace(config.train, **origins)
    return replace(config, data=data, model=model, optim=optim, train=train)


def _make_absolute(path: str) -> str:
    return os.path.abspath(local_path(path)) if path else ""


@own_settings()
def train(
    run: Run,
    workdir: Path,
    *,
    start: TrainState | None = None,
    other_text: bool = False,
    reporter: Reporter = SILENT,
    should_stop: Callable[[], bool] = lambda: False,
) -> Ending:
    """Trains from where the workdir stands; returns how that ended.

    A run that was stopped, at any moment and in any way, and is continued is bit for
    bit the run that was never stopped. A UserError is raised for a workdir that cannot
    be continued, and when a bad step has stopped the run.

    Args:
      run: of build_run.
      workdir: new, empty, or of this run.
      start: the state of a new run, in place of one with random parameters.
      other_text, reporter, should_stop: as in start_run; on another text the streams
        start from the zero carry.
    """
    batch_size, options = run.streams.batch_size, run.config.train
    mesh = sharding.make_mesh(batch_size)
    state = start or init_run(run)
    resume.check_resumable(workdir, run.text_sha256, other_text=other_text)
    state, notes = resume.restore_state(workdir, state, reporter)
    if other_text and notes.get("text_sha256", run.text_sha256) != run.text_sha256:
        state = state._replace(carry=run.lm.initial_carry(batch_size))
    # Only now: a workdir whose state cannot be continued is left as it is.
    write_model_files(workdir, config=run.config, vocab=run.vocab)
    state = jax.device_put(state, state_shardings(mesh))
    step, problem = int(state.step), ""
    first_step = step
    end_time = time.monotonic() + (60 * options.minutes or math.inf)
    with contextlib.closing(RunLogger(run, workdir, reporter, notes, step)) as logger:

        def get_reason() -> str:
            if step >= run.steps:
                return "steps"
            if logger.out_of_patience:
                return "patience"
            if should_stop():
                return "asked"
            is_late = time.monotonic() >= end_time and step > first_step
            return "minutes" if is_late else ""

        dispatcher = Dispatcher(run, mesh, logger)
        while not problem and not get_reason():
            end = step + _count_until_due(step, run)
            state, step, problem = dispatcher.run(
                state, step, end, lambda: bool(get_reason())
            )
            if not problem:
                _run_due(logger, state, step, run)
        stopped = step < run.steps or problem
        if stopped and step not in list_steps(workdir / FOLDER):
            logger.save(state, step)
    if problem:
        skip = ", or skip such steps with train.bad_steps=skip"
        skip = skip if run.config.train.bad_steps == "stop" else ""
        raise UserError(
            f"step {step} is not taken: {problem}; the state before it is saved, and"
            " the same command comes to it again: lower optim.learning_rate or"
            f" optim.clip in another workdir{skip}"
        )
    return Ending(state, get_reason())


def _run_due(logger: RunLogger, state: TrainState, step: int, run: Run) -> None:
    """Logs, evaluates, samples and saves, in this order, what is due at a step."""
    log, evaluate, sample, save = (
        step == run.steps or (interval and step % interval == 0)
        for interval in get_intervals(run.config.train)
    )
    if log:
        logger.log(step)
    is_best = evaluate and logger.evaluate(state.params, step)
    if sample:
        logger.sample(state.params, step)
    if is_best or save:
        logger.save(state, step)


def _count_until_due(step: int, run: Run) -> int:
    """Returns the steps until something is due."""
    intervals = get_intervals(run.config.train)
    ends = [interval - step % interval for interval in intervals if interval]
    return min([run.steps - step, *ends])
