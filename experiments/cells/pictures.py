"""A stretch of text coloured by a unit, as the post shows its cells."""

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

from charlm.interpret.labels.labels import Label
from experiments.report import replace_controls

COLUMNS, LINES = 96, 11
CELL = (0.088, 0.19)  # inches of a character: width, height
# Blue where the unit is low, green where it is high, as in the post; the middle is
# pale, and the ends differ in lightness, so that colour-blind readers see it too.
LOW, MIDDLE, HIGH = np.asarray(
    [[0.29, 0.44, 0.80], [0.97, 0.97, 0.95], [0.35, 0.80, 0.42]]
)


def laid_out(text: str) -> list[tuple[int, int]]:
    """The row and the column of each character, in lines of COLUMNS."""
    places, row, column = [], 0, 0
    for character in text:
        if column == COLUMNS:
            row, column = row + 1, 0
        places.append((row, column))
        column += 8 - column % 8 if character == "\t" else 1
        if character == "\n":
            row, column = row + 1, 0
    return places


def stretch(text: str, label: Label, begin: int) -> slice:
    """LINES lines of the text from `begin` on, where the label changes most."""
    values = (
        np.where(label.where, label.values, 0)
        if label.where is not None
        else label.values
    )
    starts = [n + 1 for n, c in enumerate(text) if c == "\n" and n >= begin]
    room = COLUMNS * LINES
    starts = [start for start in starts if start + room < len(text)] or [begin]

    def changes(start: int) -> float:
        rows = [row for row, _ in laid_out(text[start : start + room])]
        within = values[start : start + sum(row < LINES for row in rows)]
        return float(within.std()) if len(within) > room // 5 else -1.0

    few = starts[:: max(1, len(starts) // 400)]
    start = max(few, key=changes)
    rows = [row for row, _ in laid_out(text[start : start + room])]
    return slice(start, start + sum(row < LINES for row in rows))


def draw_text(
    path: Path, text: str, values: np.ndarray, *, ends: tuple[float, float], title: str
) -> None:
    """The text, each character on the colour of its value.

    Args:
      path: of the picture.
      text: to be shown.
      values: values[t] of a unit.
      ends: the values that are quite blue and quite green.
      title: over it.
    """
    low, high = ends
    shares = np.clip((values - low) / max(high - low, 1e-6), 0, 1)
    places = laid_out(text)
    rows = 1 + max(row for row, _ in places)
    width, height = COLUMNS * CELL[0], (rows + 1.6) * CELL[1]
    figure = plt.figure(figsize=(width, height))
    axes = figure.add_axes((0, 0, 1, rows / (rows + 1.6)))
    axes.set(xlim=(0, COLUMNS), ylim=(rows, 0))
    axes.axis("off")
    for character, share, (row, column) in zip(text, shares, places, strict=True):
        wide = 8 - column % 8 if character == "\t" else 1
        axes.add_patch(
            plt.Rectangle((column, row), wide, 1, color=colour(share), linewidth=0)
        )
        shown = replace_controls(character).strip("\n\t ")
        if shown:
            # The font has Latin letters; what it lacks is a dot.
            shown = shown if ord(shown) < 0x250 else "·"
            axes.text(
                column + 0.5,
                row + 0.54,
                shown.replace("$", r"\$"),
                family="monospace",
                fontsize=9,
                ha="center",
                va="center",
            )
    figure.text(0.004, 1 - 0.75 / (rows + 1.6), title, fontsize=10, va="center")
    figure.savefig(path, dpi=110, facecolor="white")
    plt.close(figure)


def colour(share: float) -> tuple:
    """From blue at 0 by pale to green at 1."""
    ends = (LOW, MIDDLE) if share < 0.5 else (MIDDLE, HIGH)
    part = 2 * share if share < 0.5 else 2 * share - 1
    return tuple((1 - part) * ends[0] + part * ends[1])
