"""Draws a figure beside each file of results/: python -m experiments.speed.plot"""

import json
from pathlib import Path

from experiments.style import AMBER, GRAY, ORANGE, PURPLE, SKY, figure

FOLDER = Path(__file__).parent / "results"
PREFIXES = ("train", "sample", "score")  # of the cases in the figure
COLORS = {
    "floor": GRAY,
    "flax nn.RNN": PURPLE,
    "lax.scan": SKY,
    "torch.nn.LSTM": ORANGE,
    "torch.nn.LSTMCell": AMBER,
    "torch.compile": "#8c4a00",
    "torch.nn.LSTM, autocast": ORANGE,
}


def draw_ratios(results: dict, path: Path) -> None:
    """Draws a bar of each peer's time over ours, and the floor's, in a group a case."""
    rows = [row for row in results["rows"] if row["case"].startswith(PREFIXES)]
    cases = list(dict.fromkeys(row["case"] for row in rows))
    place, labels = 0.0, []
    with figure(path, width=8, height=0.4 * len(rows) + 1.2) as axes:
        for case in cases:
            for row in (row for row in rows if row["case"] == case):
                color = COLORS[row["peer"]]
                ratio = row["ratio"]
                axes.barh(place, ratio - 1, left=1, color=color, height=0.8)
                axes.text(max(ratio, 1) * 1.03, place, f"{ratio:.2f}", va="center")
                labels.append((place, f"{case}: {row['peer']}"))
                place += 1
            place += 0.7
        axes.axvline(1, color="black", linewidth=1)
        axes.set_yticks([at for at, _ in labels], [name for _, name in labels])
        axes.set_ylim(place, -1)  # the first on top
        axes.set_xscale("log")
        axes.set_xticks([0.5, 1, 2, 4, 8, 16, 32], [0.5, "1: charlm", 2, 4, 8, 16, 32])
        axes.set_xticks([], minor=True)
        axes.set_xlabel(
            "the peer's time over charlm's; the floor is the products alone"
        )
        axes.set_title(results["machine"])


if __name__ == "__main__":
    for path in sorted(FOLDER.glob("*.json")):
        draw_ratios(json.loads(path.read_text()), path.with_suffix(".png"))
