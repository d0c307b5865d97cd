"""The page in a browser: a text can do no harm in it."""

import pytest
from pages import (
    HOSTILE,
    RESULTS,
    click,
    get_control,
    make_net,
    read_characters,
    read_written,
    render,
)


@pytest.mark.parametrize("view", ["dense", "guesses"])
def test_hostile_text_stays_text(net, open_page, view):
    results = [RESULTS[0]._replace(label=HOSTILE)]
    page = open_page(
        make_net(HOSTILE),
        f"#view={view}",
        unit_results=results,
        title=HOSTILE,
        about=HOSTILE,
    )
    assert page.evaluate("window.harm") is None
    scripts = page.locator("script").count()
    assert page.locator("img").count() == 0
    assert scripts == render(net).count("<script")  # as of a harmless text
    glyphs = read_characters(page)
    texts = [glyph.text for glyph in glyphs]
    assert len(texts) == len(HOSTILE)
    assert "</script><script>window.harm" in "".join(texts).replace("\xa0", " ")
    marks = {"\u202e": "202E", "\x00": "NUL", "\x07": "BEL", "\x1b": "ESC",
             "\u2028": "2028", "\u200b": "200B", "\ufeff": "FEFF", "\u3164": "3164",
             "\n": "↵", "\t": "→", "\u0301": "◌\u0301", "\xa0": "␣"}  # fmt: skip
    # Of \r\n the newline is mark enough.
    assert texts[HOSTILE.index("\r")] == "\xa0"
    for symbol, mark in marks.items():
        assert texts[HOSTILE.index(symbol)] == mark
    lefts = [glyph.left for glyph in glyphs if glyph.top == glyphs[0].top]
    assert lefts == sorted(lefts)  # nothing is put in another order
    get_control(page, "temperature").fill("1.5")
    click(page, "Write")
    read_written(page)
    assert page.evaluate("window.harm") is None


def test_it_lives_in_a_frame_without_an_address(net, new_page):
    page = new_page()
    page.set_content("<iframe width=800 height=700 sandbox='allow-scripts'></iframe>")
    page.evaluate(
        "html => { document.querySelector('iframe').srcdoc = html }", render(net)
    )
    frame = page.frame_locator("iframe")
    unit = frame.get_by_role("spinbutton", name="unit")
    before = unit.input_value()
    frame.get_by_role("button", name="Next unit").click()
    page.wait_for_timeout(400)  # the address is written after a moment
    assert unit.input_value() != before
    assert "The" in frame.get_by_role("application").inner_text().replace("\n", "")
    frame.get_by_role("button", name="Write").click()
    writing = frame.get_by_label("written: As it is")
    for _ in range(500):
        if writing.count() and writing.inner_text().strip():
            return
        page.wait_for_timeout(20)
    raise AssertionError("nothing was written")
