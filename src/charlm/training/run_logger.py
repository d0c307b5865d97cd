"""What a run writes as it goes on: metrics, samples, checkpoints."""

import time
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

from charlm.errors import UserError
from charlm.evaluation.score import score
from charlm.generation.generate import SamplingParams, generate
from charlm.model.recurrence import get_lstm_backend
from charlm.model.sharding import describe_machine
from charlm.training.build import Run
from charlm.training.reporters import Reporter
from charlm.training.step import StepMetrics, TrainState, nats_to_bits
from charlm.workdir import checkpoints
from charlm.workdir.metadata import FOLDER, list_steps
from charlm.workdir.metrics import Logs


class LogState(NamedTuple):
    """What must be remembered between two lines of a log; each checkpoint has it whole.

    Losses are float32, so that their sum in float64 is exact.
    """

    loss_sum: float = 0.0  # of the losses since the last line of training
    loss_count: int = 0
    best: float | None = None  # validation loss
    seconds: float = 0.0  # trained so far
    skips_in_a_row: int = 0  # steps skipped since the last one that was taken
    worse_in_a_row: int = 0  # validations since the best one

    @classmethod
    def from_notes(cls, notes: dict[str, Any]) -> "LogState":
        """Returns the state in a checkpoint's notes, also of release 0.1."""
        try:
            losses = notes.get("pending", [])
            old = {"loss_sum": sum(losses), "loss_count": len(losses)} | notes
            state = old | notes.get("log", {})
            values: dict[str, Any] = {}
            for name, default in cls._field_defaults.items():
                value = state.get(name, default)
                kind: Any = int if isinstance(default, int) else float
                is_unknown = value is None and default is None
                values[name] = None if is_unknown else kind(value)
            return cls(**values)
        except (TypeError, ValueError, AttributeError, OverflowError) as error:
            raise UserError(
                "the notes of the newest checkpoint are not what charlm writes; remove"
                " that checkpoint, or train in another workdir"
            ) from error


class RunLogger:
    """Writes metrics.jsonl, samples.txt and the checkpoints of one run.

    A resumed run writes the lines that it would have written: it goes on from the notes
    of the checkpoint of `step`, and lines of later steps are removed.
    """

    def __init__(self, run: Run, workdir: Path, reporter: Reporter, notes, step: int):
        self.state = LogState.from_notes(notes)
        self._run, self._workdir, self._reporter = run, workdir, reporter
        self._start = time.perf_counter() - self.state.seconds
        self._timing = (0, 0.0)  # steps and seconds since the last line
        self._last: StepMetrics | None = None
        self._valid_loss: dict[int, float] = {}  # the last one, by its step
        # More than these options keep were kept on purpose.
        self._keep, steps = run.config.train.keep, list_steps(workdir / FOLDER)
        self._protected = steps if len(steps) > self._keep + 1 else []
        self._logs = Logs(workdir, step=step)
        self.close = self._logs.close

    def add_steps(self, step: int, metrics: StepMetrics, seconds: float) -> None:
        """Adds metrics[k] of the k steps up to `step`, which took `seconds`."""
        count = len(metrics.nats_per_char)
        if not count:
            return
        state = self.state
        self.state = state._replace(
            loss_sum=state.loss_sum + sum(map(float, metrics.nats_per_char)),
            loss_count=state.loss_count + count,
        )
        self._last = jax.tree.map(lambda values: float(values[-1]), metrics)
        self._timing = (self._timing[0] + count, self._timing[1] + seconds)
        rate = self._compute_rate(count, seconds)
        self._reporter.tick(step, self._run.steps, self._mean_loss, rate)

    def count_skips(self, step: int, reason: str) -> None:
        """Notes that the step after `step` was taken, or with a reason was skipped."""
        skips = self.state.skips_in_a_row + 1 if reason else 0
        self.state = self.state._replace(skips_in_a_row=skips)
        if reason:
            self._logs.write({"step": step + 1, "split": "skipped", "why": reason})
            self._reporter.say(f"step {step} is skipped: {reason}")

    def log(self, step: int) -> None:
        """Writes a line of training."""
        if not self.state.loss_count or self._last is None:
            return
        values = {
            "chars_per_second": round(self._compute_rate(*self._timing)),
            "seconds": round(self.seconds, 3),
            "grad_norm": self._last.grad_norm,
            "max_carry": self._last.max_carry,
        }
        if self._run.learning_rate is not None:
            learning_rate = self._run.learning_rate(step - 1)
            values["learning_rate"] = float(np.asarray(learning_rate))
        self._write(step, "train", self._mean_loss, values)
        self.state = self.state._replace(loss_sum=0.0, loss_count=0)
        self._timing = (0, 0.0)

    def evaluate(self, params: Any, step: int) -> bool:
        """Scores the validation text, if any; returns whether it is the best yet."""
        run = self._run
        if len(run.valid) < 2:
            return False
        size = {"streams": run.streams.batch_size, "seq_length": run.streams.seq_length}
        result = score(run.lm, params, run.valid, **size)
        nats, worst = result.nats_per_char, result.worst_nats_per_char
        values = {"worst_nats_per_char": worst, "seconds": round(self.seconds, 3)}
        self._write(step, "valid", nats, values)
        self._valid_loss = {step: nats}
        is_best = self.state.best is None or nats < self.state.best
        worse = 0 if is_best else self.state.worse_in_a_row + 1
        best = nats if is_best else self.state.best
        self.state = self.state._replace(best=best, worse_in_a_row=worse)
        return is_best

    def sample(self, params: Any, step: int) -> None:
        """Adds a sample to samples.txt."""
        train = self._run.config.train
        if not train.sample_length:
            return
        text = generate(
            (self._run.lm, params, self._run.vocab),
            length=train.sample_length,
            sampling=SamplingParams(train.sample_temperature),
            seed=step,
        )
        title = f"step {step}, epoch {self._epoch(step):.2f}"
        if step in self._valid_loss:
            title += f", valid {self._valid_loss[step]:.4f} nats/char"
        title += f", temperature {train.sample_temperature:g}"
        self._logs.write_sample(title, text)
        self._reporter.sample(f"=== {title} ===", text)

    def save(self, state: TrainState, step: int) -> None:
        """Saves a checkpoint, with the notes that a resumed run goes on from."""
        self.state = self.state._replace(seconds=self.seconds)
        notes = {
            "log": self.state._asdict(),
            "text_sha256": self._run.text_sha256,
            "trained_on": describe_machine() | {"lstm": get_lstm_backend()},
        }
        trees = {"params": state.params, "run": state._replace(params=())}
        nats = self._valid_loss.get(step)
        checkpoints.save(
            self._workdir,
            step,
            trees,
            notes=notes,
            nats_per_char=nats,
            keep=self._keep,
            protected=self._protected,
        )

    @property
    def out_of_patience(self) -> bool:
        """Whether the last validations, train.patience of them, were no better."""
        patience = self._run.config.train.patience
        return 0 < patience <= self.state.worse_in_a_row

    @property
    def seconds(self) -> float:
        """Seconds of training, with those before a resume."""
        return time.perf_counter() - self._start

    def _compute_rate(self, steps: int, seconds: float) -> float:
        """Returns characters per second."""
        streams = self._run.streams
        chars = steps * (streams.batch_size * streams.seq_length)
        return chars / max(seconds, 1e-9)

    @property
    def _mean_loss(self) -> float:
        return self.state.loss_sum / self.state.loss_count

    def _epoch(self, step: int) -> float:
        return step / self._run.streams.steps_per_epoch

    def _write(self, step: int, split: str, nats: float, values: dict[str, Any]):
        record = {
            "step": step,
            "epoch": round(self._epoch(step), 4),
            "split": split,
            "nats_per_char": nats,
            "bits_per_char": nats_to_bits(nats),
        } | values
        self._logs.write(record)
        self._reporter.record(record)
