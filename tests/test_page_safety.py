"""The page in a browser: a text can do no harm in it."""

import pytest
from pages import CELLS, HOSTILE, html_of, traced, written


@pytest.mark.parametrize("view", ["dense", "guesses"])
def test_hostile_text_stays_text(shown, view):
    net = traced(HOSTILE)
    cells = [{**CELLS[0], "label": HOSTILE}]
    opened = shown(net, f"#view={view}", cells=cells, title=HOSTILE, about=HOSTILE)
    assert opened.evaluate("window.harm") is None
    assert opened.locator("img").count() == 0 and opened.locator("script").count() == 9
    cells = ".ch" if view == "dense" else ".ch b"
    read = opened.locator(cells).evaluate_all("all => all.map(e => e.textContent)")
    assert len(read) == len(HOSTILE)
    text = "".join(read)
    assert "</script><script>window.harm" in text.replace("\xa0", " ")
    shown_as = {"\u202e": "202E", "\x00": "NUL", "\x07": "BEL", "\x1b": "ESC",
                "\u2028": "2028", "\u200b": "200B", "\ufeff": "FEFF", "\u3164": "3164",
                "\n": "↵", "\t": "→", "\u0301": "◌\u0301",
                "\xa0": "␣"}  # fmt: skip
    # Of \r\n the newline is mark enough.
    assert read[HOSTILE.index("\r")] == "\xa0"
    for symbol, mark in shown_as.items():
        assert read[HOSTILE.index(symbol)] == mark
    lefts = (
        opened.locator(".row")
        .first.locator(".ch")
        .evaluate_all("all => all.map(e => e.getBoundingClientRect().left)")
    )
    assert lefts == sorted(lefts)  # nothing is put in another order
    opened.fill("#temperature", "1.5")
    opened.click("#go")
    written(opened)
    assert opened.evaluate("window.harm") is None


def test_it_lives_in_a_frame_without_an_address(net, new_page):
    opened = new_page()
    opened.set_content("<iframe width=800 height=700 sandbox='allow-scripts'></iframe>")
    opened.evaluate(
        "html => { document.querySelector('iframe').srcdoc = html }", html_of(net)
    )
    frame = opened.frame_locator("iframe")
    frame.locator("#after").click()
    opened.wait_for_timeout(400)  # the address is written after a moment
    assert frame.locator(".row").count() > 5
    frame.locator("#go").click()
    frame.locator("#written span").first.wait_for()
