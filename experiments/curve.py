"""python -m experiments.curve WORKDIR: draws WORKDIR/loss.png from metrics.jsonl."""

import sys
from pathlib import Path

from charlm.workdir.metrics import read_metrics
from experiments.style import curve, picture


def draw(workdir: Path) -> Path:
    """The curves of training and validation loss, as a picture in the workdir."""
    records = read_metrics(workdir)
    with picture(workdir / "loss.png") as axes:
        curve(axes, records, "train")
        curve(axes, records, "valid", marker="o", markersize=4)
        axes.set(xlabel="step", ylabel="nats per character", title=workdir.name)
    return workdir / "loss.png"


if __name__ == "__main__":
    if len(sys.argv) != 2 or not read_metrics(sys.argv[1]):
        sys.exit("error: say which workdir: python -m experiments.curve runs/NAME")
    print(f"the loss curve: {draw(Path(sys.argv[1]))}")
