"""How a run ended, or was left, and the line that says so."""

from pathlib import Path
from typing import NamedTuple

from charlm.training.build import Run
from charlm.training.step import TrainState
from charlm.workdir.metrics import read_metrics


class Ending(NamedTuple):
    """How a run ended, or was left."""

    state: TrainState
    reason: str  # "steps", "patience"; to be continued: "minutes", "asked"

    @property
    def is_final(self) -> bool:
        """Whether the same command would train no further."""
        return self.reason in ("steps", "patience")


def describe_ending(run: Run, ending: Ending, workdir: Path, *, again: str) -> str:
    """Returns how a run ended, in a line; `again` is what continues it."""
    step = int(ending.state.step)
    if not ending.is_final:
        why = " after train.minutes" if ending.reason == "minutes" else ""
        return (
            f"stopped{why} at step {step:,} of {run.steps:,} and saved; {again} goes on"
        )
    line = f"done: {step:,} steps in {workdir}"
    if ending.reason == "patience":
        line += f", the last {run.config.train.patience} validations no better"
    losses = [
        (record["nats_per_char"], record["step"])
        for record in read_metrics(workdir)
        if record.get("split") == "valid"
        and isinstance(record.get("nats_per_char"), float)
    ]
    if losses:
        (best, best_step), (last, last_step) = min(losses), losses[-1]
        line += f"; validation loss {best:.4f} at step {best_step:,}, the best"
        if last_step != best_step:
            line += f", and {last:.4f} at step {last_step:,}, the last"
    return line
