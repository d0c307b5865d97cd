"""Draws WORKDIR/loss.png from metrics.jsonl: python -m experiments.curve WORKDIR"""

import sys
from pathlib import Path

from charlm.workdir.metrics import read_metrics
from experiments.style import figure, plot_losses


def draw_losses(workdir: Path) -> Path:
    """Draws the losses of a run, and returns the path of the figure."""
    records = read_metrics(workdir)
    path = workdir / "loss.png"
    with figure(path) as axes:
        plot_losses(axes, records, "train")
        plot_losses(axes, records, "valid", marker="o", markersize=4)
        axes.set(xlabel="step", ylabel="nats per character", title=workdir.name)
    return path


if __name__ == "__main__":
    if len(sys.argv) != 2 or not read_metrics(sys.argv[1]):
        sys.exit(
            "error: there are no metrics to draw; name a workdir that has some:"
            " python -m experiments.curve runs/NAME"
        )
    print(f"the loss curve: {draw_losses(Path(sys.argv[1]))}")
