"""A passage of text colored by a unit, as the post shows its cells."""

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

from charlm.interpret.labels.labels import Label
from experiments.report import replace_controls

COLUMNS, LINES = 96, 11
TAB_WIDTH = 8
CHARACTER_SIZE = (0.088, 0.19)  # width and height in inches
# Blue where the unit is low, green where it is high, as in the post. The middle is
# pale, and the ends differ in lightness, so that color-blind readers see it too.
LOW, MIDDLE, HIGH = np.asarray(
    [[0.29, 0.44, 0.80], [0.97, 0.97, 0.95], [0.35, 0.80, 0.42]]
)


def lay_out(text: str) -> list[tuple[int, int]]:
    """Returns the row and the column of each character, in lines of COLUMNS."""
    cells, row, column = [], 0, 0
    for character in text:
        if column == COLUMNS:
            row, column = row + 1, 0
        cells.append((row, column))
        column += TAB_WIDTH - column % TAB_WIDTH if character == "\t" else 1
        if character == "\n":
            row, column = row + 1, 0
    return cells


def choose_passage(text: str, label: Label, begin: int) -> slice:
    """Returns LINES lines of the text from `begin` on, where the label varies most."""
    is_defined = True if label.where is None else label.where
    values = np.where(is_defined, label.values, 0)
    size = COLUMNS * LINES
    starts = [n + 1 for n, c in enumerate(text) if c == "\n" and n >= begin]
    starts = [start for start in starts if start + size < len(text)] or [begin]

    def get_passage(start: int) -> slice:
        cells = lay_out(text[start : start + size])
        return slice(start, start + sum(row < LINES for row, _ in cells))

    def get_variation(start: int) -> float:
        part = values[get_passage(start)]
        return float(part.std()) if len(part) > size // 5 else -1.0

    some_starts = starts[:: max(1, len(starts) // 400)]
    return get_passage(max(some_starts, key=get_variation))


def draw_text(
    path: Path,
    text: str,
    values: np.ndarray,
    *,
    limits: tuple[float, float],
    title: str,
) -> None:
    """Draws a text, each character on the color of its value.

    Args:
      path: of the picture.
      text: to be shown.
      values: values[t] of a unit.
      limits: the values that are wholly blue and wholly green.
      title: over it.
    """
    low, high = limits
    shares = np.clip((values - low) / max(high - low, 1e-6), 0, 1)
    cells = lay_out(text)
    rows = 1 + max(row for row, _ in cells)
    width, height = COLUMNS * CHARACTER_SIZE[0], (rows + 1.6) * CHARACTER_SIZE[1]
    figure = plt.figure(figsize=(width, height))
    axes = figure.add_axes((0, 0, 1, rows / (rows + 1.6)))
    axes.set(xlim=(0, COLUMNS), ylim=(rows, 0))
    axes.axis("off")
    for character, share, (row, column) in zip(text, shares, cells, strict=True):
        span = TAB_WIDTH - column % TAB_WIDTH if character == "\t" else 1
        color = get_color(share)
        axes.add_patch(plt.Rectangle((column, row), span, 1, color=color, linewidth=0))
        glyph = replace_controls(character).strip("\n\t ")
        if glyph:
            # The font has Latin letters; a dot stands for others.
            glyph = glyph if ord(glyph) < 0x250 else "·"
            axes.text(
                column + 0.5,
                row + 0.54,
                glyph.replace("$", r"\$"),
                family="monospace",
                fontsize=9,
                ha="center",
                va="center",
            )
    figure.text(0.004, 1 - 0.75 / (rows + 1.6), title, fontsize=10, va="center")
    figure.savefig(path, dpi=110, facecolor="white")
    plt.close(figure)


def get_color(share: float) -> tuple:
    """Returns a color from blue at 0 by pale to green at 1."""
    first, last = (LOW, MIDDLE) if share < 0.5 else (MIDDLE, HIGH)
    part = 2 * share if share < 0.5 else 2 * share - 1
    return tuple((1 - part) * first + part * last)
