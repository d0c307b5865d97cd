"""The small run that the campaigns disturb."""

import random
from pathlib import Path
from typing import Any, NamedTuple

from experiments.faults.children import ROOT, Exit, run_door
from experiments.faults.outcome import read_result

WORDS = ["the cat ", "sat on ", "a mat.\n", "The dog ", "ran to ", "the sea.\n"]
OPTIONS = {
    "model.features": 16,
    "model.layers": 1,
    "train.batch_size": 4,
    "train.seq_length": 10,
    "train.sample_length": 20,
    "optim.schedule": "constant",
}


class Plan(NamedTuple):
    """A run: the path of its text, and its options by their names in the config."""

    text: Path
    options: dict[str, object]

    def make_flags(self, workdir: Path, **changes: object) -> list[str]:
        """Returns the flags of charlm.train.

        Args:
          workdir: of the run.
          changes: options that differ, with __ for dots.
        """
        options = OPTIONS | self.options
        options |= {name.replace("__", "."): value for name, value in changes.items()}
        return [
            f"--config={ROOT}/configs/text.py",
            f"--config.data.path={self.text}",
            f"--workdir={workdir}",
            *(f"--config.{name}={value}" for name, value in options.items()),
        ]

    def train(self, workdir: Path, **changes: object) -> Exit:
        """Runs charlm.train to its end; the arguments are those of `make_flags`."""
        return run_door("train", *self.make_flags(workdir, **changes))

    def train_undisturbed(self, workdir: Path) -> dict[str, Any]:
        """Runs charlm.train without a fault, and returns the result of the run."""
        end = self.train(workdir)
        if end.status:
            raise SystemExit(f"the undisturbed run fails: {end.err}")
        return read_result(workdir)


def write_text(path: Path, length: int = 20_000, seed: int = 0) -> Path:
    """Writes a text of words in a random order, and returns its path."""
    rng = random.Random(seed)
    words = rng.choices(WORDS, k=length // 4)
    path.write_text("".join(words)[:length])
    return path


def make_options(
    log_every: int, checkpoint_every: int, steps: int, **more: object
) -> dict[str, object]:
    """Returns options; the run scores and samples at every second checkpoint."""
    return {
        "train.steps": steps,
        "train.log_every": log_every,
        "train.checkpoint_every": checkpoint_every,
        "train.eval_every": 2 * checkpoint_every,
        "train.sample_every": 2 * checkpoint_every,
        **more,
    }
