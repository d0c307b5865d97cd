"""progress_bar(label): a bar on a terminal; elsewhere nothing."""

import contextlib
import sys
from collections.abc import Callable, Iterator
from typing import Literal


@contextlib.contextmanager
def progress_bar(
    label: str, *, unit: Literal["bytes", "pages"] = "bytes"
) -> Iterator[Callable[[int, int], None]]:
    """Gives on_progress(done, total), which moves the bar. At the end it disappears.

    Args:
      label: the words before the bar.
      unit: of `done` and `total`.
    """
    if not sys.stderr.isatty():
        yield lambda done, total: None
        return
    from rich import console
    from rich import progress as rich

    columns = {
        "bytes": (rich.DownloadColumn(), rich.TransferSpeedColumn()),
        "pages": (rich.MofNCompleteColumn(), rich.TimeRemainingColumn()),
    }[unit]
    stderr = console.Console(stderr=True)
    columns = (rich.TextColumn("{task.description}"), rich.BarColumn(), *columns)
    with rich.Progress(*columns, console=stderr, transient=True) as bar:
        task = bar.add_task(label, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)
