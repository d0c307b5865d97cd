"""progress(what): a bar on a terminal for what takes long; elsewhere nothing."""

import contextlib
import sys
from collections.abc import Callable, Iterator
from typing import Literal


@contextlib.contextmanager
def progress(
    what: str, *, unit: Literal["bytes", "pages"] = "bytes"
) -> Iterator[Callable[[int, int], None]]:
    """Gives show(done, total), which moves the bar; it is gone at the end.

    Args:
      what: the words before the bar.
      unit: of `done` and `total`.
    """
    if not sys.stderr.isatty():
        yield lambda done, total: None
        return
    from rich import console
    from rich import progress as bars

    count = {
        "bytes": (bars.DownloadColumn(), bars.TransferSpeedColumn()),
        "pages": (bars.MofNCompleteColumn(), bars.TimeRemainingColumn()),
    }
    columns = (bars.TextColumn("{task.description}"), bars.BarColumn(), *count[unit])
    err = console.Console(stderr=True)
    with bars.Progress(*columns, console=err, transient=True) as bar:
        task = bar.add_task(what, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)
