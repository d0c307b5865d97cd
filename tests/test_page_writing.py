"""The page in a browser: the model in it writes."""

import numpy as np
import pytest
from pages import (
    TEXT,
    click,
    get_control,
    make_net,
    read_levels,
    read_writing,
    read_written,
    set_writing,
)

import charlm

CONTINUE = "Continue the text from the marked character"


def write_greedily(net, prompt):
    lm, params, activations = net
    return charlm.generate(
        (lm, params, activations.vocab),
        prompt,
        length=60,
        sampling=charlm.SamplingParams(temperature=0.0),
    )


@pytest.mark.parametrize("prompt", ["The ", ""])
def test_greedy_writing_is_that_of_charlm(net, open_page, prompt):
    lm, params, activations = net
    page = open_page(net)
    set_writing(page)
    get_control(page, "after").fill(prompt)
    click(page, "Write")
    expected = write_greedily(net, prompt)
    assert read_written(page, prompt=False) == expected
    assert read_written(page) == prompt + expected


def test_it_continues_the_text_from_the_marked_character(net, open_page):
    lm, params, activations = net
    page = open_page(net, "#at=400")
    set_writing(page)
    click(page, CONTINUE)
    expected = write_greedily(net, TEXT[:401])
    assert read_written(page, prompt=False) == expected
    assert read_written(page).startswith(TEXT[401 - 48 : 401])


def test_a_held_unit_writes_otherwise_beside_the_same(net, open_page):
    page = open_page(net, "#layer=0&unit=1&signal=tanh_c&at=50")
    set_writing(page, temperature="1", length="120")
    click(page, CONTINUE)
    free = read_written(page)
    get_control(page, "hold unit 1 of layer 0").check()
    click(page, CONTINUE)
    assert read_written(page, 0) == free
    assert read_written(page, 1) != free
    c = net[2].get_values("layer_0/c", 1)
    slider = get_control(page, "The value at which the unit is held")
    value = float(slider.input_value())
    assert abs(value) == pytest.approx(abs(c).max(), abs=0.02)
    titles = page.get_by_role("heading", level=3).all_inner_texts()
    assert titles[0] == "As it is" and titles[1].startswith("Unit 1 held at c = ")

    def read_new_levels():
        return read_levels([g for g in read_writing(page, 1) if not g.underline])

    assert read_new_levels().tolist() == [round(32 * np.tanh(value))] * 120
    page.keyboard.press("]")  # what is written takes the colors of another unit
    assert len(set(read_new_levels())) > 5


def test_the_seed_decides_what_is_drawn(net, open_page):
    page = open_page(net)
    set_writing(page, temperature="1")
    texts = []
    for seed in ("1", "2", "1"):
        get_control(page, "seed").fill(seed)
        click(page, "Write")
        texts.append(read_written(page))
    assert texts[0] == texts[2] != texts[1]


def test_unknown_characters_of_a_prompt_are_named_and_nothing_is_lost(net, open_page):
    page = open_page(net)
    set_writing(page, length="5")
    get_control(page, "after").fill("The")
    click(page, "Write")
    before = read_written(page)
    get_control(page, "after").fill("Thé \u202e!")
    click(page, "Write")
    message = page.get_by_role("alert").inner_text()
    assert "“é” (U+00E9)" in message and "“202E” (U+202E)" in message
    assert "“!”" in message
    assert read_written(page) == before
    assert get_control(page, "after").input_value() == "Thé \u202e!"


def test_writing_can_be_stopped(net, open_page):
    page = open_page(net)
    set_writing(page, length="2000")
    click(page, "Write")
    click(page, "Stop")
    assert 0 <= len(read_written(page)) < 2000
    assert not page.get_by_role("button", name="Stop").is_visible()


def test_a_carriage_return_is_written_as_it_is_shown(open_page):
    page = open_page(make_net("a\rb\r\nc\r\n" * 20), "#at=11")
    set_writing(page, length="1")
    click(page, CONTINUE)
    texts = [glyph.text for glyph in read_writing(page)]
    assert texts[:8] == ["a", "←", "b", " ", "↵\n", "c", " ", "↵\n"]


def test_a_number_is_as_high_as_its_neighbors(open_page):
    page = open_page(make_net("a\u200bb " * 20), "#at=40")
    set_writing(page, length="1")
    click(page, CONTINUE)
    tops, bottoms = zip(
        *((g.top, g.bottom) for g in read_writing(page)[:3]), strict=True
    )
    for ends in (tops, bottoms):
        assert max(ends) - min(ends) < 1.5
