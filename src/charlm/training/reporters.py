"""Reporters: what a person sees of a run, in a terminal, a notebook or a file."""

import errno
import sys
import time
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from charlm.training.step import nats_to_bits

Record = dict[str, Any]


class Reporter(NamedTuple):
    """Callbacks that show a person what a run does. The defaults show nothing."""

    # (step, steps, nats, chars_per_second), after every dispatch; nats is the mean loss
    # since the last line of training.
    tick: Callable[[int, int, float, float], None] = lambda *_: None
    record: Callable[[Record], None] = lambda _: None  # a line of metrics.jsonl
    sample: Callable[[str, str], None] = lambda *_: None  # (title, text)
    say: Callable[[str], None] = lambda _: None  # (text), anything else
    close: Callable[[], None] = lambda: None  # at the end


def make_reporter(records: Iterable[Record] = ()) -> Reporter:
    """Returns the reporter for a notebook, a terminal, or a file or pipe.

    Args:
      records: of the run so far, of which a notebook shows the losses.
    """
    if is_notebook():
        from charlm.training.notebook import make_notebook_reporter

        return make_notebook_reporter(records)
    return make_rich_reporter() if sys.stderr.isatty() else make_plain_reporter()


def is_notebook() -> bool:
    """Returns whether this code runs in a cell of Jupyter or Colab."""
    ipython = sys.modules.get("IPython")
    shell = ipython and ipython.get_ipython()
    return getattr(shell, "kernel", None) is not None


def make_plain_reporter() -> Reporter:
    """Returns a reporter of plain lines on standard error."""

    def say(text):
        # Training goes on when the reader of the lines (`| head`) has gone.
        try:
            print(text, file=sys.stderr, flush=True)
        except OSError as error:
            if error.errno not in (errno.EPIPE, errno.EINVAL):  # Windows says EINVAL
                raise

    return Reporter(record=lambda record: say(format_record(record)), say=say)


def make_rich_reporter() -> Reporter:
    """Returns a progress line on a terminal, with records and samples above it."""
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
    describe = make_progress_line()

    def tick(step, steps, nats, rate):
        line = describe(step, steps, nats, rate)
        progress.update(task, completed=step, total=steps, line=line)

    def record(record):
        if record["split"] != "train":
            say(format_record(record))

    def sample(title, text):
        say(title, style="bold")
        say(text, style="dim")

    def say(text, style=""):
        # A Text has a style of its own; print's would color the progress line too.
        console.print(Text(text, style), soft_wrap=True)

    return Reporter(tick, record, sample, say, close=progress.stop)


def make_progress_line() -> Callable[[int, int, float, float], str]:
    """Returns a function of tick's arguments that says loss, speed and time left."""
    start: tuple[float, int] | None = None

    def describe(step, steps, nats, rate):
        nonlocal start
        now, left = time.perf_counter(), None
        # The first dispatch compiles, so it does not count.
        start_time, first = start = start or (now, step)
        if step > first:
            left = (now - start_time) / (step - first) * (steps - step)
        return (
            f"{nats:.3f} nats/char  {nats_to_bits(nats):.3f} bits/char"
            f"  {rate / 1000:,.1f}k chars/s  {format_seconds(left)} left"
        )

    return describe


def format_record(record: Record) -> str:
    """Returns a record as a line of text."""
    line = (
        "step {step}  epoch {epoch:.2f}  {split}  {nats_per_char:.4f} nats/char"
        "  {bits_per_char:.4f} bits/char"
    ).format_map(record)
    if "worst_nats_per_char" in record:
        line += f"  worst stream {record['worst_nats_per_char']:.4f}"
    if "chars_per_second" in record:
        line += f"  {record['chars_per_second'] / 1000:,.1f}k chars/s"
    return f"{line}  {format_seconds(record['seconds'])}"


def format_seconds(seconds: float | None) -> str:
    """Returns seconds as 0:07, 1:02:03 or 2d 03:04:05; None as --:--."""
    if seconds is None:
        return "--:--"
    days, rest = divmod(int(seconds), 86400)
    hours, rest = divmod(rest, 3600)
    minutes, rest = divmod(rest, 60)
    if days:
        return f"{days}d {hours:02}:{minutes:02}:{rest:02}"
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
