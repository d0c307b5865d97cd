"""collect(...): the essays of a site, fetched politely, their text in one file."""

import re
import sys
import time
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urljoin, urlsplit
from urllib.robotparser import RobotFileParser

import requests

from charlm.corpora.download import HEADERS, NETWORK_ERRORS, TIMEOUT, get_reason
from charlm.corpora.progress import progress_bar
from charlm.errors import UserError
from charlm.files import atomic_write

PAUSE = 1.0  # seconds between two requests, unless robots.txt asks for more
MAX_ESSAYS = 1000  # the site has some 230
MAX_MISSING = 0.1  # of the essays: a few links may be dead, more mean another site


def collect(
    index: str, target: Path, *, folder: Path, name: str, hint: str = ""
) -> None:
    """Writes the essays that an index links to, in its order, an empty line between.

    It sends one request at a time, and none that the site's robots.txt forbids. Pages
    that are gone, forbidden, without text or off the site are left out, and standard
    error says which. `folder` keeps the pages that have arrived, so that a later call
    goes on from there; the caller removes it. `name` is the text's in messages; `hint`
    ends that of a failure, and says where else the text may be.
    """
    # It keeps the paragraphs of pages that are laid out by tables, <font> and <br><br>,
    # as this site's are. trafilatura, justext, html2text, inscriptis and Beautiful Soup
    # do not.
    try:
        from resiliparse.extract.html2text import extract_plain_text  # pyright: ignore
    except ImportError as error:
        raise UserError(
            "taking text out of web pages needs Resiliparse: pip install '.[corpora]'"
        ) from error
    folder.mkdir(exist_ok=True)

    def get_text(path: Path, url: str) -> str:
        if not path.exists():
            atomic_write(path, _decode(read(url)))
        html = path.read_text(encoding="utf-8")
        if text := extract_plain_text(html, main_content=True).strip():
            return f"{text}\n\n"
        raise ValueError("no text")

    texts, missing = [], {}
    try:
        read = _make_reader(index)
        page = read(index)
        essays = find_essays(page.url, _list_links(_decode(page)))
        with progress_bar(name, in_bytes=False) as on_progress:
            for n, (essay, url) in enumerate(essays.items(), 1):
                try:
                    texts.append(get_text(folder / essay, url))
                except ValueError as error:
                    missing[essay] = str(error)
                on_progress(n, len(essays))
        if len(missing) > MAX_MISSING * len(essays):
            essay, reason = next(iter(missing.items()))
            raise ValueError(
                f"{len(missing)} of {len(essays)} pages could not be had, {essay}"
                f" first: {reason}; the site may have changed"
            )
    except (*NETWORK_ERRORS, ValueError) as error:
        note = f"; what has arrived is kept in {folder}" * any(folder.iterdir())
        raise UserError(
            f"{name} could not be fetched from {index} ({get_reason(error)}){note};"
            f" try again later{hint}"
        ) from error
    target.write_text("".join(texts), encoding="utf-8", newline="")
    for essay, reason in missing.items():
        print(f"{name} is without {essay} ({reason})", file=sys.stderr)


def find_essays(index: str, links: list[str]) -> dict[str, str]:
    """Returns {name: address} of the links to other *.html of the index's folder."""
    essays, (base_folder, _, base_name) = {}, urlsplit(index).path.rpartition("/")
    for link in links:
        try:
            url = urljoin(index, link.strip())
            folder, _, name = urlsplit(url).path.rpartition("/")
        except ValueError:  # no address
            continue
        is_near = _get_site(url) == _get_site(index) and folder == base_folder
        is_plain = re.fullmatch(r"[A-Za-z0-9_-][A-Za-z0-9_.-]*\.html", name)
        if is_near and is_plain and name not in ("index.html", base_name):
            essays[name] = urljoin(index, name)
    if not 0 < len(essays) <= MAX_ESSAYS:
        raise ValueError(f"it links to {len(essays)} essays; the site may have changed")
    return essays


def _list_links(html: str) -> list[str]:
    """Returns the links of a page, whose nodes must not outlive their thread."""
    from resiliparse.parse.html import HTMLTree

    body = HTMLTree.parse(html).body
    return [str(a["href"]) for a in body.query_selector_all("a[href]")] if body else []


def _get_site(url: str) -> str:
    """Returns the host and port of an address, without www."""
    return urlsplit(url).netloc.removeprefix("www.")


def _make_reader(index: str) -> Callable[[str], requests.Response]:
    """Returns read(address): a page of the site of `index`, if robots.txt allows it."""
    url, rules = urljoin(index, "/robots.txt"), RobotFileParser()
    robots = requests.get(url, headers=HEADERS, timeout=TIMEOUT)
    is_closed = robots.status_code in (401, 403) or robots.status_code >= 500
    text = "User-agent: *\nDisallow: /" if is_closed else robots.text * robots.ok
    rules.parse(text.splitlines())
    pause = max(PAUSE, float(rules.crawl_delay("charlm") or 0))

    def read(url: str) -> requests.Response:
        if not rules.can_fetch("charlm", url):
            raise ValueError("its robots.txt does not allow it")
        time.sleep(pause)
        # NETWORK_ERRORS may pass; ValueErrors are of this page alone.
        page = requests.get(url, headers=HEADERS, timeout=TIMEOUT)
        if _get_site(page.url) != _get_site(index):
            raise ValueError(f"it leads off the site, to {page.url}")
        if page.status_code in (404, 410):
            raise ValueError(f"HTTP {page.status_code}")
        if page.status_code != 200:
            raise requests.HTTPError(f"HTTP {page.status_code}")
        return page

    return read


def _decode(page: requests.Response) -> str:
    """Returns the text of a page in the charset that its server names, or UTF-8."""
    from resiliparse.parse import encoding  # pyright: ignore

    charset = encoding.map_encoding_to_html5(page.encoding or "utf-8")
    if charset in (None, "cp1252"):  # what requests says where the server says nothing
        charset = "utf-8"  # and then cp1252
    return encoding.bytes_to_str(page.content, charset)
