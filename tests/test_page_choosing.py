"""The page in a browser: choosing units and characters, selecting, links."""

import numpy as np
import pytest
from pages import CELLS, TEXT, cells_of, chosen, state_of, traced, until


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


def test_of_all_the_text_nothing_is_said_to_fire_elsewhere(net, shown):
    opened = shown(net, f"#select=0-{len(TEXT)}")
    assert "there is no elsewhere" in opened.inner_text("#stretch")
    assert opened.locator("#firing li").count() == 0
    opened.focus("#text")
    opened.keyboard.press("Shift+ArrowRight")
    assert opened.locator("#firing li").count() == 10
    assert "NaN" not in opened.inner_text("aside")


@pytest.mark.parametrize(
    "cells, says",
    [(None, "Nothing was searched for. A search takes a text of 6,000"),
     ([], "none passed the controls")],
)  # fmt: skip
def test_a_list_without_units_says_why(net, shown, cells, says):
    opened = shown(net, cells=cells)
    assert says in opened.inner_text("#meanings")
    assert "is always right" not in opened.inner_text("#meanings")


def test_what_is_typed_into_a_control_is_no_key(net, shown):
    opened = shown(net, cells=CELLS)
    before = state_of(opened)
    for control in ("#prompt", "#seed", "#length", "#unit", "#temperature", "#layer"):
        opened.focus(control)
        opened.keyboard.type("ls[]dc?")
    opened.fill("#unit", str(before["unit"]))
    opened.select_option("#layer", str(before["layer"]))
    assert state_of(opened) == before
    assert opened.input_value("#prompt") == "ls[]dc?"
    assert not opened.locator("#keys").is_visible()


@pytest.mark.parametrize("held", ["altKey", "altKey, ctrlKey"])
def test_brackets_that_take_another_key_are_brackets(net, shown, held):
    opened = shown(net, cells=CELLS)
    press = """([key, held]) => document.dispatchEvent(new KeyboardEvent("keydown",
        {key, bubbles: true, ...Object.fromEntries(held.map(name => [name, true]))}))"""
    # Of the text, as a key of a keyboard would be.
    press = press.replace("document.", "document.getElementById('text').")
    opened.evaluate(press, ["]", held.split(", ")])
    assert chosen(opened) == (1, 4, "tanh_c")
    opened.evaluate(press, ["l", held.split(", ")])
    opened.evaluate(press, ["[", ["ctrlKey"]])
    assert chosen(opened) == (1, 4, "tanh_c")
