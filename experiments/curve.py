"""python experiments/curve.py WORKDIR: draws WORKDIR/loss.png from metrics.jsonl."""

import sys
from pathlib import Path

import matplotlib
import matplotlib.pyplot as plt

from charlm.workdir.metrics import read_metrics

matplotlib.use("agg")


def draw(workdir: Path) -> Path:
    """The curves of training and validation loss, as a picture in the workdir."""
    figure, axes = plt.subplots(figsize=(7, 4), layout="constrained")
    records = read_metrics(workdir)
    for split, style in (("train", "-"), ("valid", "o-")):
        rows = [r for r in records if r["split"] == split]
        axes.plot(
            [r["step"] for r in rows],
            [r["nats_per_char"] for r in rows],
            style,
            label=split,
            markersize=4,
        )
    axes.set(xlabel="step", ylabel="nats per character", title=workdir.name)
    axes.grid(alpha=0.3)
    axes.legend()
    figure.savefig(workdir / "loss.png", dpi=120)
    return workdir / "loss.png"


if __name__ == "__main__":
    if len(sys.argv) != 2 or not read_metrics(sys.argv[1]):
        sys.exit("error: say which workdir: python experiments/curve.py runs/NAME")
    print(f"the loss curve: {draw(Path(sys.argv[1]))}")
