"""The live display of a run in a notebook: progress, losses, the latest sample."""

import html
import math
import time
from collections.abc import Callable, Iterable, Mapping, Sequence

from charlm.training.reporters import Record, Reporter, make_progress_line

INTERVAL = 0.25  # seconds between two updates, at least
# Of the curves; readable on white and on black.
COLORS = {"train": "#3b82f6", "valid": "#e8590c"}
WIDTH, HEIGHT = 480, 140  # of the picture of the curves, in pixels
LEFT, RIGHT, TOP, BOTTOM = 44, 472, 20, 120  # of its axes
MAX_POINTS = 200  # of a curve
Point = tuple[int, float]  # step, loss


def make_notebook_reporter(records: Iterable[Record] = ()) -> Reporter:
    """Returns a reporter of one display in a notebook, and printed lines.

    Args:
      records: of the run so far, whose losses are in the curves.
    """
    from IPython.display import DisplayHandle

    handle = DisplayHandle()
    is_shown = False

    def update(text: str, page: str) -> None:
        nonlocal is_shown
        show = handle.update if is_shown else handle.display
        show({"text/plain": text, "text/html": page}, raw=True)
        is_shown = True

    display = Display(update, records)
    return Reporter(
        tick=display.tick,
        record=display.record,
        sample=display.sample,
        say=print,
        close=display.close,
    )


class Display:
    """What a notebook shows of a run, as text and as HTML."""

    def __init__(self, update: Callable[[str, str], None], records: Iterable[Record]):
        """Takes update(text, html), and the records of the run so far."""
        self._update, self._next_update, self._is_stale = update, 0.0, False
        self._describe = make_progress_line()
        self._line, self._step, self._steps = "", 0, 1
        self._title = self._sample = ""
        self._curves: dict[str, list[Point]] = {split: [] for split in COLORS}
        for record in records:
            self._add(record)

    def tick(self, step: int, steps: int, nats: float, rate: float) -> None:
        """Shows the progress line."""
        self._step, self._steps = step, steps
        progress = self._describe(step, steps, nats, rate)
        self._line = f"step {step:,}/{steps:,}  {progress}"
        self._refresh()

    def record(self, record: Record) -> None:
        """Adds a loss to the curves."""
        self._add(record)
        self._refresh()

    def sample(self, title: str, text: str) -> None:
        """Shows a sample in place of the last one."""
        self._title, self._sample = title, text
        self._refresh()

    def close(self) -> None:
        """Shows what is not shown yet."""
        if self._is_stale:
            self._update(self._make_text(), self._make_html())
        self._is_stale = False

    def _refresh(self) -> None:
        """Updates what is shown, unless it was updated just now."""
        self._is_stale = True
        if time.perf_counter() >= self._next_update:
            self.close()
            self._next_update = time.perf_counter() + INTERVAL

    def _add(self, record: Record) -> None:
        split, nats = record.get("split"), record.get("nats_per_char")
        if split not in [*COLORS] or not isinstance(nats, float):
            return
        curve = self._curves[split]
        while curve and curve[-1][0] >= record["step"]:  # of before a resume
            curve.pop()
        if math.isfinite(nats):
            curve.append((record["step"], nats))

    def _make_text(self) -> str:
        lines = [self._line, self._title, self._sample]
        if self._curves["valid"]:
            step, nats = self._curves["valid"][-1]
            lines.insert(1, f"validation {nats:.4f} nats/char at step {step:,}")
        return "\n".join(filter(None, lines))

    def _make_html(self) -> str:
        line, title, sample = map(html.escape, (self._line, self._title, self._sample))
        sample_style = "white-space: pre-wrap; max-height: 16em; overflow: auto"
        return (
            f'<progress value="{self._step}" max="{self._steps}"'
            f' style="width: {WIDTH}px; max-width: 100%"></progress>'
            f'<div style="white-space: pre-wrap">{line}</div>'
            f"{draw_curves(self._curves, self._steps)}"
            f'<div>{title}</div><pre style="{sample_style}">{sample}</pre>'
        )


def draw_curves(curves: Mapping[str, Sequence[Point]], steps: int) -> str:
    """Returns the curves of a run of so many steps as an SVG image; "" of no points."""
    points = [point for curve in curves.values() for point in curve]
    if not points:
        return ""
    end = max(steps, *(step for step, _ in points))
    losses = [nats for _, nats in points]
    low, high = min(losses), max(losses)

    def place(point: Point) -> tuple[float, float]:
        x = LEFT + (RIGHT - LEFT) * point[0] / end
        y = BOTTOM - (BOTTOM - TOP) * (point[1] - low) / ((high - low) or 1)
        return round(x, 1), round(y, 1)

    label = '<text x="{}" y="{}" text-anchor="{}">{}</text>'.format
    parts = [
        label(LEFT - 4, TOP + 4, "end", f"{high:.2f}"),
        label(LEFT - 4, BOTTOM + 4, "end", f"{low:.2f}"),
        label(LEFT, 12, "start", "nats/char"),
        label(LEFT, HEIGHT - 4, "start", "step 0"),
        label(RIGHT, HEIGHT - 4, "end", f"{end:,}"),
        f'<path d="M{LEFT} {TOP}V{BOTTOM}H{RIGHT}" fill="none" stroke="currentColor"'
        ' stroke-opacity="0.4"/>',
    ]
    for number, (split, curve) in enumerate(curves.items()):
        if curve:
            stride = math.ceil(len(curve) / MAX_POINTS)
            placed = [place(point) for point in [*curve[:-1:stride], curve[-1]]]
            line, (x, y) = " ".join(f"{x},{y}" for x, y in placed), placed[-1]
            parts.append(
                f'<g fill="{COLORS[split]}" stroke="{COLORS[split]}"><polyline'
                f' points="{line}" fill="none" stroke-width="1.5"/>'
                f'<circle cx="{x}" cy="{y}" r="2"/></g><g fill="{COLORS[split]}">'
                + label(RIGHT - 110 * number, 12, "end", f"{split} {curve[-1][1]:.4f}")
                + "</g>"
            )
    return (
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}"'
        ' style="display: block; max-width: 100%" fill="currentColor" role="img"'
        ' font-size="11" font-family="sans-serif"'
        ' aria-label="loss in nats per character, by step">'
        f"<title>loss in nats per character, by step</title>{''.join(parts)}</svg>"
    )
