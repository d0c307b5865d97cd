"""The line that a person watches."""

import contextlib
import sys
import time
from collections.abc import Callable
from typing import Any, NamedTuple

from charlm.training.losses import bits

Record = dict[str, Any]


class Reporter(NamedTuple):
    """What a person is told of a run, and how; these defaults keep silent.

    Attributes:
      tick: (step, steps, nats, chars_per_second), after every dispatch; nats is the
        mean loss since the last line of training.
      record: (a line of metrics.jsonl).
      sample: (head, text) of a sample drawn on the way.
      say: (anything else).
      close: (), when nothing more will come.
    """

    tick: Callable[[int, int, float, float], None] = lambda *_: None
    record: Callable[[Record], None] = lambda _: None
    sample: Callable[[str, str], None] = lambda *_: None
    say: Callable[[str], None] = lambda _: None
    close: Callable[[], None] = lambda: None


def make_reporter() -> Reporter:
    """The reporter for where standard error goes: a terminal, or not."""
    return rich_reporter() if sys.stderr.isatty() else plain_reporter()


def plain_reporter() -> Reporter:
    """Plain lines on standard error, for files and pipes."""

    def say(text):
        # Training goes on when whoever read the lines (`| head`) has gone.
        with contextlib.suppress(BrokenPipeError):
            print(text, file=sys.stderr, flush=True)

    return Reporter(record=lambda record: say(line_of(record)), say=say)


def rich_reporter() -> Reporter:
    """A progress line on a terminal, the records and samples passing above it."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn
    from rich.text import Text

    console = Console(stderr=True, highlight=False)
    progress = Progress(
        TextColumn("step {task.completed:,}/{task.total:,}"),
        BarColumn(bar_width=24),
        TextColumn("{task.fields[line]}"),
        console=console,
        refresh_per_second=4,
    )
    task = progress.add_task("", total=1, line="")
    progress.start()
    began: list[tuple[float, int]] = []

    def tick(step, steps, nats, rate):
        now = time.perf_counter()
        if not began:  # the first dispatch compiles: the time left is told without it
            began.append((now, step))
        [(since, first)] = began
        left = (now - since) / (step - first) * (steps - step) if step > first else None
        line = (
            f"{nats:.3f} nats/char  {bits(nats):.3f} bits/char"
            f"  {rate / 1000:,.1f}k chars/s  {clock(left)} left"
        )
        progress.update(task, completed=step, total=steps, line=line)

    def record(record):
        if record["split"] != "train":
            say(line_of(record))

    def sample(head, text):
        say(head, style="bold")
        say(text, style="dim")

    def say(text, style=""):
        # A Text has its style to itself; print's would colour the progress line too.
        console.print(Text(text, style), soft_wrap=True)

    return Reporter(tick, record, sample, say, progress.stop)


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
