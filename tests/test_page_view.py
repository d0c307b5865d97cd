"""The page in a browser: what it shows of a text."""

import re

import jax
import numpy as np
import pytest
from pages import (
    CELLS,
    HOSTILE,
    TEXT,
    cells_of,
    colors_of,
    levels_of,
    settings,
    traced,
    written,
)

from charlm.data.vocab import Vocab
from charlm.interpret.activations import Activations
from charlm.model.lm import make_language_model


@pytest.mark.parametrize("view, inner", [("dense", ""), ("guesses", "b")])
def test_colours_are_those_of_the_values(net, shown, view, inner):
    opened = shown(net, f"#view={view}&layer=0&unit=2&signal=h")
    found = colors_of(opened, inner)
    assert len(found) > 100
    levels = levels_of(net[2], "layer_0/h", 2)[: len(found)] + 32
    np.testing.assert_array_equal(found, levels)


def test_guesses_stand_below_in_the_red_of_their_chance(net, shown):
    opened = shown(net, "#view=guesses")
    seen = net[2]
    for t in (0, 5, 40):
        cell = opened.locator(".row .ch").nth(t)
        found = cell.locator("i").evaluate_all(
            "all => all.map(e => [e.textContent, e.className])"
        )
        wanted = []
        for k in range(5):
            chance = round(seen.chances[t, k] / 65.535) / 1000
            symbol = seen.vocab.symbols[seen.guesses[t, k]]
            symbol = {"\n": "↵", "\t": "→", " ": "·"}.get(symbol, symbol)
            if chance >= 0.001:
                wanted.append((symbol, f"p{int(np.floor(32 * chance**0.6 + 0.5))}"))
        assert [text for text, _ in found] == [text for text, _ in wanted]
        assert [name.split()[-1] for _, name in found] == [name for _, name in wanted]


def test_surprise_and_chance_colour_too(net, shown):
    opened = shown(net, "#by=surprise")
    nats = net[2].nats[1:40]
    found = [int(re.search(r"\bs(\d+)", c)[1]) for c in cells_of(opened)[1:40]]
    np.testing.assert_allclose(found, 32 * np.minimum(nats, 6) / 6, atol=0.51)
    opened.select_option("#by", "chance")
    found = [int(re.search(r"\bp(\d+)", c)[1]) for c in cells_of(opened)[1:40]]
    np.testing.assert_allclose(found, 32 * np.exp(-nats) ** 0.6, atol=0.52)


@pytest.mark.parametrize("cell", ["lstm", "gru", "rnn"])
def test_gates_are_computed_as_the_model_had_them(shown, cell):
    net = traced(cell=cell)
    seen, opened = net[2], shown(net, "#layer=1&unit=4&signal=h&at=30")
    offered = opened.locator("#signal option").evaluate_all("o => o.map(e => e.value)")
    assert {f"layer_1/{name}" for name in offered} == {
        n for n in seen.signals if "_1" in n
    }
    for name in offered:
        opened.select_option("#signal", name)
        real = seen.real(f"layer_1/{name}", 4)
        found = np.array(colors_of(opened)) - 32
        if name in "iforz":
            real = 2 * real - 1
        elif name == "c":
            real = real / abs(real).max()
        np.testing.assert_allclose(found, 32 * real[: len(found)], atol=2)
    said = dict(
        opened.locator("#dials li").evaluate_all(
            "all => all.map(e => [e.firstChild.textContent, e.lastChild.textContent])"
        )
    )
    for name, value in said.items():
        real = seen.real(f"layer_1/{name.replace(' ', '_')}", 4)[30]
        assert abs(float(value.replace("−", "-")) - real) < 0.06


def test_wide_characters_have_two_columns(shown):
    opened = shown(traced(HOSTILE))
    widths = opened.locator(".ch").evaluate_all(
        "all => all.map(e => e.getBoundingClientRect().width)"
    )
    one = widths[0]
    for symbol, columns in {
        "\u4e2d": 2,
        "\U0001f600": 2,
        "\u05e9": 1,
        "\u202e": 4,
    }.items():
        assert widths[HOSTILE.index(symbol)] == columns * one


def test_bytes_are_shown_by_number_where_they_are_no_characters(shown):
    text = "é a \n" * 20
    lm, params, seen = traced(text, vocab=Vocab.of(text, "byte"), layers=1)
    opened = shown((lm, params, seen))
    read = opened.locator(".row").first.locator(".ch").all_inner_texts()
    assert [c.strip() for c in read] == ["C3", "A9", "", "a", "", "↵"]
    opened.locator(".ch").nth(1).click()
    assert opened.inner_text("#code").startswith("byte 0xA9")
    assert not opened.locator("#layer").is_visible()  # there is one
    settings(opened, length="8")
    opened.fill("#prompt", "é")
    opened.click("#go")
    assert written(opened).startswith("C3A9")


@pytest.mark.parametrize("width", [320, 380, 1280])
@pytest.mark.parametrize("view", ["dense", "guesses"])
def test_nothing_sticks_out(net, shown, width, view):
    opened = shown(net, f"#view={view}&select=3-9", width=width, cells=CELLS)
    opened.check("#hold")
    opened.fill("#length", "150")
    opened.click("#continue")
    written(opened)
    assert opened.evaluate("document.documentElement.scrollWidth") <= width
    assert opened.evaluate("document.getElementById('text').scrollWidth") <= width
    ends = opened.locator(".ch").evaluate_all(
        "all => Math.max(...all.map(e => e.getBoundingClientRect().right))"
    )
    assert ends <= width


def test_of_a_long_text_few_elements_are_in_the_document(shown):
    length, features, layers = 20_000, 512, 3
    vocab = Vocab.of("\n" + "".join(map(chr, range(32, 127))))
    text = ("The cat sat on a mat, and ran to the sea.\n" * 500)[:length]
    lm = make_language_model(
        vocab_size=len(vocab), cell="lstm", layers=layers, features=features
    )
    params = lm.init(jax.random.key(0))
    kinds = {"h": np.int8, "c": np.int16}
    signals = {
        f"layer_{n}/{name}": np.full((length, features), 40 * n, dtype)
        for n in range(layers)
        for name, dtype in kinds.items()
    }
    seen = Activations(
        vocab=vocab, cell="lstm", layers=layers, features=features,
        ids=vocab.encode(text), signals=signals,
        scales={name: 1 / 256 if name.endswith("c") else 1 / 127 for name in signals},
        guesses=np.zeros((length, 5), np.uint8),
        chances=np.full((length, 5), 9000, np.uint16),
        nats=np.full(length, 1.5, np.float32),
    )  # fmt: skip
    opened = shown((lm, params, seen), "#layer=2&unit=511&signal=h&view=guesses")
    for move in ("Control+End", "Control+Home", "PageDown"):
        opened.focus("#text")
        opened.keyboard.press(move)
        opened.wait_for_timeout(100)
        assert opened.locator("*").count() < 8000
        assert opened.locator("#caret").is_visible()
    assert set(colors_of(opened, "b")) == {32 + round(32 * 80 / 127)}


@pytest.mark.parametrize("view, inner", [("dense", ""), ("guesses", " b")])
def test_a_carriage_return_is_seen_only_where_it_is_alone(shown, view, inner):
    text = "a\rb\r\nc\r\n" * 20
    opened = shown(traced(text), f"#view={view}")
    read = opened.locator(f".ch{inner}").evaluate_all("a => a.map(e => e.textContent)")
    assert read[:8] == ["a", "←", "b", "\xa0", "↵", "c", "\xa0", "↵"]
    if view == "guesses":
        guesses = opened.locator(".ch i").evaluate_all("a => a.map(e => e.textContent)")
        assert "←" in guesses and "CR" not in guesses


def test_a_guess_whose_number_has_no_room_is_not_cut(shown):
    opened = shown(traced("a\u200bb \u200b" * 20), "#view=guesses")
    rows = opened.locator(".ch").evaluate_all(
        """all => all.map(e => [e.firstChild.textContent,
             [...e.querySelectorAll("i")].map(i => i.textContent)])"""
    )
    for symbol, guesses in rows:
        assert ("200B" if symbol == "200B" else "▯") in guesses, symbol
        assert symbol == "200B" or "200B" not in guesses


def test_a_short_text_has_a_short_box(net, shown):
    box = "#text"
    opened = shown(traced("The cat.\nIt sat."))
    assert opened.locator(box).bounding_box()["height"] < 100
    opened = shown(net)
    assert opened.locator(box).bounding_box()["height"] > 300


@pytest.mark.parametrize("view", ["dense", "guesses"])
def test_the_frame_of_the_first_and_last_character_is_whole(net, shown, view):
    opened = shown(net, f"#view={view}", width=380)
    for key in ("Control+End", "Control+Home"):
        opened.focus("#text")
        opened.keyboard.press(key)
        frame = opened.locator("#caret").bounding_box()
        box = opened.locator("#text").bounding_box()
        assert box["y"] + 3 <= frame["y"], key
        assert frame["y"] + frame["height"] + 2 <= box["y"] + box["height"], key
        assert box["x"] + 3 <= frame["x"]


def test_it_opens_at_the_top_of_a_row(net, shown):
    opened = shown(net, start=len(TEXT) // 2)
    box = opened.locator("#text").bounding_box()
    rows = opened.locator(".row .ch:first-child").evaluate_all(
        "all => all.map(e => e.getBoundingClientRect().bottom)"
    )
    assert opened.evaluate("document.getElementById('text').scrollTop") > 0
    assert not [y for y in rows if 0 < y - box["y"] < 20]
