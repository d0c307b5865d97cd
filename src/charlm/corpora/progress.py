"""progress_bar(label): a bar on a terminal; elsewhere nothing."""

import contextlib
import sys
from collections.abc import Callable, Iterator

from rich import progress as rich
from rich.console import Console


@contextlib.contextmanager
def progress_bar(
    label: str, *, in_bytes: bool = True
) -> Iterator[Callable[[int, int], None]]:
    """Gives on_progress(done, total), which moves the bar. At the end it disappears."""
    units = [rich.DownloadColumn(), rich.TransferSpeedColumn()]
    if not in_bytes:
        units = [rich.MofNCompleteColumn(), rich.TimeRemainingColumn()]
    with rich.Progress(
        *(rich.TextColumn("{task.description}"), rich.BarColumn(), *units),
        console=Console(stderr=True),
        transient=True,
        disable=not sys.stderr.isatty(),
    ) as bar:
        task = bar.add_task(label, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)
