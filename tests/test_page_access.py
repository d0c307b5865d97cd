"""The page in a browser: for all eyes, and for those who use no mouse."""

import numpy as np
import pytest
from pages import CELLS, settings, until, written


def luminance(color):
    s = np.array(color) / 255
    linear = np.where(s <= 0.04045, s / 12.92, ((s + 0.055) / 1.055) ** 2.4)
    return linear @ [0.2126, 0.7152, 0.0722]


def contrast(a, b):
    """As WCAG 2 defines it."""
    low, high = sorted([luminance(a), luminance(b)])
    return (high + 0.05) / (low + 0.05)


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

    for background, ink in pairs:
        assert contrast(background, ink) >= 4.5, (background, ink)
    off, zero, on = (np.array(pairs[n][0]) for n in (0, 32, 64))
    assert off[2] > off[1] and on[1] > on[2]  # blue to green
    assert abs(luminance(off) - luminance(on)) > 0.2  # and told apart without hue
    assert (luminance(zero) > luminance(on)) == (scheme == "light")


def test_light_and_dark_follow_the_machine_and_then_the_button(net, shown):
    for scheme, other in [("light", "dark"), ("dark", "light")]:
        opened = shown(net, scheme=scheme)
        ground = "getComputedStyle(document.documentElement).backgroundColor"
        before = opened.evaluate(ground)
        assert (before == "rgb(22, 21, 19)") == (scheme == "dark")
        opened.click("#scheme")
        assert opened.evaluate(ground) != before
        until(opened, f"location.hash.includes('scheme={other}')")


def test_controls_have_names(net, shown):
    opened = shown(net, cells=CELLS)
    nameless = opened.evaluate(
        """() => [...document.querySelectorAll("button, input, select, textarea")]
             .filter(e => !(e.textContent.trim() || e.ariaLabel || e.labels?.length))
             .map(e => e.id)"""
    )
    assert nameless == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_words_and_edges_stand_out_from_their_ground(net, shown, scheme):
    opened = shown(net, scheme=scheme, cells=CELLS)
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

    def of(name, ground=""):
        return opened.evaluate(color, [name, ground])

    paper, chosen = of("--paper"), of("--wash", "--paper")
    for ground in (paper, chosen, of("--track")):
        for ink in ("--ink", "--quiet"):
            assert contrast(of(ink), ground) >= 4.5, (ink, ground)
    assert contrast(of("--accent"), paper) >= 4.5  # an error; and the focus
    assert contrast(of("--edge"), paper) >= 3  # where a control is


def test_every_control_is_reached_by_tab_in_order_and_seen_to_be(net, shown):
    opened = shown(net, "#select=3-9", cells=CELLS)
    opened.check("#hold")
    settings(opened, length="1")
    opened.click("#continue")
    written(opened)
    seen = []
    opened.evaluate("document.activeElement.blur(); scrollTo(0, 0)")
    opened.mouse.click(2, 2)
    while len(seen) < 60:
        opened.keyboard.press("Tab")
        found = opened.evaluate(
            """() => {
              const e = document.activeElement;
              if (e === document.body) return null;
              const shown = e.type === "radio" ? e.nextElementSibling : e;
              const name = e.id || e.closest("[id]")?.id || e.name;
              const { outlineStyle, outlineWidth } = getComputedStyle(shown);
              return [name, outlineStyle, outlineWidth];
            }"""
        )
        if found is None or (seen and found[0] == seen[0]):
            break
        assert found[1:] == ["solid", "2px"], found
        seen.append(found[0])
    order = ["scheme", "help", "unit", "before", "after", "layer", "signal", "by",
             "view", "text", "cells", "firing", "mark", "drop", "prompt", "temperature",
             "seed", "length", "hold", "value", "go", "continue",
             "written"]  # fmt: skip
    assert [name for name in dict.fromkeys(seen) if name in order] == order
