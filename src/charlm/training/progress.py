"""The line that a person watches."""

import contextlib
import sys
import time
from typing import Any

from charlm.training.objective import bits

Record = dict[str, Any]


class Reporter:
    """Is told how a run goes; this one keeps silent."""

    def tick(self, step: int, steps: int, nats: float, rate: float) -> None:
        """After every dispatch: the mean loss since the last line, characters/s."""

    def record(self, record: Record) -> None:
        """A line of metrics.jsonl."""

    def sample(self, head: str, text: str) -> None:
        """A sample drawn on the way."""

    def say(self, text: str) -> None:
        """Anything else."""

    def close(self) -> None:
        """Nothing more will come."""


class PlainReporter(Reporter):
    """Plain lines on standard error, for files and pipes."""

    def record(self, record: Record) -> None:
        self.say(line_of(record))

    def say(self, text: str) -> None:
        # Training goes on when whoever read the lines (`| head`) has gone.
        with contextlib.suppress(BrokenPipeError):
            print(text, file=sys.stderr, flush=True)


class RichReporter(Reporter):
    """A progress line on a terminal, the records and samples passing above it."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn

        self._console = Console(stderr=True, highlight=False)
        self._progress = Progress(
            TextColumn("step {task.completed:,}/{task.total:,}"),
            BarColumn(bar_width=24),
            TextColumn("{task.fields[line]}"),
            console=self._console,
            refresh_per_second=4,
        )
        self._task = self._progress.add_task("", total=1, line="")
        self._progress.start()
        self._began: tuple[float, int] | None = None

    def tick(self, step: int, steps: int, nats: float, rate: float) -> None:
        now = time.perf_counter()
        # The first dispatch compiles: the time left is told from those after it.
        began, first = self._began = self._began or (now, step)
        left = (now - began) / (step - first) * (steps - step) if step > first else None
        line = (
            f"{nats:.3f} nats/char  {bits(nats):.3f} bits/char"
            f"  {rate / 1000:,.1f}k chars/s  {clock(left)} left"
        )
        self._progress.update(self._task, completed=step, total=steps, line=line)

    def record(self, record: Record) -> None:
        if record["split"] != "train":
            self.say(line_of(record))

    def sample(self, head: str, text: str) -> None:
        self._console.print(head, style="bold", markup=False)
        self._console.print(text, style="dim", markup=False)

    def say(self, text: str) -> None:
        self._console.print(text, markup=False)

    def close(self) -> None:
        self._progress.stop()


def make_reporter() -> Reporter:
    """The reporter for where standard error goes: a terminal, or not."""
    return RichReporter() if sys.stderr.isatty() else PlainReporter()


def line_of(record: Record) -> str:
    """A record as a line of text."""
    words = [
        f"step {record['step']}",
        f"epoch {record['epoch']:.2f}",
        record["split"],
        f"{record['nats_per_char']:.4f} nats/char",
        f"{record['bits_per_char']:.4f} bits/char",
    ]
    if "worst_nats_per_char" in record:
        words.append(f"worst stream {record['worst_nats_per_char']:.4f}")
    if "chars_per_second" in record:
        words.append(f"{record['chars_per_second'] / 1000:,.1f}k chars/s")
    words.append(f"{clock(record['seconds'])}")
    return "  ".join(words)


def clock(seconds: float | None) -> str:
    """Seconds as 0:07, 1:02:03 or 2d 03:04:05; unknown as --:--."""
    if seconds is None:
        return "--:--"
    whole = int(seconds)
    days, rest = divmod(whole, 86400)
    hours, rest = divmod(rest, 3600)
    minutes, rest = divmod(rest, 60)
    if days:
        return f"{days}d {hours:02}:{minutes:02}:{rest:02}"
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
