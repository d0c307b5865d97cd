"""train: resume, step, evaluate, checkpoint, sample, stop."""

import contextlib
import dataclasses
import operator
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

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
from charlm.training.build import Run, build_run, describe_run
from charlm.training.multi_step import Dispatcher, state_shardings
from charlm.training.reporters import Reporter
from charlm.training.run_logger import RunLogger
from charlm.training.step import TrainState, init_state
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
    optimizer: optax.GradientTransformation | None = None,
    lm: LanguageModel | None = None,
    reporter: Reporter = SILENT,
    should_stop: Callable[[], bool] = lambda: False,
) -> tuple[Run, TrainState]:
    """Trains a config in a workdir, or continues the run there.

    Returns the run, and the state that it reached. A config or text that cannot be used
    is a UserError, and so is another run's workdir.

    Args:
      config: the options.
      workdir: new, empty, or of a run of this config.
      other_text: continue although the text is not the one the run started on.
      optimizer, lm: as in build_run.
      reporter: shows a person what happens.
      should_stop: asked between dispatches; when true, the run is saved and left.
    """
    config = _complete(config, workdir, optimizer, lm)
    resume.check_config_matches(workdir, config)
    start = symbols = None
    if resume.has_checkpoint(workdir):
        symbols = read_vocab(workdir)
    elif config.train.init_from:
        start = resume.load_initial_model(config)
        symbols = start.vocab
    run = build_run(config, extra_symbols=symbols, optimizer=optimizer, lm=lm)
    params = resume.transfer_params(start, run) if start else None
    with lock_workdir(workdir):
        # Again: another run may have started here in the meantime.
        resume.check_config_matches(workdir, config)
        if resume.has_checkpoint(workdir) and read_vocab(workdir) != run.vocab:
            raise UserError(
                f"the text has symbols that the run in {workdir} does not know; start"
                f" another run with train.init_from={workdir}"
            )
        resume.check_resumable(workdir, run.text_sha256, other_text=other_text)
        reporter.say(f"{workdir}: {describe_run(run)}")
        if unused := describe_unused_accelerator():
            reporter.say(unused)
        if config.model.dtype != "float32":
            reporter.say(f"matrix products are in {config.model.dtype}")
        state = train(
            run,
            workdir,
            params=params,
            other_text=other_text,
            reporter=reporter,
            should_stop=should_stop,
        )
    return run, state


def _complete(config: RunConfig, workdir: Path, optimizer, lm) -> RunConfig:
    """Returns the config with the objects, absolute paths and the type of products.

    A workdir names that type, so that its model is the same on every platform.
    """
    replace, model, optim = dataclasses.replace, config.model, config.optim
    if lm is not None:
        model = lm.config
    if optimizer is not None:
        optim = replace(optim, name=CUSTOM)
    dtype = model.dtype
    if dtype == "auto" and resume.has_checkpoint(workdir):
        dtype = read_config(workdir).model.dtype
    model = replace(model, dtype=resolve_dtype(dtype))
    data = replace(config.data, path=_make_absolute(config.data.path))
    origin = _make_absolute(config.train.init_from)
    train = replace(config.train, init_from=origin)
    return replace(config, data=data, model=model, optim=optim, train=train)


def _make_absolute(path: str) -> str:
    return os.path.abspath(local_path(path)) if path else ""


@own_settings()
def train(
    run: Run,
    workdir: Path,
    *,
    params: Any = None,
    other_text: bool = False,
    reporter: Reporter = SILENT,
    should_stop: Callable[[], bool] = lambda: False,
) -> TrainState:
    """Trains from where the workdir stands; returns the state that it reached.

    A run that was stopped, at any moment and in any way, and is continued is bit for
    bit the run that was never stopped. A UserError is raised for a workdir that cannot
    be continued, and when a bad step has stopped the run.

    Args:
      run: of build_run.
      workdir: new, empty, or of this run.
      params: to start from, in place of random ones.
      other_text, reporter, should_stop: as in start_run; on another text the streams
        start from the zero carry.
    """
    batch_size, seed = run.streams.batch_size, run.config.seed
    mesh = sharding.make_mesh(batch_size)
    state = init_state(
        run.lm, run.optimizer, batch_size=batch_size, seed=seed, params=params
    )
    resume.check_resumable(workdir, run.text_sha256, other_text=other_text)
    state, notes = resume.restore_state(workdir, state, reporter)
    if other_text and notes.get("text_sha256", run.text_sha256) != run.text_sha256:
        state = state._replace(carry=run.lm.initial_carry(batch_size))
    # Only now: a workdir whose state cannot be continued is left as it is.
    write_model_files(workdir, config=run.config, vocab=run.vocab)
    state = jax.device_put(state, state_shardings(mesh))
    step, problem = int(state.step), ""
    with contextlib.closing(RunLogger(run, workdir, reporter, notes, step)) as logger:
        dispatcher = Dispatcher(run, mesh, logger)
        while step < run.steps and not problem and not should_stop():
            end = step + _count_until_due(step, run)
            state, step, problem = dispatcher.run(state, step, end, should_stop)
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
    return state


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
