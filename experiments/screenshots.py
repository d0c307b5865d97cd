"""Pictures of pages as Chromium shows them, which needs the extra `web`."""

import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Literal, NamedTuple

BROWSERS = ("chromium", "chromium-browser")


class Screenshot(NamedTuple):
    """What a picture shows: a page, and how it is opened.

    Attributes:
      page: its file.
      scheme: "light" or "dark".
      width: of the window, in pixels.
      height: of the window, in pixels.
      link: the part of the address after the file, as "#700".
    """

    page: Path
    scheme: Literal["light", "dark"]
    width: int
    height: int
    link: str = ""


def take_screenshots(shots: Mapping[Path, Screenshot], *, command: str) -> None:
    """Writes a picture to each path; ends with an error if a page is not there.

    Args:
      shots: by path of the picture.
      command: that makes the pages.
    """
    from playwright.sync_api import sync_playwright

    executable = next(filter(None, map(shutil.which, BROWSERS)), None)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=executable, args=["--no-sandbox"]
        )
        for path, shot in shots.items():
            if not shot.page.exists():
                sys.exit(f"error: {shot.page} is not there; run {command}")
            page = browser.new_page(
                viewport={"width": shot.width, "height": shot.height},
                color_scheme=shot.scheme,
            )
            page.goto(f"{shot.page.resolve().as_uri()}{shot.link}")
            page.wait_for_load_state("load")
            page.wait_for_timeout(1500)  # until what is computed is drawn
            page.screenshot(path=path)
            page.close()
        browser.close()
