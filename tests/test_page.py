"""The page that looks inside: what stands in it, and how it behaves in a browser."""

import json
import re

import jax
import numpy as np
import pytest

from charlm.errors import UserError
from charlm.generation.stream import sample
from charlm.insight.page import as_json, page, sizes
from charlm.insight.trace import Trace, trace
from charlm.insight.weights import packed, unpacked
from charlm.model.lm import make_language_model
from charlm.text.vocab import Vocab

LINES = ["The cat sat,", '"I ran to the sea," he said.', "\tif (a) { b; }", ""]
TEXT = "\n".join(LINES[(n * 7919 >> 3) % 4] for n in range(60))
HOSTILE = (
    "</script><script>window.harm = 1</script> <img src=x onerror='window.harm = 1'>"
    " <!-- &lt; &amp; {{data}} {{scripts}} \u202eright to left\u202c \u05e9\u05dc\u05d5"
    " \u0627\u0644 \x00\x07\x1b[31m \u2028 \U0001f600 \u4e2d\u6587 e\u0301 a\u200bb"
    " \u200f \u061c \ufeff \u3164 \xa0 \r\n\t <script>window.harm = 1"
)
CELLS = [
    {"layer": 1, "unit": 3, "signal": "tanh_c", "label": "inside <b>quotes</b>",
     "score": 0.93, "passed": True, "sign": 1},
    {"layer": 0, "unit": 5, "signal": "h", "label": "position in the line",
     "score": -0.71, "passed": False, "sign": -1},
]  # fmt: skip


def traced(text=TEXT, cell="lstm", layers=2, features=8, vocab=None, seed=0):
    """(lm, params, trace) of a small net whose units move; params are as packed."""
    vocab = vocab or Vocab.of(text)
    lm = make_language_model(
        vocab_size=len(vocab), cell=cell, layers=layers, features=features
    )
    params = lm.init(jax.random.key(seed))
    params = jax.tree.map(lambda x: 3 * x, params)
    params["head"]["w"] *= 8  # sure enough of itself that a unit matters
    params = unpacked(packed(params))
    return lm, params, trace(lm, params, vocab, text)


@pytest.fixture(scope="module")
def net():
    return traced()


def html_of(net, **given):
    _, params, seen = net
    return page(seen, **{"weights": packed(params), "title": "A page"} | given)


def element(html, name):
    [text] = re.findall(rf'<script type="[\w/]+" id="{name}">(.*?)</script>', html)
    return text


def levels_of(seen: Trace, name, unit):
    """levels[t] that the page keeps of a unit: 1/32 of h, n and tanh c."""
    layer, signal = name.split("/")
    if signal == "tanh_c":
        return np.rint(32 * np.tanh(seen.real(f"{layer}/c", unit))).astype(int)
    return np.rint(32 * np.clip(seen.real(name, unit), -1, 1)).astype(int)


# ------------------------------------------------------------------ without a browser


@pytest.mark.parametrize("cell", ["lstm", "gru", "rnn"])
def test_values_stand_unit_after_unit_a_character_each(cell):
    net = traced(cell=cell)
    seen, html = net[2], html_of(net)
    stored = json.loads(element(html, "data"))["stored"]
    for name in stored:
        text = element(html, f"layer_1/{name}")
        assert len(text) == 8 * len(TEXT)
        rows = np.frombuffer(text.encode("ascii"), np.uint8).reshape(8, -1) - 94.0
        for unit in range(8):
            np.testing.assert_array_equal(
                rows[unit], levels_of(seen, f"layer_1/{name}", unit)
            )
        assert rows.std() > 3


def test_the_ends_of_the_values_mean_nothing_to_html():
    net = traced()
    seen = net[2]
    seen.signals["layer_0/h"][:3, 0] = [-128, 127, 0]
    seen.signals["layer_0/c"][:3, 0] = [-32768, 32767, 0]
    for name in ("h", "tanh_c"):
        assert element(html_of(net), f"layer_0/{name}").startswith(">~^")


def test_text_and_title_end_no_element_and_come_back_whole():
    net = traced(HOSTILE)
    html = html_of(
        net, title=HOSTILE, about=HOSTILE, cells=[{**CELLS[0], "label": HOSTILE}]
    )
    assert html.count("</script>") == html.count("<script") == 9
    assert "<img" not in html and "<!--" not in html
    data = json.loads(element(html, "data"))
    codes = [data["vocab"]["codes"][n] for n in data["ids"]]
    assert "".join(map(chr, codes)) == HOSTILE
    assert data["title"] == data["about"] == data["cells"][0]["label"] == HOSTILE


def test_data_is_json_that_html_does_not_read():
    assert json.loads(as_json(HOSTILE)) == HOSTILE
    assert not set("<>&") & set(as_json(HOSTILE))
    with pytest.raises(ValueError):
        as_json(float("nan"))


def test_the_page_allows_itself_nothing_from_elsewhere(net):
    html = html_of(net)
    assert "default-src 'none'" in html and "base-uri 'none'" in html
    assert not re.search(r"https?://|\bsrc=|@import|url\(|innerHTML|eval\(", html)


def test_it_says_how_large_its_parts_are(net):
    html = html_of(net)
    found = sizes(html)
    assert found["text"] == len(element(html, "data"))
    values = [f"layer_{n}/{name}" for n in (0, 1) for name in ("h", "tanh_c")]
    assert found["values"] == sum(len(element(html, n)) for n in [*values, "states"])
    assert found["model"] == len(element(html, "weights"))
    rest = len(html.encode()) - sum(found.values())
    assert 0 < rest < 2500  # tags and the title


def test_it_opens_with_the_best_cell_or_with_a_unit_that_moves(net):
    start = json.loads(element(html_of(net, cells=CELLS, start=7), "data"))["start"]
    assert start == {"layer": 1, "unit": 3, "signal": "tanh_c", "at": 7}
    start = json.loads(element(html_of(net), "data"))["start"]
    h = net[2].signals["layer_1/h"].astype(float)
    assert start["layer"] == 1 and start["unit"] == h.std(axis=0).argmax()


@pytest.mark.parametrize(
    "given, message",
    [
        ({"start": len(TEXT)}, "the text has characters 0 to"),
        ({"start": -1}, "start is -1"),
        ({"cells": [{**CELLS[0], "unit": 8}]}, "no tanh_c of unit 8 in layer 1"),
        ({"cells": [{**CELLS[0], "layer": 2}]}, "in layer 2"),
        ({"cells": [{**CELLS[0], "signal": "r"}]}, "no r of unit 3"),
    ],
)
def test_mistakes_are_named(net, given, message):
    with pytest.raises(UserError, match=message):
        html_of(net, **given)


def test_a_trace_must_have_its_signals_and_weights(net):
    lm, params, _ = net
    seen = trace(lm, params, net[2].vocab, TEXT, signals=["h"])
    with pytest.raises(UserError, match="the trace has no c"):
        html_of((lm, params, seen))
    other = traced(features=9)[1]
    with pytest.raises(UserError, match="weights are of another model"):
        html_of(net, weights=packed(other))


# --------------------------------------------------------------------- in a browser


@pytest.fixture
def shown(new_page, tmp_path):
    """(net, link, width) -> its page, opened; nothing may go wrong in it."""

    def show(net, link="", width=1280, scheme="light", touch=False, **given):
        path = tmp_path / "page.html"
        path.write_text(html_of(net, **given), encoding="utf-8")
        size = {"width": width, "height": 800}
        opened = new_page(viewport=size, color_scheme=scheme, has_touch=touch)
        opened.goto(f"{path.as_uri()}{link}")
        return opened

    return show


def cells_of(opened, inner=""):
    """Class names of the characters in the document, by their order in the text."""
    return opened.evaluate(
        """inner => [...document.querySelectorAll(".row")]
             .sort((a, b) => parseFloat(a.style.top) - parseFloat(b.style.top))
             .flatMap(row => [...row.children])
             .map(cell => (inner ? cell.querySelector(inner) : cell).className)""",
        inner,
    )


def colors_of(opened, inner=""):
    return [int(re.search(r"\b[ups](\d+)", c)[1]) for c in cells_of(opened, inner)]


def state_of(opened):
    return opened.evaluate("App.state()")


def chosen(opened):
    state = state_of(opened)
    assert opened.input_value("#unit") == str(state["unit"])
    assert opened.input_value("#signal") == state["signal"]
    assert f"Unit {state['unit']} of layer {state['layer']}" in opened.inner_text(
        ".says"
    )
    return state["layer"], state["unit"], state["signal"]


@pytest.mark.parametrize("view, inner", [("dense", ""), ("guesses", "b")])
def test_colours_are_those_of_the_values(net, shown, view, inner):
    opened = shown(net, f"#view={view}&layer=0&unit=2&signal=h")
    found = colors_of(opened, inner)
    assert len(found) > 100
    levels = levels_of(net[2], "layer_0/h", 2)[: len(found)] + 32
    np.testing.assert_array_equal(found, levels)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_what_is_written_on_a_colour_can_be_read(net, shown, scheme):
    opened = shown(net, scheme=scheme)
    pairs = opened.evaluate(
        """() => ["u", "p", "s"].flatMap(kind =>
             Array.from({length: kind === "u" ? 65 : 33}, (_, n) => {
               const span = document.createElement("span");
               span.className = kind + n;
               document.body.append(span);
               const style = getComputedStyle(span);
               return [style.backgroundColor, style.color].map(color =>
                 color.match(/[\\d.]+/g).map(Number));
             }))"""
    )

    def luminance(color):
        s = np.array(color) / 255
        linear = np.where(s <= 0.04045, s / 12.92, ((s + 0.055) / 1.055) ** 2.4)
        return linear @ [0.2126, 0.7152, 0.0722]

    for background, ink in pairs:
        low, high = sorted([luminance(background), luminance(ink)])
        assert (high + 0.05) / (low + 0.05) >= 4.5, (background, ink)
    off, zero, on = (np.array(pairs[n][0]) for n in (0, 32, 64))
    assert off[2] > off[1] and on[1] > on[2]  # blue to green
    assert abs(luminance(off) - luminance(on)) > 0.2  # and told apart without hue
    assert (luminance(zero) > luminance(on)) == (scheme == "light")


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


def test_a_unit_is_chosen_by_number_layer_list_and_keys(net, shown):
    opened = shown(net, cells=CELLS)
    assert chosen(opened) == (1, 3, "tanh_c")
    assert "follows inside <b>quotes</b> (0.93)" in opened.inner_text(".says")
    opened.fill("#unit", "6")
    opened.fill("#unit", "60")  # there is none
    assert state_of(opened)["unit"] == 6
    opened.press("#unit", "Escape")  # back to the text
    assert chosen(opened) == (1, 6, "tanh_c")
    keys = [("]", 7), ("]", 0), ("[", 7)]
    for key, unit in keys:
        opened.keyboard.press(key)
        assert chosen(opened)[1] == unit
    opened.keyboard.press("l")
    assert chosen(opened) == (0, 7, "tanh_c")
    opened.keyboard.press("s")
    assert chosen(opened) == (0, 7, "c")
    opened.select_option("#layer", "1")
    assert chosen(opened) == (1, 7, "c")
    opened.click("#cells li:nth-child(2) button")
    assert chosen(opened) == (0, 5, "h")
    assert "upside down (0.71; a control does as well)" in opened.inner_text(".says")
    opened.keyboard.press("d")
    assert state_of(opened)["view"] == "guesses"
    opened.keyboard.press("/")
    opened.keyboard.type("2")
    assert chosen(opened)[1] == 2


def test_keys_are_told_and_close(net, shown):
    opened = shown(net)
    opened.keyboard.press("?")
    assert opened.locator("#keys").is_visible()
    opened.keyboard.press("Escape")
    assert not opened.locator("#keys").is_visible()


def test_the_marked_character_moves_by_keys_and_mouse(net, shown):
    opened = shown(net, "#at=0")
    opened.focus("#text")
    for key, t in [("ArrowRight", 1), ("ArrowLeft", 0), ("ArrowLeft", 0)]:
        opened.keyboard.press(key)
        assert state_of(opened)["at"] == t
    opened.keyboard.press("End")
    assert state_of(opened)["at"] == TEXT.index("\n")
    opened.keyboard.press("ArrowDown")
    assert TEXT[: state_of(opened)["at"]].count("\n") == 1
    opened.keyboard.press("Control+End")
    assert state_of(opened)["at"] == len(TEXT) - 1
    assert opened.locator("#caret").is_visible()
    opened.keyboard.press("Control+Home")
    opened.locator(".row").first.locator(".ch").nth(3).click()
    assert state_of(opened)["at"] == 3
    seen = net[2]
    assert f"a surprise of {seen.nats[3]:.2f} nats" in opened.inner_text("#surprise")
    assert opened.inner_text("#glyph") in (TEXT[3], "→", "·")
    opened.locator(".row").first.locator(".ch").nth(7).hover()
    assert "character 7 of" in opened.inner_text("#code")
    assert state_of(opened)["at"] == 3


def test_a_stretch_finds_the_unit_that_fires_in_it(shown):
    net = traced()
    random = np.random.default_rng(0)
    for layer in (0, 1):
        signal = net[2].signals[f"layer_{layer}/h"]
        signal[:] = random.integers(-60, 60, signal.shape)
    planted = net[2].signals["layer_0/h"]
    planted[20:60, 6] = -120
    planted[:20, 6] = planted[60:, 6] = 5
    opened = shown(net, "#layer=1&unit=0&signal=h")
    boxes = [opened.locator(".row .ch").nth(t).bounding_box() for t in (20, 59)]
    opened.mouse.move(boxes[0]["x"] + 4, boxes[0]["y"] + 4)
    opened.mouse.down()
    opened.mouse.move(boxes[1]["x"] + 3, boxes[1]["y"] + 4, steps=4)
    opened.mouse.up()
    state = state_of(opened)
    assert (state["from"], state["to"]) == (20, 60)
    assert sum(" in " in c for c in cells_of(opened)) == 40
    first = opened.locator("#firing li").first
    assert (
        first.inner_text().startswith("layer 0, unit 6, h")
        and "−" in first.inner_text()
    )
    assert opened.locator("#firing li").count() == 10
    first.locator("button").click()
    assert chosen(opened) == (0, 6, "h")
    opened.focus("#text")
    opened.keyboard.press("Escape")
    assert (
        state_of(opened)["from"] is None and not opened.locator("#fires").is_visible()
    )
    for _ in range(3):
        opened.keyboard.press("Shift+ArrowRight")
    state = state_of(opened)
    assert state["to"] - state["from"] == 4


def test_a_finger_marks_and_selects(net, shown):
    opened = shown(net, "#at=0", width=380, touch=True)

    def middle(t):
        box = opened.locator(".row .ch").nth(t).bounding_box()
        return {"x": box["x"] + box["width"] / 2, "y": box["y"] + box["height"] / 2}

    opened.touchscreen.tap(**middle(5))
    assert state_of(opened)["at"] == 5 and state_of(opened)["from"] is None
    opened.evaluate("document.getElementById('mark').click()")
    opened.touchscreen.tap(**middle(9))
    state = state_of(opened)
    assert (state["from"], state["to"], state["marking"]) == (5, 10, False)
    fingers = opened.context.new_cdp_session(opened)

    def touch(kind, *points):
        given = {"type": f"touch{kind}", "touchPoints": list(points)}
        fingers.send("Input.dispatchTouchEvent", given)

    touch("Start", middle(20))
    until(opened, "App.state().at === 20")  # it rests, and selects from there
    touch("Move", middle(28))
    touch("Move", middle(30))
    touch("End")
    until(opened, "!App.state().dragging")
    state = state_of(opened)
    assert (state["from"], state["to"]) == (20, 31)


def until(opened, expression):
    """Waits, from outside: what waits inside a page is code made of text."""
    for _ in range(500):
        if opened.evaluate(expression):
            return
        opened.wait_for_timeout(20)
    raise AssertionError(f"it never came to be that {expression}")


def written(opened, n=0, given=True):
    """What the n-th pen wrote, as text."""
    until(opened, "document.getElementById('written').ariaBusy === 'false'")
    spans = opened.locator("#written pre").nth(n).locator("span")
    texts = spans.evaluate_all(
        "(all, given) => all.filter(e => given || !e.className.includes('given'))"
        ".map(e => e.textContent)",
        given,
    )
    return "".join(texts).replace("↵", "").replace("→", "\t").replace("\u00a0", " ")


def settings(opened, temperature="0", length="60"):
    opened.fill("#temperature", temperature)
    opened.fill("#length", length)


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


def test_a_link_restores_the_view(net, shown):
    link = (
        "#layer=1&unit=2&signal=h&view=guesses&by=chance&at=70&scheme=dark&select=9-80"
    )
    opened = shown(net, link)
    wanted = {"layer": 1, "unit": 2, "signal": "h", "view": "guesses", "by": "chance",
              "at": 70, "scheme": "dark", "from": 9, "to": 80}  # fmt: skip
    state = state_of(opened)
    assert {name: state[name] for name in wanted} == wanted
    opened.keyboard.press("]")
    until(opened, "location.hash.includes('unit=3')")
    assert state_of(opened)["by"] == "unit"
    again = shown(net, opened.evaluate("location.hash"))
    assert state_of(again) == state_of(opened)
    again.evaluate("location.hash = '#unit=5&layer=0'")
    until(again, "App.state().unit === 5")
    assert state_of(again)["from"] is None


@pytest.mark.parametrize(
    "link",
    ["#unit=8&layer=-1&signal=x&view=y&at=1e9&select=5-2", "#'><img src=x>", "#%E0%A4",
     "#select=0-99999&unit=NaN&scheme=__proto__"],
)  # fmt: skip
def test_bad_links_are_ignored(net, shown, link):
    opened = shown(net, link, cells=CELLS)
    state = state_of(opened)
    assert (state["layer"], state["unit"], state["signal"]) == (1, 3, "tanh_c")
    assert state["at"] == 0 and state["from"] is None and state["scheme"] is None


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
                "\r": "CR", "\n": "↵", "\t": "→", "\u0301": "◌\u0301",
                "\xa0": "␣"}  # fmt: skip
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


def test_light_and_dark_follow_the_machine_and_then_the_button(net, shown):
    for scheme, other in [("light", "dark"), ("dark", "light")]:
        opened = shown(net, scheme=scheme)
        ground = "getComputedStyle(document.documentElement).backgroundColor"
        before = opened.evaluate(ground)
        assert (before == "rgb(22, 21, 19)") == (scheme == "dark")
        opened.click("#scheme")
        assert opened.evaluate(ground) != before
        until(opened, f"location.hash.includes('scheme={other}')")


@pytest.mark.parametrize("width", [320, 380, 1280])
@pytest.mark.parametrize("view", ["dense", "guesses"])
def test_nothing_sticks_out(net, shown, width, view):
    opened = shown(net, f"#view={view}&select=3-9", width=width, cells=CELLS)
    opened.check("#hold")
    opened.click("#continue")
    written(opened)
    assert opened.evaluate("document.documentElement.scrollWidth") <= width
    assert opened.evaluate("document.getElementById('text').scrollWidth") <= width
    ends = opened.locator(".ch").evaluate_all(
        "all => Math.max(...all.map(e => e.getBoundingClientRect().right))"
    )
    assert ends <= width


def test_controls_have_names(net, shown):
    opened = shown(net, cells=CELLS)
    nameless = opened.evaluate(
        """() => [...document.querySelectorAll("button, input, select, textarea")]
             .filter(e => !(e.textContent.trim() || e.ariaLabel || e.labels?.length))
             .map(e => e.id)"""
    )
    assert nameless == []


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
    seen = Trace(
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
