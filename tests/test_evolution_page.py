"""The page of an evolution: what stands in it, and how it behaves in a real browser."""

import json
import re

import pytest

from experiments.evolution.page import (
    LINE_END,
    PACE,
    Sample,
    beginning,
    page,
    parse_samples,
    pieces,
    words_of,
)

HOSTILE = (
    "</script><script>window.harm = 1</script> <img src=x onerror='window.harm = 1'>"
    " <!-- &lt; &amp; {{data}} \u202eright to left\u202c \u05e9\u05dc\u05d5\u05dd"
    " \u0627\u0644 \x00\x07\x1b[31m \u2028 \U0001f600 'tis the end."
)
KNOWN = {"the", "end", "right", "to", "left", "one", "line", "two"}


def made_page(samples, **given):
    """The page of samples on which nothing but their texts is of interest."""
    curve = [(sample.step, sample.valid) for sample in samples]
    defaults = {
        "known": KNOWN,
        "shares": [n / len(samples) for n in range(len(samples))],
        "losses": {"train": curve, "valid": curve},
        "marked": (100, 300),
        "length": 300,
        "about": "About <b>nothing</b>.",
    }
    return page(samples, **defaults | given)


def data_of(html):
    [text] = re.findall(
        r'<script type="application/json" id="data">(.*)</script>', html
    )
    return json.loads(text)


def five(text="the end of line {}, two\n\nor one. "):
    return [Sample(100 * n, 3.0 - n / 2, text.format(n) * (2 * n)) for n in range(1, 6)]


def test_samples_are_read_as_they_were_written():
    written = (
        "=== step 100, epoch 0.04, valid 2.3691 nats/char, temperature 0.8 ===\n"
        "\n=== not a head ===\n\nend\n\n\n"
        "=== step 200, epoch 0.08, temperature 1e-05 ===\nb\n\n"
    )
    first, second = parse_samples(written)
    assert first == (100, 2.3691, "\n=== not a head ===\n\nend\n")
    assert second.step == 200 and second.valid != second.valid and second.text == "b"


def test_a_word_that_the_end_may_cut_does_not_count():
    assert words_of("The Cat's l'été, x1y ca") == ["the", "cat's", "l'été", "x", "y"]
    assert words_of("ca.") == ["ca"]


def test_every_second_piece_is_an_unknown_word():
    text = "The End, teh End of teh"
    assert pieces(text, {"the", "end"}) == ["The End, ", "teh", " End ", "of", " teh"]
    assert "".join(pieces(HOSTILE, KNOWN)) == HOSTILE


def test_a_beginning_ends_with_a_whole_word():
    assert beginning("one two three", 9) == "one two"
    assert beginning("one two three", 7) == "one two"
    assert beginning("one two", 7) == "one two"
    assert beginning("onetwothree", 5) == "onetw"
    assert beginning("one\ntwo three", 4 + LINE_END) == "one"


def test_the_data_can_end_no_script_and_comes_back_whole():
    html = made_page([Sample(100, 2.0, HOSTILE)])
    assert html.count("</script>") == 2 and "<img" not in html
    read = "".join(data_of(html)["samples"][0]["pieces"])
    assert read.startswith("</script><script>") and "{{data}}" in read
    assert not set("\u202e\u202c\x00\x07\x1b\u2028") & set(read)


def test_the_page_allows_itself_nothing_from_elsewhere():
    html = made_page(five())
    assert "default-src 'none'" in html
    assert not re.search(
        r"https?://(?!www\.w3\.org/2000/svg)|\bsrc=|@import|url\(", html
    )


@pytest.fixture
def shown(new_page, tmp_path):
    """(samples, link, width) -> the page opened; nothing may go wrong in it."""

    def show(samples, link="", width=1000, **given):
        path = tmp_path / "page.html"
        path.write_text(made_page(samples, **given))
        opened = new_page(viewport={"width": width, "height": 700})
        opened.clock.install()
        opened.goto(f"{path.as_uri()}{link}")
        return opened

    return show


def at(opened):
    """The step that a page stands at; its sample, slider and address agree on it."""
    step = opened.inner_text("#step").replace(",", "")
    assert opened.input_value("#slider") == step
    [article] = opened.locator("article.shown").all()
    assert f"line {int(step) // 100}," in article.inner_text()
    return int(step)


def test_keys_slider_and_buttons_go_through_the_samples(shown):
    opened = shown(five())
    assert at(opened) == 100
    for key, step in [("Right", 200), ("Left", 100), ("Left", 100)]:
        opened.keyboard.press(f"Arrow{key}")
        assert at(opened) == step
    opened.fill("#slider", "290")  # to the nearest sample
    assert at(opened) == 300
    keys = ("ArrowUp", 400), ("End", 500), ("ArrowRight", 500), ("Home", 100)
    for key, step in keys:
        opened.press("#slider", key)
        assert at(opened) == step
    buttons = opened.locator("#ticks button")
    assert buttons.all_inner_texts() == ["100", "300"]
    buttons.nth(1).click()
    assert at(opened) == 300 and opened.url.endswith("#300")
    assert opened.inner_text("#loss") == "1.50" and opened.inner_text("#known") == "40%"


def test_it_plays_to_the_end_and_can_be_stopped(shown):
    opened = shown(five())
    opened.keyboard.press(" ")
    assert at(opened) == 200
    opened.clock.run_for(2 * PACE)
    assert at(opened) == 400
    opened.click("#play")
    opened.clock.run_for(5 * PACE)
    assert at(opened) == 400
    opened.click("#play")
    opened.clock.run_for(5 * PACE)
    assert at(opened) == 500
    assert opened.get_attribute("#play", "aria-pressed") == "false"
    opened.click("#play")  # once more, from the start
    assert at(opened) == 100
    opened.keyboard.press("ArrowRight")
    opened.clock.run_for(5 * PACE)
    assert at(opened) == 200


def test_a_link_restores_the_view(shown):
    assert at(shown(five(), "#300")) == 300
    opened = shown(five(), "#'><img src=x>")
    assert at(opened) == 100
    opened.evaluate("location.hash = '#999'")
    opened.wait_for_function("document.getElementById('step').textContent === '500'")
    assert at(opened) == 500


@pytest.mark.parametrize("width", [320, 1000])
def test_nothing_jumps_and_nothing_sticks_out(shown, width):
    opened = shown(five(), width=width)
    places = set()
    for _ in range(5):
        for part in ("#slider", "#losses", "footer"):
            box = opened.locator(part).bounding_box()
            places.add((part, box["x"], box["y"], box["width"]))
        opened.keyboard.press("ArrowRight")
    assert at(opened) == 500 and len(places) == 3
    assert opened.evaluate("document.documentElement.scrollWidth") <= width
    ends = opened.locator("#ticks").evaluate(
        "e => [e.getBoundingClientRect().left, e.getBoundingClientRect().right]"
    )
    assert 0 < ends[0] < ends[1] < width


def test_hostile_text_stays_text(shown):
    opened = shown([Sample(100, 2.0, HOSTILE)])
    assert opened.evaluate("window.harm") is None
    assert opened.locator("img, b, body > script").count() == 2  # the page's own two
    read = opened.locator("article.shown").inner_text()
    assert read.startswith("</script><script>window.harm = 1</script> <img src=x")
    assert "\u05e9\u05dc\u05d5\u05dd" in read and "\u202e" not in read
    strange = opened.locator("article.shown .strange").all_inner_texts()
    assert "tis" in strange and "script" in strange and "right" not in strange
    assert opened.inner_text("#about") == "About <b>nothing</b>."


def test_one_sample_and_equal_losses_make_a_page_too(shown):
    opened = shown(five()[:1])
    opened.keyboard.press(" ")
    opened.clock.run_for(3 * PACE)
    assert at(opened) == 100
