"""The page in a browser: choosing units and characters, selecting, links."""

import numpy as np
import pytest
from pages import (
    RESULTS,
    TEXT,
    character_panel,
    get_control,
    make_net,
    marked_box,
    read_address,
    read_characters,
    read_choice,
    read_position,
    text_box,
    until,
)


def keys_dialog(page):
    return page.get_by_role("dialog", name="Keys")


def units_panel(page):
    return page.get_by_role("complementary")


def firing_units(page):
    """The buttons of the units that fire in the selection: they say where they are."""
    return units_panel(page).get_by_role("button").filter(has_text="layer ")


def middle(glyph):
    return (glyph.left + glyph.right) / 2, (glyph.top + glyph.bottom) / 2


def test_a_unit_is_chosen_by_number_layer_list_and_keys(net, open_page):
    page = open_page(net, unit_results=RESULTS)
    assert read_choice(page) == (1, 3, "tanh c")
    reading = page.get_by_role("region", name="The text")
    assert "follows inside <b>quotes</b> (0.93)" in reading.inner_text()
    unit = get_control(page, "unit")
    unit.fill("6")
    unit.fill("60")  # there is none
    assert "Unit 6 of layer 1" in reading.inner_text()
    unit.press("Escape")  # back to the text
    assert read_choice(page) == (1, 6, "tanh c")
    for key, number in [("]", 7), ("]", 0), ("[", 7)]:
        page.keyboard.press(key)
        assert read_choice(page)[1] == number
    page.keyboard.press("l")
    assert read_choice(page) == (0, 7, "tanh c")
    page.keyboard.press("s")
    assert read_choice(page) == (0, 7, "c")
    get_control(page, "layer").select_option("1")
    assert read_choice(page) == (1, 7, "c")
    page.get_by_role("button", name="position in the line").click()
    assert read_choice(page) == (0, 5, "h")
    assert "upside down (0.71; a control does as well)" in reading.inner_text()
    page.keyboard.press("d")
    assert page.get_by_role("radio", name="Guesses").is_checked()
    page.keyboard.press("/")
    page.keyboard.type("2")
    assert read_choice(page)[1] == 2


def test_keys_are_listed_and_the_list_closes(net, open_page):
    page = open_page(net)
    page.keyboard.press("?")
    assert keys_dialog(page).is_visible()
    page.keyboard.press("Escape")
    assert not keys_dialog(page).is_visible()


def test_the_marked_character_moves_by_keys_and_mouse(net, open_page):
    page = open_page(net, "#at=0")
    text_box(page).focus()
    for key, t in [("ArrowRight", 1), ("ArrowLeft", 0), ("ArrowLeft", 0)]:
        page.keyboard.press(key)
        assert read_position(page) == t
    page.keyboard.press("End")
    assert read_position(page) == TEXT.index("\n")
    page.keyboard.press("ArrowDown")
    assert TEXT[: read_position(page)].count("\n") == 1
    page.keyboard.press("Control+End")
    assert read_position(page) == len(TEXT) - 1
    assert marked_box(page)["count"] == 1
    page.keyboard.press("Control+Home")
    page.wait_for_timeout(100)
    glyphs = read_characters(page)
    page.mouse.click(*middle(glyphs[3]))
    assert read_position(page) == 3
    frame = marked_box(page)
    assert frame["left"] == pytest.approx(glyphs[3].left, abs=1)
    panel = character_panel(page).inner_text()
    assert f"a surprise of {net[2].nats[3]:.2f} nats" in panel
    assert panel.split("\n")[0] in (TEXT[3], "→", "·")
    page.mouse.move(*middle(glyphs[7]))
    assert read_position(page) == 7
    assert read_address(page)["at"] == "3"


def test_a_stretch_finds_the_unit_that_fires_in_it(open_page):
    net = make_net()
    random = np.random.default_rng(0)
    for layer in (0, 1):
        signal = net[2].signals[f"layer_{layer}/h"]
        signal[:] = random.integers(-60, 60, signal.shape)
    planted = net[2].signals["layer_0/h"]
    planted[20:60, 6] = -120
    planted[:20, 6] = planted[60:, 6] = 5
    page = open_page(net, "#layer=1&unit=0&signal=h")
    glyphs = read_characters(page)
    page.mouse.move(*middle(glyphs[20]))
    page.mouse.down()
    page.mouse.move(*middle(glyphs[59]), steps=4)
    page.mouse.up()
    assert read_address(page)["select"] == "20-60"
    lined = [n for n, glyph in enumerate(read_characters(page)) if glyph.shadow]
    assert lined == [*range(20, 60)]
    first = firing_units(page).first.inner_text()
    assert first.startswith("layer 0, unit 6, h") and "−" in first
    assert firing_units(page).count() == 10
    firing_units(page).first.click()
    assert read_choice(page) == (0, 6, "h")
    text_box(page).focus()
    page.keyboard.press("Escape")
    assert firing_units(page).count() == 0
    assert "select" not in read_address(page)
    for _ in range(3):
        page.keyboard.press("Shift+ArrowRight")
    assert "over these 4 characters" in units_panel(page).inner_text()


def test_a_finger_marks_and_selects(net, open_page):
    page = open_page(net, "#at=0", width=380, touch=True)
    glyphs = read_characters(page)

    def point(t):
        x, y = middle(glyphs[t])
        return {"x": x, "y": y}

    page.touchscreen.tap(**point(5))
    assert read_position(page) == 5
    assert "select" not in read_address(page)
    mark = page.get_by_role("button", name="Select from here")
    mark.dispatch_event("click")  # without scrolling to it
    assert mark.get_attribute("aria-pressed") == "true"
    page.touchscreen.tap(**point(9))
    assert read_address(page)["select"] == "5-10"
    assert mark.get_attribute("aria-pressed") == "false"
    fingers = page.context.new_cdp_session(page)

    def touch(event, *points):
        options = {"type": f"touch{event}", "touchPoints": list(points)}
        fingers.send("Input.dispatchTouchEvent", options)

    touch("Start", point(20))
    until(page, lambda: read_position(page) == 20)  # it rests, and selects from there
    touch("Move", point(28))
    touch("Move", point(30))
    touch("End")
    assert read_address(page)["select"] == "20-31"
    assert firing_units(page).count() == 10


def test_a_link_restores_the_view(net, open_page):
    link = (
        "#layer=1&unit=2&signal=h&view=guesses&by=chance&at=70&scheme=dark&select=9-80"
    )
    page = open_page(net, link)
    assert read_choice(page) == (1, 2, "h") and read_position(page) == 70
    assert page.get_by_role("radio", name="Guesses").is_checked()
    assert get_control(page, "color by").input_value() == "chance"
    assert get_control(page, "signal").input_value() == "h"
    dark = "getComputedStyle(document.documentElement).backgroundColor"
    assert page.evaluate(dark) == "rgb(22, 21, 19)"
    assert "over these 71 characters" in units_panel(page).inner_text()
    page.keyboard.press("]")
    address = read_address(page)
    assert address["unit"] == "3" and address["by"] == "unit"
    again = open_page(net, page.evaluate("location.hash"))
    again.keyboard.press("ArrowRight")
    again.keyboard.press("ArrowLeft")  # drops the selection, and nothing else
    del address["select"]
    assert read_address(again) == address
    again.evaluate("location.hash = '#unit=5&layer=0'")
    until(again, lambda: get_control(again, "unit").input_value() == "5")
    assert firing_units(again).count() == 0


@pytest.mark.parametrize(
    "link",
    ["#unit=8&layer=-1&signal=x&view=y&at=1e9&select=5-2", "#'><img src=x>", "#%E0%A4",
     "#select=0-99999&unit=NaN&scheme=__proto__"],
)  # fmt: skip
def test_bad_links_are_ignored(net, open_page, link):
    page = open_page(net, link, unit_results=RESULTS)
    assert read_choice(page) == (1, 3, "tanh c") and read_position(page) == 0
    page.keyboard.press("d")
    address = read_address(page)
    assert "select" not in address and "scheme" not in address


def test_of_all_the_text_nothing_is_said_to_fire_elsewhere(net, open_page):
    page = open_page(net, f"#select=0-{len(TEXT)}")
    assert "there is no elsewhere" in units_panel(page).inner_text()
    assert firing_units(page).count() == 0
    text_box(page).focus()
    page.keyboard.press("Shift+ArrowRight")
    assert firing_units(page).count() == 10
    assert "NaN" not in units_panel(page).inner_text()


@pytest.mark.parametrize(
    "results, message",
    [(None, "Nothing was searched for. A search takes a text of 6,000"),
     ([], "none passed the controls")],
)  # fmt: skip
def test_a_list_without_units_says_why(net, open_page, results, message):
    page = open_page(net, unit_results=results)
    panel = units_panel(page).inner_text()
    assert message in panel and "is always right" not in panel


def test_what_is_typed_into_a_control_is_no_key(net, open_page):
    page = open_page(net, unit_results=RESULTS)
    page.keyboard.press("d")
    page.keyboard.press("d")
    before = read_address(page)
    for name in ("after", "seed", "length", "unit", "temperature", "layer"):
        get_control(page, name).focus()
        page.keyboard.type("ls[]dc?")
    get_control(page, "unit").fill(before["unit"])
    get_control(page, "layer").select_option(before["layer"])
    assert read_address(page) == before
    assert get_control(page, "after").input_value() == "ls[]dc?"
    assert not keys_dialog(page).is_visible()


@pytest.mark.parametrize("held", ["altKey", "altKey, ctrlKey"])
def test_brackets_that_take_another_key_are_brackets(net, open_page, held):
    page = open_page(net, unit_results=RESULTS)

    def press(key, *modifiers):
        options = {name: True for name in modifiers}
        text_box(page).dispatch_event(
            "keydown", {"key": key, "bubbles": True} | options
        )

    press("]", *held.split(", "))
    assert read_choice(page) == (1, 4, "tanh c")
    press("l", *held.split(", "))
    press("[", "ctrlKey")
    assert read_choice(page) == (1, 4, "tanh c")
