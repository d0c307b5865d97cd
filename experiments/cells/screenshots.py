"""Pictures of the pages that run.py made: light and dark, wide and narrow."""

from pathlib import Path

from experiments.cells.run import PAGES
from experiments.screenshots import Screenshot, take_screenshots

FOLDER = Path(__file__).parent
SHOTS = {
    "page-light.png": Screenshot(PAGES / "war_and_peace.html", "light", 1280, 860),
    "page-dark.png": Screenshot(
        PAGES / "linux.html", "dark", 1280, 860, "#view=guesses"
    ),
    "page-narrow.png": Screenshot(PAGES / "wikipedia.html", "light", 390, 844),
}


if __name__ == "__main__":
    shots = {FOLDER / name: shot for name, shot in SHOTS.items()}
    take_screenshots(shots, command="make experiment NAME=cells")
