"""The small run that the campaigns disturb, and what it makes undisturbed."""

import random
from pathlib import Path
from typing import NamedTuple

from doors import ROOT, Done, run
from outcome import result_of

WORDS = ["the cat ", "sat on ", "a mat.\n", "The dog ", "ran to ", "the sea.\n"]
SMALL = {
    "model.features": 16,
    "model.layers": 1,
    "train.batch_size": 4,
    "train.seq_length": 10,
    "train.sample_length": 20,
    "optim.schedule": "constant",
}


class Plan(NamedTuple):
    """A run: where its text is, and its knobs."""

    text: Path
    knobs: dict[str, object]

    def flags(self, workdir: Path, **changes: object) -> list[str]:
        knobs = SMALL | self.knobs
        knobs |= {name.replace("__", "."): value for name, value in changes.items()}
        return [
            f"--config={ROOT}/configs/text.py",
            f"--config.data.path={self.text}",
            f"--workdir={workdir}",
            *(f"--config.{name}={value}" for name, value in knobs.items()),
        ]

    def train(self, workdir: Path, **changes: object) -> Done:
        return run("train", *self.flags(workdir, **changes))


def made_text(path: Path, length: int = 20_000, seed: int = 0) -> Path:
    """A text of words in a random order."""
    draw = random.Random(seed)
    words = draw.choices(WORDS, k=length // 4)
    path.write_text("".join(words)[:length])
    return path


def every(log: int, checkpoint: int, steps: int, **more: object) -> dict[str, object]:
    """Knobs: how often to log and to save, and how long to train."""
    return {
        "train.steps": steps,
        "train.log_every": log,
        "train.checkpoint_every": checkpoint,
        "train.eval_every": 2 * checkpoint,
        "train.sample_every": 2 * checkpoint,
        **more,
    }


def undisturbed(plan: Plan, workdir: Path) -> dict[str, object]:
    """The result of a plan to which nothing happens."""
    done = plan.train(workdir)
    if done.status:
        raise SystemExit(f"the undisturbed run fails: {done.err}")
    return result_of(workdir)
