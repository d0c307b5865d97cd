"""python docs/check_links.py FOLDER: whether each link between its pages has a target.

It opens no address of another site. Each broken link is a line, and the status is 1.
"""

import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit


class Page(HTMLParser):
    """The targets of the links of a page, and the ids in it."""

    def __init__(self, path: Path):
        super().__init__()
        self.targets: list[str] = []
        self.ids: set[str] = set()
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attrs):
        values = dict(attrs)
        self.ids |= {values[name] for name in ("id", "name") if values.get(name)}
        self.targets += [values[name] for name in ("href", "src") if values.get(name)]


def find_broken_links(folder: Path) -> list[str]:
    """Returns "page: target" of each link of a folder's pages that leads nowhere."""
    folder = folder.resolve()
    paths = [p for p in sorted(folder.rglob("*.html")) if "_static" not in p.parts]
    pages = {path: Page(path) for path in paths}  # a theme's templates are no pages
    broken = []
    for path, page in pages.items():
        for target in page.targets:
            parts = urlsplit(target)
            if parts.scheme or parts.netloc:
                continue
            file = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            there = pages.get(file)
            anchor = unquote(parts.fragment)
            has_anchor = not anchor or there is None or anchor in there.ids
            if not file.is_file() or not has_anchor:
                broken.append(f"{path.relative_to(folder)}: {target}")
    return broken


if __name__ == "__main__":
    lines = find_broken_links(Path(sys.argv[1]))
    print("\n".join(lines) or "no broken links")
    sys.exit(bool(lines))
