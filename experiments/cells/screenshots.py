"""Pictures of the pages that run.py made: light and dark, wide and narrow."""

import shutil
import sys
from pathlib import Path

from experiments.cells.run import PAGES

FOLDER = Path(__file__).parent
# name: page, colours, width, height, where in it
SHOTS = {
    "page-light": ("war_and_peace", "light", 1280, 860, ""),
    "page-dark": ("linux", "dark", 1280, 860, "#view=guesses"),
    "page-narrow": ("wikipedia", "light", 390, 844, ""),
}


def main() -> None:
    from playwright.sync_api import sync_playwright

    found = [shutil.which(name) for name in ("chromium", "chromium-browser")]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=next(filter(None, found), None), args=["--no-sandbox"]
        )
        for name, (page, scheme, width, height, place) in SHOTS.items():
            path = PAGES / f"{page}.html"
            if not path.exists():
                sys.exit(f"error: {path} is not there; run make experiment NAME=cells")
            opened = browser.new_page(
                viewport={"width": width, "height": height}, color_scheme=scheme
            )
            opened.goto(f"{path.resolve().as_uri()}{place}")
            opened.wait_for_load_state("load")
            opened.wait_for_timeout(1500)  # until the gates are computed
            opened.screenshot(path=FOLDER / f"{name}.png")
            opened.close()
        browser.close()


if __name__ == "__main__":
    main()
