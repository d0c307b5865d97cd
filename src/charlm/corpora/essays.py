"""collect(...): the essays of a site, fetched politely, their text in one file."""

import re
import sys
import time
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from urllib.parse import urljoin, urlsplit
from urllib.robotparser import RobotFileParser

import requests

from charlm.corpora.progress import progress
from charlm.corpora.web import Page, page, reason, site
from charlm.errors import UserError
from charlm.files import atomic_write

PAUSE = 1.0  # seconds between two requests
MOST = 1000  # essays; the site has some 230
LEFT_OUT = 0.1  # of the essays: a few links may be dead; with more the site has changed


def collect(
    index: str,
    target: Path,
    *,
    pages: Path,
    what: str,
    pause: float = PAUSE,
    hint: str = "",
) -> None:
    """Writes the essays that an index links to, in its order, an empty line between.

    One request at a time, with a pause between, and none that the site's robots.txt
    forbids. A page that has arrived is kept, so that a later call goes on from there.
    Pages that are gone, forbidden, without text or off the site are left out, and
    standard error says which.

    Args:
      index: the address of a page with links; those to other pages of its folder that
        are named *.html are the essays.
      target: the text's place.
      pages: the folder for pages that have arrived; the caller removes it when the
        text is safe.
      what: its name in messages.
      pause: seconds between two requests, unless robots.txt asks for more.
      hint: ends the message of what could not be had: where else it may stand.

    Raises:
      UserError: the site cannot be read, does not allow it or has changed, or the
        library that takes the text out of a page is not installed.
      OSError: a page or `target` cannot be written.
    """
    text_of, links_of = _with_resiliparse()
    pages.mkdir(exist_ok=True)

    def failed(why: str) -> UserError:
        kept = f"; what has arrived is kept in {pages}" if any(pages.iterdir()) else ""
        return UserError(
            f"{what} could not be fetched from {index} ({why}){kept};"
            f" try again later{hint}"
        )

    try:
        read = _reader(index, pause)
        links = links_of(read(index))
        left_out = _gather(links, read, pages, what)
    except requests.RequestException as error:
        raise failed(reason(error)) from error
    except ValueError as error:
        raise failed(str(error)) from error
    with target.open("w", encoding="utf-8", newline="") as file:
        for name in (name for name in links if name not in left_out):
            text = text_of((pages / name).read_text(encoding="utf-8"))
            if text:
                file.write(f"{text}\n\n")
            else:
                left_out[name] = "no text"
    if len(left_out) > LEFT_OUT * len(links):
        name, why = next(iter(left_out.items()))
        raise failed(
            f"{len(left_out)} of {len(links)} pages could not be had, {name} first:"
            f" {why}; the site may have changed"
        )
    for name, why in left_out.items():
        print(f"{what} is without {name} ({why})", file=sys.stderr)


def _reader(index: str, pause: float) -> Callable[[str], Page]:
    """read(address): a page of the site of `index`, if its robots.txt allows it.

    `read` raises ValueError for a page that is not to be had, and a RequestException
    where asking again later may help.
    """
    rules, answer = RobotFileParser(), page(urljoin(index, "/robots.txt"))
    if answer.status == 200:
        rules.parse(answer.text.splitlines())
    elif answer.status in (401, 403):
        rules.parse(["User-agent: *", "Disallow: /"])
    elif answer.status < 500:  # there is none
        rules.parse([])
    else:
        raise requests.HTTPError(f"HTTP {answer.status} for its robots.txt")
    seconds = max(pause, float(rules.crawl_delay("charlm") or 0))

    def read(address: str) -> Page:
        if not rules.can_fetch("charlm", address):
            raise ValueError("its robots.txt does not allow it")
        time.sleep(seconds)
        answer = page(address)
        if answer.status in (404, 410):
            raise ValueError(f"HTTP {answer.status}")
        if answer.status != 200:
            raise requests.HTTPError(f"HTTP {answer.status}")
        return answer

    return read


def _gather(
    links: dict[str, str], read: Callable[[str], Page], pages: Path, what: str
) -> dict[str, str]:
    """Puts pages into a folder; {name: why} of those that are left out."""
    left_out = {}
    with progress(what, unit="pages") as show:
        for n, (name, address) in enumerate(links.items(), 1):
            if not (pages / name).exists():
                try:
                    atomic_write(pages / name, read(address).text)
                except requests.RequestException:
                    raise
                except ValueError as error:
                    left_out[name] = str(error)
            show(n, len(links))
    return left_out


def _with_resiliparse():
    """(page -> its text, page -> its links): what needs the library.

    It keeps the paragraphs of a page that is laid out by tables, <font> and <br><br>,
    as this site's are. Of a page made like them, trafilatura ran all paragraphs into
    one, justext kept none, html2text and inscriptis drew the tables around them, and
    Beautiful Soup joined a date, a heading and a list to the words beside them.
    """
    try:
        # It is compiled: pyright finds its types, but no source.
        from resiliparse.extract.html2text import (  # pyright: ignore
            extract_plain_text,
        )
        from resiliparse.parse.html import HTMLTree
    except ImportError as error:
        raise UserError(
            "taking text out of web pages needs Resiliparse: pip install '.[corpora]'"
        ) from error

    def text_of(html: str) -> str:
        return extract_plain_text(html, main_content=True).strip()

    def links_of(index: Page) -> dict[str, str]:
        body = HTMLTree.parse(index.text).body
        found = body.query_selector_all("a[href]") if body else []
        return essays(index.url, [str(a["href"]) for a in found])

    return text_of, links_of


def essays(index: str, links: list[str]) -> dict[str, str]:
    """{name: address} of the links to other pages of the index's folder, each once.

    Raises:
      ValueError: there are none, or too many.
    """
    here = PurePosixPath(urlsplit(index).path)
    found = {}
    for link in links:
        try:
            address = urljoin(index, link.strip())
            path = PurePosixPath(urlsplit(address).path)
            near = site(address) == site(index)
        except ValueError:  # mailto: and the like
            continue
        near = near and path.parent == here.parent
        plain = re.fullmatch(r"[A-Za-z0-9_-][A-Za-z0-9_.-]*\.html", path.name)
        if near and plain and path.name not in ("index.html", here.name):
            found[path.name] = urljoin(index, path.name)
    if not 0 < len(found) <= MOST:
        raise ValueError(f"it links to {len(found)} essays; the site may have changed")
    return found
