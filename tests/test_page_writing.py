"""The page in a browser: the model in it writes."""

import numpy as np
import pytest
from pages import TEXT, settings, traced, written

from charlm.generation.stream import sample


@pytest.mark.parametrize("prompt", ["The ", ""])
def test_greedy_writing_is_that_of_charlm(net, shown, prompt):
    lm, params, seen = net
    opened = shown(net)
    settings(opened)
    opened.fill("#prompt", prompt)
    opened.click("#go")
    [wanted] = sample(lm, params, seen.vocab, prompt=prompt, length=60, temperature=0)
    assert written(opened, given=False) == wanted
    assert written(opened) == prompt + wanted


def test_it_continues_the_text_from_the_marked_character(net, shown):
    lm, params, seen = net
    opened = shown(net, "#at=400")
    settings(opened)
    opened.click("#continue")
    [wanted] = sample(
        lm, params, seen.vocab, prompt=TEXT[:401], length=60, temperature=0
    )
    assert written(opened, given=False) == wanted
    assert written(opened).startswith(TEXT[401 - 48 : 401])


def test_a_held_unit_writes_otherwise_beside_the_same(net, shown):
    opened = shown(net, "#layer=0&unit=1&signal=tanh_c&at=50")
    settings(opened, temperature="1", length="120")
    opened.click("#continue")
    free = written(opened)
    opened.check("#hold")
    opened.click("#continue")
    assert written(opened, 0) == free
    assert written(opened, 1) != free
    c = net[2].real("layer_0/c", 1)
    value = float(opened.input_value("#value"))
    assert abs(value) == pytest.approx(abs(c).max(), abs=0.02)
    assert opened.locator("h3").all_inner_texts()[1].startswith("Unit 1 held at c = ")
    level = round(32 * np.tanh(value)) + 32
    spans = opened.locator("#written pre").nth(1).locator("span:not(.given)")
    names = spans.evaluate_all("all => all.map(e => e.className)")
    assert len(names) == 120 and all(f"u{level}" in name.split() for name in names)
    opened.keyboard.press("]")  # what is written takes the colours of another unit
    names = spans.evaluate_all("all => all.map(e => e.className)")
    assert len(set(names)) > 5


def test_the_seed_decides_what_is_drawn(net, shown):
    opened = shown(net)
    settings(opened, temperature="1")
    texts = []
    for seed in ("1", "2", "1"):
        opened.fill("#seed", seed)
        opened.click("#go")
        texts.append(written(opened))
    assert texts[0] == texts[2] != texts[1]


def test_unknown_characters_of_a_prompt_are_named_and_nothing_is_lost(net, shown):
    opened = shown(net)
    settings(opened, length="5")
    opened.fill("#prompt", "The")
    opened.click("#go")
    before = written(opened)
    opened.fill("#prompt", "Thé \u202e!")
    opened.click("#go")
    said = opened.inner_text("#wrong")
    assert "“é” (U+00E9)" in said and "“202E” (U+202E)" in said and "“!”" in said
    assert written(opened) == before and opened.input_value("#prompt") == "Thé \u202e!"


def test_writing_can_be_stopped(net, shown):
    opened = shown(net)
    settings(opened, length="2000")
    opened.click("#go")
    opened.click("#stop")
    assert 0 <= len(written(opened)) < 2000
    assert not opened.locator("#stop").is_visible()


def test_a_carriage_return_is_written_as_it_is_shown(shown):
    opened = shown(traced("a\rb\r\nc\r\n" * 20), "#at=11")
    settings(opened, length="1")
    opened.click("#continue")
    written(opened)
    spans = opened.locator("#written span")
    texts = spans.evaluate_all("all => all.map(e => e.textContent)")
    assert texts[:8] == ["a", "←", "b", " ", "↵\n", "c", " ", "↵\n"]


def test_a_number_is_as_high_as_its_neighbours(shown):
    opened = shown(traced("a\u200bb " * 20), "#at=40")
    settings(opened, length="1")
    opened.click("#continue")
    written(opened)
    spans = opened.locator("#written span")
    ends = spans.evaluate_all(
        "all => all.slice(0, 3).map(e => e.getBoundingClientRect())"
        ".map(box => [box.top, box.bottom])"
    )
    for end in (0, 1):
        assert max(e[end] for e in ends) - min(e[end] for e in ends) < 1.5
