"""What downloads and pages share: the manners, and why a request failed, in words."""

import re
import socket
import ssl
from typing import NamedTuple
from urllib.parse import urljoin, urlsplit

import requests
import urllib3

TIMEOUT = (10.0, 30.0)  # seconds to connect, and between two arrivals
AGENT = "charlm (a character-level language model)"
MOST = 1 << 21  # bytes of a page; the longest essay has a tenth of it
REDIRECTS = 5


class Page(NamedTuple):
    """An answer of a site: its HTTP status, its text if that is 200, its address."""

    status: int
    text: str
    url: str


def page(url: str) -> Page:
    """The page at an address, or where that leads to on the same site.

    Raises:
      requests.RequestException: there is no answer, or it breaks off.
      ValueError: it leads off the site, or is longer than any page.
    """
    at = url
    for _ in range(REDIRECTS):
        with requests.get(
            at,
            headers={"User-Agent": AGENT},
            allow_redirects=False,
            stream=True,
            timeout=TIMEOUT,
        ) as answer:
            if answer.is_redirect:
                at = urljoin(at, answer.headers["Location"])
                if site(at) != site(url):
                    raise ValueError(f"it leads off the site, to {at}")
                continue
            content = b""
            for piece in answer.iter_content(1 << 16):
                content += piece
                if len(content) > MOST:
                    raise ValueError(f"it has more than {MOST:,} bytes")
        charset = _charset(answer.headers.get("Content-Type", ""))
        return Page(answer.status_code, decoded(content, charset), at)
    raise requests.TooManyRedirects()


def site(url: str) -> tuple[str, int | None]:
    """Whose an address is: its host, with or without www, and its port if it has one.

    Raises:
      ValueError: it is not http or https.
    """
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https"):
        raise ValueError("it leads to an address that is not http or https")
    return (parts.hostname or "").removeprefix("www."), parts.port


def decoded(content: bytes, charset: str = "") -> str:
    """The text of a page: of the charset it claims, UTF-8, or windows-1252.

    Whatever claims to be Latin-1 is read as windows-1252, as browsers do, and so are
    the control characters that others made of it.
    """
    latin = charset.lower() in ("iso-8859-1", "latin-1", "latin1", "us-ascii", "ascii")
    for name in ("" if latin else charset, "utf-8"):
        try:
            text = content.decode(name or "utf-8")
            break
        except (UnicodeDecodeError, LookupError):
            continue
    else:
        text = content.decode("windows-1252", "replace")
    return re.sub("[\x80-\x9f]", _printed, text)


def reason(error: BaseException) -> str:
    """Why a request failed, in a few words."""
    chain = [error]
    while cause := chain[-1].__cause__ or chain[-1].__context__:
        chain.append(cause)
    for cause in reversed(chain):
        match cause:
            case socket.gaierror():
                return "no such host, or no network"
            case ConnectionRefusedError():
                return "connection refused"
            case ssl.SSLError():
                return "no secure connection"
            case TimeoutError() | urllib3.exceptions.TimeoutError():
                return "timed out"
            case requests.HTTPError():
                return str(cause)
            case requests.TooManyRedirects():
                return "too many redirects"
            case requests.exceptions.InvalidSchema():
                return "it leads to an address that is not http or https"
            case OSError(strerror=str(words)) if words:  # of the network
                return words.lower()
    return "the connection broke off"


def _charset(content_type: str) -> str:
    match = re.search(r"charset\s*=\s*[\"']?([\w.:-]+)", content_type, re.IGNORECASE)
    return match[1] if match else ""


def _printed(control: re.Match) -> str:
    """The character that windows-1252 has where Latin-1 has a control character."""
    return control[0].encode("latin-1").decode("windows-1252", "ignore")
