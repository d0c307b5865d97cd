"""The page in a browser: for all eyes, and for those who use no mouse."""

import numpy as np
import pytest
from pages import CELLS, showing, traced, until


@pytest.fixture(scope="module")
def net():
    return traced()


@pytest.fixture
def shown(new_page, tmp_path):
    return showing(new_page, tmp_path)


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
