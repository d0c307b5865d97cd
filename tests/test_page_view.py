"""The page in a browser: what it shows of a text."""

import numpy as np
import pytest
from draws import draw_params
from pages import (
    CHANCE_SCALE,
    HOSTILE,
    RESULTS,
    SURPRISE_SCALE,
    TEXT,
    character_panel,
    click,
    get_control,
    make_net,
    marked_box,
    read_characters,
    read_guesses,
    read_levels,
    read_written,
    set_writing,
    stored_levels,
    text_box,
)

from charlm.data.vocab import Vocab
from charlm.interpret.activations import Activations
from charlm.model.lm import make_language_model

VIEWS = pytest.mark.parametrize("view", ["dense", "guesses"])


@VIEWS
def test_colors_are_those_of_the_values(net, open_page, view):
    page = open_page(net, f"#view={view}&layer=0&unit=2&signal=h")
    levels = read_levels(read_characters(page))
    assert len(levels) > 100
    expected = stored_levels(net[2], "layer_0/h", 2)[: len(levels)]
    np.testing.assert_array_equal(levels, expected)


def test_guesses_stand_below_in_the_red_of_their_chance(net, open_page):
    columns = read_guesses(open_page(net, "#view=guesses"))
    activations = net[2]
    marks = {"\n": "↵", "\t": "→", " ": "·"}
    for t in (0, 5, 40):
        expected = []
        for k in range(5):
            chance = round(activations.top_k_probs[t, k] / 65.535) / 1000
            symbol = activations.vocab.symbols[activations.top_k_ids[t, k]]
            if chance >= 0.001:
                level = int(np.floor(32 * chance**0.6 + 0.5))
                expected.append((marks.get(symbol, symbol), level))
        guesses = columns[t][1]
        levels = read_levels(guesses, CHANCE_SCALE)
        assert [(g.text, n) for g, n in zip(guesses, levels, strict=True)] == expected


def test_surprise_and_chance_color_too(net, open_page):
    page = open_page(net, "#by=surprise")
    nats = net[2].nats[1:40]
    levels = read_levels(read_characters(page)[1:40], SURPRISE_SCALE)
    np.testing.assert_allclose(levels, 32 * np.minimum(nats, 6) / 6, atol=0.51)
    get_control(page, "color by").select_option("chance")
    levels = read_levels(read_characters(page)[1:40], CHANCE_SCALE)
    np.testing.assert_allclose(levels, 32 * np.exp(-nats) ** 0.6, atol=0.52)


@pytest.mark.parametrize("cell", ["lstm", "gru", "rnn"])
def test_gates_are_computed_as_the_model_had_them(open_page, cell):
    # Weights that let c be large beside the steps of 1/32 in which the page has tanh c.
    net = make_net(cell=cell, scale=0.4)
    activations = net[2]
    page = open_page(net, "#layer=1&unit=4&signal=h&at=30")

    def real(label):
        return activations.get_values(f"layer_1/{label.replace(' ', '_')}", 4)

    choice = get_control(page, "signal")
    labels = choice.get_by_role("option").all_inner_texts()
    assert {f"layer_1/{label.replace(' ', '_')}" for label in labels} == {
        name for name in activations.signals if name.startswith("layer_1/")
    }
    for label in labels:
        choice.select_option(label=label)
        levels, values = read_levels(read_characters(page)), real(label)
        if label in "iforz":
            values = 2 * values - 1
        elif label == "c":
            values = values / abs(values).max()
        np.testing.assert_allclose(levels, 32 * values[: len(levels)], atol=2)
    panel = character_panel(page).inner_text().partition("Unit 4 of layer 1")[2]
    lines = panel.partition("Select from here")[0].split("\n")
    lines = [line for line in lines if line.strip()]
    labels, values = lines[::2], lines[1::2]
    assert len(labels) == len(values) >= {"lstm": 6, "gru": 4, "rnn": 1}[cell]
    for label, value in zip(labels, values, strict=True):
        assert abs(float(value.replace("−", "-")) - real(label)[30]) < 0.06


def test_wide_characters_have_two_columns(open_page):
    glyphs = read_characters(open_page(make_net(HOSTILE)))
    widths = [glyph.right - glyph.left for glyph in glyphs]
    columns = {"\u4e2d": 2, "\U0001f600": 2, "\u05e9": 1, "\u202e": 4}
    for symbol, count in columns.items():
        assert widths[HOSTILE.index(symbol)] == count * widths[0]


def test_bytes_are_shown_by_number_where_they_are_no_characters(open_page):
    text = "é a \n" * 20
    page = open_page(make_net(text, vocab=Vocab.of(text, "byte"), layers=1))
    glyphs = read_characters(page)
    row = [g.text.strip() for g in glyphs if g.top == glyphs[0].top]
    assert row == ["C3", "A9", "", "a", "", "↵"]
    page.mouse.click(glyphs[1].left + 3, glyphs[1].top + 3)
    assert "byte 0xA9" in character_panel(page).inner_text()
    layer = page.get_by_role("combobox", name="layer", include_hidden=True)
    assert not layer.is_visible()  # there is one
    set_writing(page, length="8")
    get_control(page, "after").fill("é")
    click(page, "Write")
    assert read_written(page).startswith("C3A9")


@pytest.mark.parametrize("width", [320, 380, 1280])
@VIEWS
def test_nothing_sticks_out(net, open_page, width, view):
    page = open_page(net, f"#view={view}&select=3-9", width=width, unit_results=RESULTS)
    get_control(page, "hold unit 3 of layer 1").check()
    get_control(page, "length").fill("150")
    click(page, "Continue the text from the marked character")
    read_written(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert text_box(page).evaluate("e => e.scrollWidth") <= width
    assert max(glyph.right for glyph in read_characters(page)) <= width


def test_of_a_long_text_few_elements_are_in_the_document(open_page):
    length, features, layers = 20_000, 512, 3
    vocab = Vocab.of("\n" + "".join(map(chr, range(32, 127))))
    text = ("The cat sat on a mat, and ran to the sea.\n" * 500)[:length]
    lm = make_language_model(
        vocab_size=len(vocab), cell="lstm", layers=layers, features=features
    )
    params = draw_params(lm)
    dtypes = {"h": np.int8, "c": np.int16}
    signals = {
        f"layer_{n}/{name}": np.full((length, features), 40 * n, dtype)
        for n in range(layers)
        for name, dtype in dtypes.items()
    }
    activations = Activations(
        vocab=vocab, cell="lstm", layers=layers, features=features,
        ids=vocab.encode(text), signals=signals,
        scales={name: 1 / 256 if name.endswith("c") else 1 / 127 for name in signals},
        top_k_ids=np.zeros((length, 5), np.uint8),
        top_k_probs=np.full((length, 5), 9000, np.uint16),
        nats=np.full(length, 1.5, np.float32),
    )  # fmt: skip
    link = "#layer=2&unit=511&signal=h&view=guesses"
    page = open_page((lm, params, activations), link)
    for key in ("Control+End", "Control+Home", "PageDown"):
        text_box(page).focus()
        page.keyboard.press(key)
        page.wait_for_timeout(100)
        assert page.locator("*").count() < 8000
        assert marked_box(page)["count"] == 1
    assert set(read_levels(read_characters(page))) == {round(32 * 80 / 127)}


@VIEWS
def test_a_carriage_return_is_seen_only_where_it_is_alone(open_page, view):
    page = open_page(make_net("a\rb\r\nc\r\n" * 20), f"#view={view}")
    texts = [glyph.text for glyph in read_characters(page)]
    assert texts[:8] == ["a", "←", "b", "\xa0", "↵", "c", "\xa0", "↵"]
    if view == "guesses":
        guesses = {guess.text for _, below in read_guesses(page) for guess in below}
        assert "←" in guesses and "CR" not in guesses


def test_a_guess_whose_number_has_no_room_is_not_cut(open_page):
    page = open_page(make_net("a\u200bb \u200b" * 20), "#view=guesses")
    for glyph, below in read_guesses(page):
        guesses = [guess.text for guess in below]
        assert ("200B" if glyph.text == "200B" else "▯") in guesses, glyph.text
        assert glyph.text == "200B" or "200B" not in guesses


def test_a_short_text_has_a_short_box(net, open_page):
    page = open_page(make_net("The cat.\nIt sat."))
    assert text_box(page).bounding_box()["height"] < 100
    assert text_box(open_page(net)).bounding_box()["height"] > 300


@VIEWS
def test_the_frame_of_the_first_and_last_character_is_whole(net, open_page, view):
    page = open_page(net, f"#view={view}", width=380)
    for key in ("Control+End", "Control+Home"):
        text_box(page).focus()
        page.keyboard.press(key)
        frame, box = marked_box(page), text_box(page).bounding_box()
        assert box["y"] + 3 <= frame["top"], key
        assert frame["bottom"] + 2 <= box["y"] + box["height"], key
        assert box["x"] + 3 <= frame["left"]


def test_it_opens_at_the_top_of_a_row(net, open_page):
    page = open_page(net, start=len(TEXT) // 2)
    box = text_box(page).bounding_box()
    bottoms = {glyph.bottom for glyph in read_characters(page)}
    assert min(bottoms) < box["y"]  # it is scrolled
    assert not [y for y in bottoms if 0 < y - box["y"] < 20]
