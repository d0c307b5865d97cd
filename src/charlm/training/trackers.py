"""Trackers: the metrics of a run in wandb, trackio, or any object with their `log`."""

import importlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from charlm.config import RunConfig
from charlm.errors import UserError
from charlm.options import flatten
from charlm.training.reporters import Record, Reporter
from charlm.training.resume import has_checkpoint

MODULES = ("trackio", "wandb")  # which --tracker= takes


def add_tracker(
    reporter: Reporter, tracker: Any, finish: Callable[[], Any] = lambda: None
) -> Reporter:
    """Returns the reporter, with its records logged by a tracker too.

    A tracker that fails does not end the run: that is said once.

    Args:
      reporter: shows the run to a person.
      tracker: any object with log(values, step=step), as runs of wandb and trackio.
      finish: called at the end of the run.

    Raises:
      UserError: the tracker has no `log`.
    """
    if not callable(getattr(tracker, "log", None)):
        raise UserError(
            f"tracker is {tracker!r}, which has no log(values, step=step); give a run"
            " of wandb or trackio, as their init() returns it"
        )
    has_failed = False

    def attempt(call: Callable, *args, **kwargs) -> None:
        nonlocal has_failed
        try:
            call(*args, **kwargs)
        except Exception as error:
            if not has_failed:
                reporter.say(f"the tracker fails: {_describe(error)}; the run goes on")
            has_failed = True

    def record(record: Record) -> None:
        reporter.record(record)
        attempt(tracker.log, get_values(record), step=record["step"])

    def close() -> None:
        try:
            attempt(finish)
        finally:
            reporter.close()

    return reporter._replace(record=record, close=close)


def get_values(record: Record) -> dict[str, float]:
    """Returns the numbers of a record by their names: "train/nats_per_char"."""
    numbers = {k: x for k, x in record.items() if isinstance(x, int | float)}
    del numbers["step"]
    return {f"{record['split']}/{name}": x for name, x in numbers.items()}


def start_tracker(name: str, config: RunConfig, workdir: Path) -> Any:
    """Returns the module trackio or wandb after its `init`, with `log` and `finish`.

    Raises UserError if it is another one, is not installed, or does not start.
    """
    if name not in MODULES:
        raise UserError(f"tracker is {name!r}; choose one of {', '.join(MODULES)}")
    try:
        module = importlib.import_module(name)
        init = module.init
    except (ImportError, AttributeError) as error:
        # AttributeError: a folder of logs, such as wandb/, can be imported too.
        raise UserError(f"{name} is not installed: pip install {name}") from error
    # A new run in a workdir of the same name is not the old one, continued.
    resume = "allow" if has_checkpoint(workdir) else "never"
    options = flatten(config.to_dict())
    try:
        init(
            project="charlm", name=workdir.resolve().name, config=options, resume=resume
        )
    except Exception as error:
        raise UserError(f"{name} does not start: {_describe(error)}") from error
    return module


def _describe(error: Exception) -> str:
    """Returns an error on one line."""
    return " ".join(f"{type(error).__name__}: {error}".split())
