"""python -m experiments.speed.plot: a picture beside each file of results/."""

import json
from pathlib import Path

from experiments.style import AMBER, GREY, ORANGE, PURPLE, SKY, picture

FOLDER = Path(__file__).parent / "results"
TIMED = ("train", "sample", "score")
COLOURS = {
    "floor": GREY,
    "flax nn.RNN": PURPLE,
    "lax.scan": SKY,
    "torch.nn.LSTM": ORANGE,
    "torch.nn.LSTMCell": AMBER,
    "torch.compile": "#8c4a00",
    "torch.nn.LSTM, autocast": ORANGE,
}


def draw(results: dict, path: Path) -> None:
    """Bars of each peer's time over ours, a group a case, and the floor's."""
    rows = [row for row in results["rows"] if row["case"].startswith(TIMED)]
    cases = list(dict.fromkeys(row["case"] for row in rows))
    place, labels = 0.0, []
    with picture(path, width=8, height=0.4 * len(rows) + 1.2) as axes:
        for case in cases:
            for row in (row for row in rows if row["case"] == case):
                colour = COLOURS[row["peer"]]
                ratio = row["ratio"]
                axes.barh(place, ratio - 1, left=1, color=colour, height=0.8)
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
        axes.set_xlabel("the peer's time over charlm's; the floor is products alone")
        axes.set_title(results["machine"])


if __name__ == "__main__":
    for kept in sorted(FOLDER.glob("*.json")):
        draw(json.loads(kept.read_text()), kept.with_suffix(".png"))
