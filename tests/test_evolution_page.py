"""The page of an evolution: what stands in it, and how it behaves in a real browser."""

import datetime
import json
import re

import pytest
from pages import read_glyphs, until

from experiments.evolution.page import (
    LINE_END,
    SAMPLE_MILLISECONDS,
    Sample,
    list_words,
    make_page,
    parse_samples,
    split_at_unknown,
    truncate,
)

HOSTILE = (
    "</script><script>window.harm = 1</script> <img src=x onerror='window.harm = 1'>"
    " <!-- &lt; &amp; {{data}} \u202eright to left\u202c \u05e9\u05dc\u05d5\u05dd"
    " \u0627\u0644 \x00\x07\x1b[31m \u2028 \U0001f600 'tis the end."
)
KNOWN = {"the", "end", "right", "to", "left", "one", "line", "two"}


def render(samples, **options):
    """The page of samples on which nothing but their texts is of interest."""
    curve = [(sample.step, sample.valid) for sample in samples]
    defaults = {
        "known_words": KNOWN,
        "shares": [n / len(samples) for n in range(len(samples))],
        "losses": {"train": curve, "valid": curve},
        "marked_steps": (100, 300),
        "length": 300,
        "about": "About <b>nothing</b>.",
    }
    return make_page(samples, **defaults | options)


def read_data(html):
    [text] = re.findall(
        r'<script type="application/json" id="data">(.*)</script>', html
    )
    return json.loads(text)


def make_samples(text="the end of line {}, two\n\nor one. "):
    return [Sample(100 * n, 3.0 - n / 2, text.format(n) * (2 * n)) for n in range(1, 6)]


def test_samples_are_read_as_they_were_written():
    text = (
        "=== step 100, epoch 0.04, valid 2.3691 nats/char, temperature 0.8 ===\n"
        "\n=== not a head ===\n\nend\n\n\n"
        "=== step 200, epoch 0.08, temperature 1e-05 ===\nb\n\n"
    )
    first, second = parse_samples(text)
    assert first == (100, 2.3691, "\n=== not a head ===\n\nend\n")
    assert second.step == 200 and second.valid != second.valid and second.text == "b"


def test_a_word_that_the_end_may_cut_does_not_count():
    assert list_words("The Cat's l'été, x1y ca") == ["the", "cat's", "l'été", "x", "y"]
    assert list_words("ca.") == ["ca"]


def test_every_second_piece_is_an_unknown_word():
    pieces = split_at_unknown("The End, teh End of teh", {"the", "end"})
    assert pieces == ["The End, ", "teh", " End ", "of", " teh"]
    assert "".join(split_at_unknown(HOSTILE, KNOWN)) == HOSTILE


def test_a_truncated_text_ends_with_a_whole_word():
    assert truncate("one two three", 9) == "one two"
    assert truncate("one two three", 7) == "one two"
    assert truncate("one two", 7) == "one two"
    assert truncate("onetwothree", 5) == "onetw"
    assert truncate("one\ntwo three", 4 + LINE_END) == "one"


def test_the_data_can_end_no_script_and_comes_back_whole():
    html = render([Sample(100, 2.0, HOSTILE)])
    assert html.count("</script>") == 2 and "<img" not in html
    text = "".join(read_data(html)["samples"][0]["pieces"])
    assert text.startswith("</script><script>") and "{{data}}" in text
    assert not set("\u202e\u202c\x00\x07\x1b\u2028") & set(text)


def test_the_page_allows_itself_nothing_from_elsewhere():
    html = render(make_samples())
    assert "default-src 'none'" in html
    assert not re.search(
        r"https?://(?!www\.w3\.org/2000/svg)|\bsrc=|@import|url\(", html
    )


@pytest.fixture
def open_samples(new_page, tmp_path):
    """(samples, link, width) -> the page opened; nothing may go wrong in it."""

    def open_samples(samples, link="", width=1000, **options):
        path = tmp_path / "page.html"
        path.write_text(render(samples, **options))
        page = new_page(viewport={"width": width, "height": 700})
        start = datetime.datetime(2026, 1, 1)
        page.clock.install(time=start)
        page.goto(f"{path.as_uri()}{link}")
        # From now on time stands still but for `run_for`, however slow the machine is.
        page.clock.pause_at(start + datetime.timedelta(hours=1))
        return page

    return open_samples


def slider(page):
    return page.get_by_role("slider", name="Step of training")


def play_button(page):
    return page.get_by_role("button", name=re.compile("Play|Pause"))


def read_step(page):
    """The step that a page stands at; its sample and slider agree on it."""
    step, _, _ = page.get_by_role("definition").all_inner_texts()
    step = step.replace(",", "")
    assert slider(page).input_value() == step
    [article] = page.get_by_role("article").all()  # the others are not visible
    assert f"line {int(step) // 100}," in article.inner_text()
    return int(step)


def test_keys_slider_and_buttons_go_through_the_samples(open_samples):
    page = open_samples(make_samples())
    assert read_step(page) == 100
    for key, step in [("Right", 200), ("Left", 100), ("Left", 100)]:
        page.keyboard.press(f"Arrow{key}")
        assert read_step(page) == step
    slider(page).fill("290")  # to the nearest sample
    assert read_step(page) == 300
    keys = ("ArrowUp", 400), ("End", 500), ("ArrowRight", 500), ("Home", 100)
    for key, step in keys:
        slider(page).press(key)
        assert read_step(page) == step
    assert [button.inner_text() for button in page.get_by_role("button").all()] == [
        "", "100", "300"
    ]  # fmt: skip
    page.get_by_role("button", name="300").click()
    assert read_step(page) == 300 and page.url.endswith("#300")
    assert page.get_by_role("definition").all_inner_texts() == ["300", "1.50", "40%"]


def test_it_plays_to_the_end_and_can_be_stopped(open_samples):
    page = open_samples(make_samples())
    page.keyboard.press(" ")
    assert read_step(page) == 200
    page.clock.run_for(2 * SAMPLE_MILLISECONDS)
    assert read_step(page) == 400
    play_button(page).click()
    page.clock.run_for(5 * SAMPLE_MILLISECONDS)
    assert read_step(page) == 400
    play_button(page).click()
    page.clock.run_for(5 * SAMPLE_MILLISECONDS)
    assert read_step(page) == 500
    assert play_button(page).get_attribute("aria-pressed") == "false"
    play_button(page).click()  # once more, from the start
    assert read_step(page) == 100
    page.keyboard.press("ArrowRight")
    page.clock.run_for(5 * SAMPLE_MILLISECONDS)
    assert read_step(page) == 200


def test_a_link_restores_the_view(open_samples):
    assert read_step(open_samples(make_samples(), "#300")) == 300
    page = open_samples(make_samples(), "#'><img src=x>")
    assert read_step(page) == 100
    page.evaluate("location.hash = '#999'")
    until(page, lambda: slider(page).input_value() == "500")
    assert read_step(page) == 500


@pytest.mark.parametrize("width", [320, 1000])
def test_nothing_jumps_and_nothing_sticks_out(open_samples, width):
    page = open_samples(make_samples(), width=width)
    places = set()
    for _ in range(5):
        parts = [slider(page), page.get_by_role("figure").first]
        for n, part in enumerate([*parts, page.get_by_role("contentinfo")]):
            box = part.bounding_box()
            places.add((n, box["x"], box["y"], box["width"]))
        page.keyboard.press("ArrowRight")
    assert read_step(page) == 500 and len(places) == 3
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    for name in ("100", "300"):
        box = page.get_by_role("button", name=name).bounding_box()
        assert 0 < box["x"] < box["x"] + box["width"] < width


def test_hostile_text_stays_text(open_samples):
    page = open_samples([Sample(100, 2.0, HOSTILE)])
    assert page.evaluate("window.harm") is None
    assert page.locator("img, b, script").count() == 2  # the page's own two scripts
    article = page.get_by_role("article")
    text = article.inner_text()
    assert text.startswith("</script><script>window.harm = 1</script> <img src=x")
    assert "\u05e9\u05dc\u05d5\u05dd" in text and "\u202e" not in text
    color = read_glyphs(page.get_by_text("Words in this color"))[0].ink
    unknown = {glyph.text for glyph in read_glyphs(article) if glyph.ink == color}
    assert {"tis", "script"} < unknown and "right" not in unknown
    assert "About <b>nothing</b>." in page.get_by_role("contentinfo").inner_text()


def test_one_sample_and_equal_losses_make_a_page_too(open_samples):
    page = open_samples(make_samples()[:1])
    page.keyboard.press(" ")
    page.clock.run_for(3 * SAMPLE_MILLISECONDS)
    assert read_step(page) == 100
