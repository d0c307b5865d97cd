"""What a run writes down as it goes on: metrics, samples, checkpoints."""

import math
import os
import time
from pathlib import Path
from typing import Any

import jax
import numpy as np
import optax

from charlm.data.streams import Streams
from charlm.data.vocab import Vocab
from charlm.evaluation.score import evaluate
from charlm.generation.stream import sample
from charlm.model.lm import LanguageModel
from charlm.model.sharding import describe_machine
from charlm.training.losses import bits
from charlm.training.reporters import Reporter
from charlm.training.step import StepMetrics, TrainState
from charlm.workdir.checkpoints import Checkpoints
from charlm.workdir.logs import SAMPLES, log_checksums
from charlm.workdir.metrics import Metrics


class Journal:
    """Keeps metrics.jsonl, samples.txt and the checkpoints of one run.

    What it must remember between two lines (the losses since the last one, the best
    validation loss, seconds trained, how long samples.txt was) goes into the notes of
    each checkpoint, so that a resumed run writes the lines it would have written.
    """

    def __init__(
        self,
        *,
        lm: LanguageModel,
        vocab: Vocab,
        learning_rate: optax.Schedule,
        streams: Streams,
        valid: np.ndarray | None,
        workdir: Path,
        checkpoints: Checkpoints,
        reporter: Reporter,
        sample_length: int,
        sample_temperature: float,
        text_sha256: str,
        notes: dict[str, Any],
        step: int,
    ):
        self._lm, self._vocab, self._valid = lm, vocab, valid
        self._learning_rate, self._streams = learning_rate, streams
        self._checkpoints, self._reporter = checkpoints, reporter
        self._sample_length = sample_length
        self._sample_temperature = sample_temperature
        self._text_sha256 = text_sha256
        self._pending: list[float] = list(notes.get("pending", []))
        self._best: float | None = notes.get("best")
        self._seconds: float = notes.get("seconds", 0.0)
        self._resumed = time.perf_counter()
        self._since_log = [0, 0.0]  # steps and seconds of this process
        self._last: StepMetrics | None = None
        self._scored: dict[int, float] = {}  # the last validation loss, by its step
        self._workdir, self._samples = Path(workdir), Path(workdir) / SAMPLES
        self._metrics = Metrics(workdir, step=step)
        _truncate(self._samples, notes)

    def after_dispatch(
        self, step: int, steps: int, metrics: StepMetrics, spent: float
    ) -> None:
        """Takes in the metrics[k] of the k steps up to `step`, done in `spent` s."""
        count = len(metrics.nats_per_char)
        if not count:
            return
        self._pending.extend(float(nats) for nats in metrics.nats_per_char)
        self._last = jax.tree.map(lambda m: float(m[-1]), metrics)
        self._since_log[0] += count
        self._since_log[1] += spent
        nats = math.fsum(self._pending) / len(self._pending)
        self._reporter.tick(step, steps, nats, count * self._characters / spent)

    def skip(self, step: int, why: str) -> None:
        """Writes that the step after `step` was left out, and why."""
        self._metrics.write({"step": step + 1, "split": "skipped", "why": why})
        self._reporter.say(f"step {step} is skipped: {why}")

    def log(self, step: int) -> None:
        """Writes a line of training."""
        if not self._pending or self._last is None:
            return
        nats = math.fsum(self._pending) / len(self._pending)
        count, seconds = self._since_log
        record = self._record(step, "train", nats) | {
            "chars_per_second": round(count * self._characters / max(seconds, 1e-9)),
            "seconds": round(self.seconds, 3),
            "grad_norm": self._last.grad_norm,
            "max_carry": self._last.max_carry,
            "learning_rate": float(np.asarray(self._learning_rate(step - 1))),
        }
        self._metrics.write(record)
        self._reporter.record(record)
        self._pending, self._since_log = [], [0, 0.0]

    def evaluate(self, params, step: int) -> bool:
        """Scores the validation text, if there is one; says if it is the best yet."""
        if self._valid is None or len(self._valid) < 2:
            return False
        score = evaluate(
            self._lm,
            params,
            self._valid,
            streams=self._streams.batch_size,
            seq_length=self._streams.seq_length,
        )
        nats = score.nats_per_char
        record = self._record(step, "valid", nats) | {
            "worst_nats_per_char": score.worst_nats_per_char,
            "seconds": round(self.seconds, 3),
        }
        self._metrics.write(record)
        self._reporter.record(record)
        self._scored = {step: nats}
        better = self._best is None or nats < self._best
        if better:
            self._best = nats
        return better

    def sample(self, params, step: int) -> None:
        """Adds a sample to samples.txt."""
        if not self._sample_length:
            return
        [text] = sample(
            self._lm,
            params,
            self._vocab,
            length=self._sample_length,
            temperature=self._sample_temperature,
            seed=step,
        )
        at = f"step {step}, epoch {self._epoch(step):.2f}"
        nats = self._scored.get(step)
        loss = "" if nats is None else f", valid {nats:.4f} nats/char"
        head = f"=== {at}{loss}, temperature {self._sample_temperature:g} ==="
        with self._samples.open("ab") as file:
            file.write(f"{head}\n{text}\n\n".encode())
        self._reporter.sample(head, text)

    def save(self, state: TrainState, step: int) -> None:
        """Saves a checkpoint, with the notes that this journal goes on from."""
        notes = {
            "pending": self._pending,
            "best": self._best,
            "seconds": self.seconds,
            "logs": log_checksums(self._workdir),
            "text_sha256": self._text_sha256,
            "trained_on": describe_machine(),
        }
        trees = {"params": state.params, "run": state._replace(params=())}
        self._checkpoints.save(
            step, trees, notes=notes, nats_per_char=self._scored.get(step)
        )

    @property
    def seconds(self) -> float:
        """Seconds of training, those before a resume included."""
        return self._seconds + time.perf_counter() - self._resumed

    def close(self) -> None:
        """Closes what is open."""
        self._metrics.close()

    @property
    def _characters(self) -> int:
        return self._streams.batch_size * self._streams.seq_length

    def _epoch(self, step: int) -> float:
        return step / self._streams.windows

    def _record(self, step: int, split: str, nats: float) -> dict[str, Any]:
        return {
            "step": step,
            "epoch": round(self._epoch(step), 4),
            "split": split,
            "nats_per_char": nats,
            "bits_per_char": bits(nats),
        }


def _truncate(path: Path, notes: dict[str, Any]) -> None:
    """Cuts samples.txt back to what it was when the checkpoint of `notes` was saved."""
    # samples_bytes: so the first charlm noted it.
    before = notes.get("logs", {}).get(SAMPLES, [notes.get("samples_bytes", 0)])[0]
    if path.exists() and path.stat().st_size > before:
        os.truncate(path, before)
