"""Takes pictures of the pages of run.py: light and dark, wide and narrow."""

import shutil
import sys
from pathlib import Path
from typing import Any

from experiments.cells.run import PAGES

FOLDER = Path(__file__).parent
# File name: page, color scheme, width, height, and where in the page.
SHOTS: dict[str, tuple[str, Any, int, int, str]] = {
    "page-light.png": ("war_and_peace", "light", 1280, 860, ""),
    "page-dark.png": ("linux", "dark", 1280, 860, "#view=guesses"),
    "page-narrow.png": ("wikipedia", "light", 390, 844, ""),
}


def main() -> None:
    from playwright.sync_api import sync_playwright

    paths = [shutil.which(name) for name in ("chromium", "chromium-browser")]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=next(filter(None, paths), None), args=["--no-sandbox"]
        )
        for name, (page, scheme, width, height, place) in SHOTS.items():
            path = PAGES / f"{page}.html"
            if not path.exists():
                sys.exit(
                    f"error: {path} does not exist; run make experiment NAME=cells"
                )
            window = browser.new_page(
                viewport={"width": width, "height": height}, color_scheme=scheme
            )
            window.goto(f"{path.resolve().as_uri()}{place}")
            window.wait_for_load_state("load")
            window.wait_for_timeout(1500)  # until the gates are computed
            window.screenshot(path=FOLDER / name)
            window.close()
        browser.close()


if __name__ == "__main__":
    main()
