"""The page in a browser: for all eyes, and for those who use no mouse."""

import numpy as np
import pytest
from pages import (
    RESULTS,
    click,
    get_control,
    make_net,
    read_address,
    read_characters,
    read_written,
    set_writing,
)

SCHEMES = pytest.mark.parametrize("scheme", ["light", "dark"])


def luminance(color):
    s = np.array(color) / 255
    linear = np.where(s <= 0.04045, s / 12.92, ((s + 0.055) / 1.055) ** 2.4)
    return linear @ [0.2126, 0.7152, 0.0722]


def contrast(a, b):
    """As WCAG 2 defines it."""
    low, high = sorted([luminance(a), luminance(b)])
    return (high + 0.05) / (low + 0.05)


@SCHEMES
def test_what_is_written_on_a_color_can_be_read(open_page, scheme):
    net = make_net("abcd" * 81, layers=1)
    activations = net[2]
    activations.signals["layer_0/h"][:, 0] = np.rint(np.linspace(-127, 127, 324))
    by_chance, by_nats = -np.log(np.linspace(0.0005, 1, 162)), np.linspace(0, 6, 162)
    activations.nats[:] = np.concatenate([by_chance, by_nats])
    page = open_page(net, "#unit=0&signal=h", scheme=scheme)
    pairs = []
    for by, count in [("unit", 65), ("chance", 33), ("surprise", 33)]:
        get_control(page, "color by").select_option(by)
        glyphs = read_characters(page)
        pairs += [(glyph.background, glyph.ink) for glyph in glyphs]
        assert len({glyph.background for glyph in glyphs}) == count
    for background, ink in pairs:
        assert contrast(background, ink) >= 4.5, (background, ink)
    off, zero, on = (np.array(pairs[n][0]) for n in (0, 162, 323))
    assert off[2] > off[1] and on[1] > on[2]  # blue to green
    assert abs(luminance(off) - luminance(on)) > 0.2  # and told apart without hue
    assert (luminance(zero) > luminance(on)) == (scheme == "light")


def test_light_and_dark_follow_the_machine_and_then_the_button(net, open_page):
    for scheme, other in [("light", "dark"), ("dark", "light")]:
        page = open_page(net, scheme=scheme)
        ground = "getComputedStyle(document.documentElement).backgroundColor"
        before = page.evaluate(ground)
        assert (before == "rgb(22, 21, 19)") == (scheme == "dark")
        click(page, "Dark")
        assert page.evaluate(ground) != before
        assert read_address(page)["scheme"] == other


def test_controls_have_names(net, open_page):
    page = open_page(net, unit_results=RESULTS)
    nameless = page.evaluate(
        """() => [...document.querySelectorAll("button, input, select, textarea")]
             .filter(e => !(e.textContent.trim() || e.ariaLabel || e.labels?.length))
             .map(e => e.id)"""
    )
    assert nameless == []


@SCHEMES
def test_words_and_edges_stand_out_from_their_ground(net, open_page, scheme):
    page = open_page(net, scheme=scheme, unit_results=RESULTS)
    color = """([css, ground]) => {
      const pen = new OffscreenCanvas(1, 1).getContext("2d");
      const probe = document.body.appendChild(document.createElement("span"));
      for (const name of ground ? [ground, css] : [css]) {
        probe.style.color = `var(${name})`;
        pen.fillStyle = getComputedStyle(probe).color;
        pen.fillRect(0, 0, 1, 1);
      }
      return [...pen.getImageData(0, 0, 1, 1).data].slice(0, 3);
    }"""

    def read_color(name, ground=""):
        return page.evaluate(color, [name, ground])

    paper, selection = read_color("--paper"), read_color("--wash", "--paper")
    for ground in (paper, selection, read_color("--track")):
        for ink in ("--ink", "--quiet"):
            assert contrast(read_color(ink), ground) >= 4.5, (ink, ground)
    assert contrast(read_color("--accent"), paper) >= 4.5  # an error; and the focus
    assert contrast(read_color("--edge"), paper) >= 3  # where a control is


# The accessible names of all that takes the focus, in the order of the page.
ORDER = [
    "Dark", "Keys", "unit", "Previous unit", "Next unit", "layer", "signal",
    "color by", "Text", "The text.", "inside <b>quotes</b>", "position in the line",
    ("layer 0,", "layer 1,"), "Select from here", "Drop the selection", "after",
    "temperature", "seed", "length", "hold", "The value at which the unit is held",
    "Write", "Continue the text from the marked character",
    "written: As it is", "written: Unit",
]  # fmt: skip


def test_every_control_is_reached_by_tab_in_order_and_seen_to_be(net, open_page):
    page = open_page(net, "#select=3-9", unit_results=RESULTS)
    get_control(page, "hold unit 3 of layer 1").check()
    set_writing(page, length="1")
    click(page, "Continue the text from the marked character")
    read_written(page)
    page.evaluate("document.activeElement.blur(); scrollTo(0, 0)")
    page.mouse.click(2, 2)
    names = []
    while len(names) < 60:
        page.keyboard.press("Tab")
        focus = page.evaluate(
            """() => {
              const e = document.activeElement;
              if (e === document.body) return null;
              const visible = e.type === "radio" ? e.nextElementSibling : e;
              const { outlineStyle, outlineWidth } = getComputedStyle(visible);
              const name = e.ariaLabel ?? e.labels?.[0]?.textContent ?? e.textContent;
              return [name.trim(), outlineStyle, outlineWidth];
            }"""
        )
        if focus is None or (names and focus[0] == names[0]):
            break
        assert focus[1:] == ["solid", "2px"], focus
        names.append(focus[0])
    places = [
        next((n for n, name in enumerate(names) if name.startswith(start)), -1)
        for start in ORDER
    ]
    assert places == sorted(places) and places[0] >= 0, places
