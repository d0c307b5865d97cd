"""The style of all pictures: what axes, colours and files look like."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import matplotlib
import matplotlib.pyplot as plt

matplotlib.use("agg")

# Okabe and Ito's colours, which colour-blind readers can tell apart.
BLUE, ORANGE, GREEN, PURPLE = "#0072b2", "#d55e00", "#009e73", "#cc79a7"
SKY, AMBER, GREY, BLACK = "#56b4e9", "#e69f00", "#888888", "#000000"
COLOURS = [BLUE, ORANGE, GREEN, PURPLE, SKY, AMBER, GREY, BLACK]


@contextmanager
def picture(path: Path, *, columns: int = 1, width: float = 7, height: float = 4):
    """The axes of a picture (an array of them, for several columns), then its file."""
    figure, axes = plt.subplots(
        ncols=columns, figsize=(width, height), layout="constrained"
    )
    for each in figure.axes:
        each.set_prop_cycle(color=COLOURS)
        each.grid(alpha=0.3)
        each.set_axisbelow(True)
        each.spines[["top", "right"]].set_visible(False)
    yield axes
    for each in figure.axes:
        if each.get_legend_handles_labels()[0]:
            each.legend(frameon=False)
    figure.savefig(path, dpi=120)
    plt.close(figure)


def curve(axes, records: list[dict], split: str, **style) -> None:
    """The losses of a part of the text, by step, of metrics.jsonl's records."""
    rows = [record for record in records if record["split"] == split]
    steps = [row["step"] for row in rows]
    axes.plot(steps, [row["nats_per_char"] for row in rows], label=split, **style)


def spread(count: int) -> Iterator[tuple]:
    """`count` colours from dark to light, for lines that have an order."""
    shades = matplotlib.colormaps["viridis"]
    return (shades(0.9 * n / max(1, count - 1)) for n in range(count))
