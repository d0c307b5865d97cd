"""Essays: a site's pages fetched one by one, its rules kept, their text in one file."""

import http.server
import sys
from types import SimpleNamespace
from typing import Any

import pytest
from conftest import files, serving

from charlm.corpora import fetch
from charlm.corpora.essays import collect, find_essays
from charlm.corpora.registry import SOURCES
from charlm.errors import UserError
from charlm.files import get_cache_folder

# Laid out as pages of the nineties are: tables, fonts, and two breaks for a paragraph.
PAGE = """<html><head><title>On {title}</title><script>track()</script></head>
<body bgcolor="#ffffff"><table border=0 cellspacing=0><tr valign=top><td><map
name=1><area shape=rect coords="0,0,67,21" href="index.html"></map><img src="nav.gif"
usemap=#1></td><td><img src="dot.gif" width=26></td><td><a href="index.html"><img
src="home.gif"></a><br /><br /><table border=0 width=435><tr valign=top><td><img
src="title.gif" alt="On {title}" /><br /><br /><font size=2 face="verdana">March
2019<br /><br />Of {title} we know
<i>little</i>.  <font color=#dddddd>[<a href="#f1n"><font
color=#dddddd>1</font></a>]</font><br /><br />A <a href="b.html"><u>second</u></a>
paragraph.<br /><br /><b>Notes</b><br /><br />[<a name="f1n"><font
color=#000000>1</font></a>] Very little.<br /><br /></font></td></tr></table></td>
</tr></table></body></html>"""
TEXT = """On {title}

March 2019

Of {title} we know little. [1]

A second paragraph.

Notes

[1] Very little."""


def make_page(title):
    return PAGE.format(title=title).encode()


def make_text(*titles):
    return "".join(TEXT.format(title=title) + "\n\n" for title in titles)


def make_index(*links):
    return "".join(f'<a href="{link}">an essay</a><br>' for link in links).encode()


class Handler(http.server.BaseHTTPRequestHandler):
    """Answers with its server's site.answers; notes each request in site.requests."""

    server: Any

    def log_message(self, format, *args):
        pass

    def do_GET(self):
        site = self.server.site
        site.requests.append(self.path)
        site.agents.add(self.headers["User-Agent"])
        answer = site.answers.get(self.path, 404)
        if isinstance(answer, str):
            self.send_response(302)
            self.send_header("Location", answer)
            self.end_headers()
        elif isinstance(answer, int):
            self.send_error(answer)
        else:
            self.send_response(200)
            self.send_header("Content-Type", site.content_type)
            self.end_headers()
            self.wfile.write(answer)


@pytest.fixture
def site(tmp_path, monkeypatch):
    """A site of three essays; an answer is bytes, a status or where it leads."""
    monkeypatch.setenv("NO_PROXY", "*")
    monkeypatch.setattr("charlm.corpora.essays.PAUSE", 0)
    with serving(Handler) as (server, address):
        answers = {f"/{name}.html": make_page(f"{name.upper()}s") for name in "abc"}
        answers["/articles.html"] = make_index("b.html", "a.html", "c.html")
        site = SimpleNamespace(
            address=address,
            answers=answers,
            requests=[],
            agents=set(),
            content_type="text/html",
            target=tmp_path / "essays.txt",
            pages=tmp_path / "pages",
        )
        setattr(server, "site", site)  # noqa: B010
        yield site


def get(site, **kwargs):
    index = f"{site.address}/articles.html"
    collect(index, site.target, folder=site.pages, name="essays", **kwargs)
    return site.target.read_text(encoding="utf-8")


def refusal(site, **kwargs):
    with pytest.raises(UserError) as caught:
        get(site, **kwargs)
    line = str(caught.value)
    assert "\n" not in line
    assert line.startswith(f"essays could not be fetched from {site.address}/articles")
    return line


def test_essays_in_the_order_of_the_index(site, capfd):
    assert get(site) == make_text("Bs", "As", "Cs")
    paths = ["/robots.txt", "/articles.html", "/b.html", "/a.html", "/c.html"]
    assert site.requests == paths
    [agent] = site.agents
    assert agent.startswith("charlm")
    assert capfd.readouterr() == ("", "")


def test_between_two_requests_there_is_a_pause(site, monkeypatch):
    events = site.requests
    monkeypatch.setattr("charlm.corpora.essays.time.sleep", events.append)
    monkeypatch.setattr("charlm.corpora.essays.PAUSE", 7)
    get(site)
    first = ["/robots.txt", 7, "/articles.html"]
    assert events == [*first, 7, "/b.html", 7, "/a.html", 7, "/c.html"]
    events.clear()
    site.pages.rename(site.pages.with_name("elsewhere"))
    site.answers["/robots.txt"] = b"User-agent: *\nCrawl-delay: 30"
    get(site)
    assert [event for event in events if not isinstance(event, str)] == [30] * 4


def test_a_terminal_shows_how_many_there_are(site, capsys, monkeypatch):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    get(site)
    assert "3/3" in capsys.readouterr().err


def test_what_breaks_off_goes_on_from_there(site):
    site.answers["/c.html"] = 503
    line = refusal(site)
    assert "(HTTP 503)" in line and f"what has arrived is kept in {site.pages}" in line
    assert not site.target.exists()
    site.answers["/c.html"] = make_page("Cs")
    site.requests.clear()
    assert get(site) == make_text("Bs", "As", "Cs")
    assert site.requests == ["/robots.txt", "/articles.html", "/c.html"]


@pytest.mark.parametrize("name, allowed", [("charlm", 1), ("*", 1), ("other", 3)])
def test_what_robots_txt_forbids_is_not_read(site, monkeypatch, name, allowed, capfd):
    monkeypatch.setattr("charlm.corpora.essays.MAX_MISSING", 0.9)
    rules = f"User-agent: {name}\nDisallow: /a.html\nDisallow: /b.html"
    site.answers["/robots.txt"] = rules.encode()
    assert get(site) == make_text(*["Bs", "As", "Cs"][-allowed:])
    assert ("/a.html" in site.requests) == (allowed == 3)
    stderr = capfd.readouterr().err
    why = "essays is without a.html (its robots.txt does not allow it)"
    assert (why in stderr) == (allowed == 1)


@pytest.mark.parametrize("answer", [b"User-agent: *\nDisallow: /", 401, 403, 500])
def test_a_site_that_does_not_want_it(site, answer):
    site.answers["/robots.txt"] = answer
    line = refusal(site, hint=", or put it there")
    assert "its robots.txt does not allow it" in line
    assert line.endswith("; try again later, or put it there")
    assert site.requests == ["/robots.txt"]
    assert not any(site.pages.iterdir())


def test_a_few_dead_links_are_left_out_and_told(site, monkeypatch, capfd):
    monkeypatch.setattr("charlm.corpora.essays.MAX_MISSING", 0.7)
    site.answers["/b.html"] = 404
    site.answers["/c.html"] = b"<html><body></body></html>"
    assert get(site) == make_text("As")
    stderr = capfd.readouterr().err.splitlines()
    assert stderr == ["essays is without b.html (HTTP 404)",
                    "essays is without c.html (no text)"]  # fmt: skip
    monkeypatch.setattr("charlm.corpora.essays.MAX_MISSING", 0.5)
    assert "2 of 3 pages could not be had, b.html first: HTTP 404;" in refusal(site)


def test_redirects_off_the_site_are_refused(site, monkeypatch, capfd):
    monkeypatch.setattr("charlm.corpora.essays.MAX_MISSING", 0.9)
    with serving(Handler) as (server, other):
        page = SimpleNamespace(requests=[], agents=set(), answers={})
        setattr(server, "site", page)  # noqa: B010
        site.answers["/b.html"] = f"{other}/b.html"
        site.answers["/a.html"] = "/c.html"
        assert get(site) == make_text("Cs", "Cs")
        assert f"leads off the site, to {other}/b.html" in capfd.readouterr().err
        site.answers["/articles.html"] = "file:///etc/hostname"
        assert "file:///etc/hostname" in refusal(site)
        site.answers["/articles.html"] = "/articles.html"
        assert "redirects" in refusal(site)


def test_the_number_of_essays_is_bounded(site, monkeypatch):
    site.answers["/articles.html"] = b"<a href='mailto:me'>nothing</a>"
    assert "it links to 0 essays; the site may have changed" in refusal(site)
    monkeypatch.setattr("charlm.corpora.essays.MAX_ESSAYS", 2)
    site.answers["/articles.html"] = make_index("a.html", "b.html", "c.html")
    assert "it links to 3 essays" in refusal(site)


def test_which_links_are_essays():
    links = [
        *("b.html", " a.html", "b.html#f1n", "index.html", "articles.html", "./c.html"),
        *("http://www.example.org/d.html", "https://example.org/a.html?again"),
        *("http://example.com/e.html", "mailto:me", "deep/f.html", "../g.txt", "g.txt"),
        *("http://[bad/h.html", "http://example.org:81/i.html", "..html", "%2e.html"),
        *("http://www.example.org/j/..%2fk.html", ""),
    ]
    essays = find_essays("http://example.org/articles.html", links)
    assert essays == {
        f"{name}.html": f"http://example.org/{name}.html" for name in "bacd"
    }


@pytest.mark.parametrize(
    "charset, content",
    [
        ("", "naïve — “x”".encode()),
        ("", "naïve — “x”".encode("windows-1252")),
        ("iso-8859-1", "naïve — “x”".encode("windows-1252")),
        ("utf-8", "naïve — “x”".encode("windows-1252")),
        ('"koi8-r"', "да".encode("koi8-r")),
        ("nonsense", "naïve — “x”".encode()),
    ],
)
def test_the_characters_of_a_page(site, charset, content):
    site.content_type = f"text/html; charset={charset}" if charset else "text/html"
    site.answers["/b.html"] = PAGE.encode().replace(b"{title}", content)
    title = "да" if "koi8" in charset else "naïve — “x”"
    assert get(site) == make_text(title, "As", "Cs")


def test_the_catalog_keeps_nothing_but_the_text(site, monkeypatch):
    source = SOURCES["paul_graham"]
    origin = source.origin._replace(url=f"{site.address}/articles.html")
    monkeypatch.setitem(SOURCES, "paul_graham", source._replace(origin=origin))
    monkeypatch.setattr("charlm.corpora.essays.time.sleep", lambda seconds: None)
    place = get_cache_folder() / "data" / source.file
    site.answers["/c.html"] = 500
    with pytest.raises(UserError, match=f"or save a text of your own as {place}, or"):
        fetch.fetch("paul_graham")
    assert {path.name for path in files(place.parent)} == {
        *("essays.txt.pages", "a.html", "b.html")
    }
    site.answers["/c.html"] = make_page("Cs")
    assert fetch.fetch("paul_graham") == place
    assert files(place.parent) == {place: make_text("Bs", "As", "Cs").encode()}


def test_without_the_library_one_line_says_what_to_install(site, monkeypatch):
    monkeypatch.setitem(sys.modules, "resiliparse.extract.html2text", None)
    with pytest.raises(UserError, match=r"pip install '\.\[corpora\]'$"):
        get(site)
    assert site.requests == []
