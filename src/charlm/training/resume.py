"""Whether a workdir can be continued, and the state that it is continued from."""

from pathlib import Path
from typing import Any

from charlm.config import RunConfig, list_free_options
from charlm.errors import UserError
from charlm.model.recurrence import get_lstm_backend
from charlm.model.sharding import describe_machine
from charlm.options import flatten
from charlm.training.reporters import Reporter
from charlm.training.step import TrainState
from charlm.workdir import lock, model_files
from charlm.workdir.checkpoints import restore_newest
from charlm.workdir.metadata import FOLDER, list_steps, read_newest


def has_checkpoint(workdir: Path) -> bool:
    """Returns whether the run in `workdir` has saved a checkpoint."""
    return bool(list_steps(workdir / FOLDER))


def check_config_matches(
    workdir: Path, config: RunConfig, *, extend: bool = False
) -> None:
    """Raises UserError if `workdir` is another run's, or holds other things.

    Options that are `free` may differ; and the last step, if the run is to `extend`.
    """
    if workdir.exists() and not workdir.is_dir():
        raise UserError(f"{workdir} is a file; choose another workdir")
    names = {path.name for path in workdir.iterdir()} if workdir.exists() else set()
    # What a run leaves that was killed at its very start:
    if not names - {f"{model_files.CONFIG}.tmp", lock.FILE}:
        return
    if model_files.CONFIG not in names:
        raise UserError(
            f"{workdir} is not empty and not the workdir of a run, which has a"
            f" {model_files.CONFIG}; choose another workdir"
        )
    if model_files.is_ours(workdir) and not has_checkpoint(workdir):
        return  # nothing to lose
    there = flatten(model_files.read_config(workdir).to_dict())
    here = flatten(config.to_dict())
    for name in sorted({*here} - list_free_options(config, extend=extend)):
        if there[name] != here[name]:
            raise UserError(
                f"{workdir} holds a run of another config: {name} is {there[name]!r}"
                f" there and {here[name]!r} here; {_explain_change(name, workdir)}"
            )


def _explain_change(name: str, workdir: Path) -> str:
    """Returns how to train with another value of an option than a workdir's."""
    if name in ("train.steps", "train.epochs"):
        return "continue with extend, which gives the cosine the new length"
    shape = name.startswith("model.") and name != "model.dropout"
    if shape or not has_checkpoint(workdir):
        return "choose another workdir, or give the value that it has"
    return (
        "give the value that it has, or go on from its state in another workdir with"
        f" train.branch_from={workdir}"
    )


def check_resumable(
    workdir: Path, text_sha256: str, *, other_text: bool = False
) -> None:
    """Raises UserError if the run in `workdir` cannot be continued as it was.

    It has checkpoints of which none is whole, or of another release; or weights alone;
    or it was trained on another text.
    """
    _, metadata = read_newest(workdir)
    if metadata and "run" not in metadata["sha256"]:
        raise UserError(
            f"{workdir} holds weights alone, without the optimizer's state, and cannot"
            f" be continued; start from them with train.init_from={workdir} in another"
            " workdir"
        )
    known = metadata.get("notes", {}).get("text_sha256")
    if known and text_sha256 and known != text_sha256 and not other_text:
        raise UserError(
            f"the text has changed since the run in {workdir} started; restore it,"
            " train in another workdir, or continue on the new text with other_text"
        )


def restore_state(
    workdir: Path, state: TrainState, reporter: Reporter
) -> tuple[TrainState, dict[str, Any]]:
    """Returns the newest checkpoint's state and notes, or (state, {}) without one."""
    like = {"params": state.params, "run": state._replace(params=())}
    restored, problems = restore_newest(workdir, like)
    if problems and restored is None:
        raise UserError(f"{problems[0]}, or train in another workdir")
    for problem in problems:
        reporter.say(f"skipped: {problem}")
    if restored is None:
        return state, {}
    reporter.say(f"resumed from step {restored.step}")
    before = restored.notes.get("trained_on", {})
    now = describe_machine() | {"lstm": get_lstm_backend()}
    changes = ", ".join(
        f"{name} was {before[name]} and is {now[name]}"
        for name in now
        if before.get(name, now[name]) != now[name]
    )
    if changes:
        reporter.say(
            f"trained on another machine so far: {changes}; its losses continue as they"
            " would have, but not to the last bit"
        )
    run = TrainState(*restored.trees["run"])
    return run._replace(params=restored.trees["params"]), restored.notes
