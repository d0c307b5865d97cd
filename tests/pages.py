"""What the tests of the page share: small nets, their pages, and what a person sees."""

import base64
import re
from typing import NamedTuple
from urllib.parse import parse_qsl

import jax
import jax.numpy as jnp
import numpy as np
from draws import draw_params

from charlm.data.vocab import Vocab
from charlm.interpret.activations import Activations, record_activations
from charlm.interpret.viewer import html
from charlm.interpret.viewer.html import ListedUnit
from charlm.interpret.viewer.quantize import quantize
from charlm.model.lm import make_language_model

LINES = ["The cat sat,", '"I ran to the sea," he said.', "\tif (a) { b; }", ""]
TEXT = "\n".join(LINES[(n * 7919 >> 3) % 4] for n in range(60))
HOSTILE = (
    "</script><script>window.harm = 1</script> <img src=x onerror='window.harm = 1'>"
    " <!-- &lt; &amp; {{data}} {{scripts}} \u202eright to left\u202c \u05e9\u05dc\u05d5"
    " \u0627\u0644 \x00\x07\x1b[31m \u2028 \U0001f600 \u4e2d\u6587 e\u0301 a\u200bb"
    " \u200f \u061c \ufeff \u3164 \xa0 \r\n\t <script>window.harm = 1"
)
RESULTS = [
    ListedUnit(1, 3, "tanh_c", "inside <b>quotes</b>", 0.93, True),
    ListedUnit(0, 5, "h", "position in the line", -0.71, False),
]


def dequantize(model):
    """Returns the float32 parameters of a page's model, as rounded."""

    def decode(text, dtype):
        return np.frombuffer(base64.b64decode(text), dtype)

    def dequantize_array(data):
        if isinstance(data, str):
            return jnp.asarray(decode(data, "<f4").astype(np.float32))
        ints = decode(data["ints"], "<i2").reshape(data["shape"][::-1])
        scale = decode(data["scale"], "<f4").astype(np.float32)
        return jnp.asarray(ints.T.astype(np.float32) * scale)

    is_array = lambda data: isinstance(data, str) or "ints" in data  # noqa: E731
    return jax.tree.map(dequantize_array, model["params"], is_leaf=is_array)


def make_net(text=TEXT, cell="lstm", layers=2, features=8, vocab=None, scale=0.25):
    """(lm, params, activations) of a small net whose units move; params in 16 bits."""
    vocab = vocab or Vocab.of(text)
    lm = make_language_model(
        vocab_size=len(vocab), cell=cell, layers=layers, features=features
    )
    params = draw_params(lm, scale=scale)
    params["head"]["w"] = 8 * np.asarray(params["head"]["w"])  # sure: a unit matters
    params = dequantize(quantize(params, cell=cell))
    return lm, params, record_activations((lm, params, vocab), text)


def render(net, **options):
    _, params, activations = net
    model = quantize(params, cell=activations.cell)
    return html.make_html(activations, **{"model": model, "title": "A page"} | options)


def read_script(page, name):
    [text] = re.findall(rf'<script type="[\w/]+" id="{name}">(.*?)</script>', page)
    return text


def stored_levels(activations: Activations, name, unit):
    """levels[t] that the page stores of a unit: 1/32 of h, n and tanh c."""
    layer, signal = name.split("/")
    if signal == "tanh_c":
        values = np.tanh(activations.get_values(f"{layer}/c", unit))
    else:
        values = np.clip(activations.get_values(name, unit), -1, 1)
    return np.rint(32 * values).astype(int)


def page_opener(new_page, folder):
    """(net, link, width) -> its page, opened; nothing may go wrong in it."""

    def open_page(net, link="", width=1280, scheme="light", touch=False, **options):
        path = folder / "page.html"
        path.write_text(render(net, **{"start": 0} | options), encoding="utf-8")
        size = {"width": width, "height": 800}
        page = new_page(viewport=size, color_scheme=scheme, has_touch=touch)
        page.goto(f"{path.as_uri()}{link}")
        return page

    return open_page


# ------------------------------------------------------------------ what is seen


class Glyph(NamedTuple):
    """A piece of text as it is seen: its colors, lines and place on the screen."""

    text: str
    background: tuple[int, ...]
    ink: tuple[int, ...]
    underline: bool
    shadow: bool
    left: float
    top: float
    right: float
    bottom: float


READ_GLYPHS = """(root) => {
  const walker = document.createTreeWalker(root, NodeFilter.SHOW_TEXT), glyphs = [];
  const numbers = (color) => color.match(/[\\d.]+/g).slice(0, 3).map(Number);
  while (walker.nextNode()) {
    if (/^\\n *$/.test(walker.currentNode.data)) continue; // between two elements
    const element = walker.currentNode.parentElement, style = getComputedStyle(element);
    const { left, top, right, bottom } = element.getBoundingClientRect();
    glyphs.push([walker.currentNode.data, numbers(style.backgroundColor),
      numbers(style.color), style.textDecorationLine === "underline",
      style.boxShadow !== "none", left, top, right, bottom]);
  }
  return glyphs;
}"""


def read_glyphs(locator) -> list[Glyph]:
    """The glyphs of a part of a page, in the order of the document."""
    rows = locator.evaluate(READ_GLYPHS)
    return [Glyph(row[0], tuple(row[1]), tuple(row[2]), *row[3:]) for row in rows]


def text_box(page):
    return page.get_by_role("application", name="The text")


def is_character(glyph):
    """Whether it is a character of the text: guesses are lower."""
    return glyph.bottom - glyph.top > 20


def read_characters(page):
    """The glyphs of the text's characters that are in the document, row by row."""
    glyphs = filter(is_character, read_glyphs(text_box(page)))
    return sorted(glyphs, key=lambda glyph: glyph.top)


def read_guesses(page):
    """(character, the guesses beneath it) of each glyph of the text."""
    glyphs = sorted(read_glyphs(text_box(page)), key=lambda glyph: glyph.top)
    columns = []
    for glyph in filter(is_character, glyphs):
        below = [g for g in glyphs if g.left == glyph.left and g.top > glyph.top]
        end = next((n for n, g in enumerate(below) if is_character(g)), len(below))
        columns.append((glyph, below[:end]))
    return columns


PAPER = 251, 249, 244
BLUE, GREEN, RED, PURPLE = (84, 134, 214), (142, 204, 52), (176, 24, 28), (104, 52, 140)


def make_scale(color):
    """The shades from paper to a color, in 32 steps, as the light scheme has them."""
    mix = np.linspace(PAPER, color, 33)
    return {tuple(np.floor(mix[n] + 0.5).astype(int)): n for n in range(33)}


UNIT_SCALE = {c: -n for c, n in make_scale(BLUE).items()} | make_scale(GREEN)
CHANCE_SCALE, SURPRISE_SCALE = make_scale(RED), make_scale(PURPLE)


def read_levels(glyphs, scale=UNIT_SCALE):
    """The levels of glyphs by their colors: of units from -32 to 32, others from 0."""
    return np.array([scale[glyph.background] for glyph in glyphs])


def marked_box(page):
    """The box of the frame around the marked character."""
    return text_box(page).evaluate(
        """(root) => {
          const frames = [...root.querySelectorAll("*")].filter((element) =>
            !element.textContent && getComputedStyle(element).boxShadow !== "none"
            && element.checkVisibility());
          const { left, top, right, bottom } = frames[0].getBoundingClientRect();
          return { left, top, right, bottom, count: frames.length };
        }"""
    )


def get_control(page, name):
    """The control of a name: a field, a slider, a choice or a check."""
    for role in ("spinbutton", "combobox", "slider", "checkbox", "textbox"):
        control = page.get_by_role(role, name=name, exact=True)
        if control.count():
            return control
    raise AssertionError(f"no control is called {name}")


def click(page, name):
    page.get_by_role("button", name=name, exact=True).click()


def read_choice(page):
    """(layer, unit, signal) of the controls, with which the heading agrees."""
    unit, layer = (int(get_control(page, n).input_value()) for n in ("unit", "layer"))
    assert page.get_by_text(f"Unit {unit} of layer {layer}").first.is_visible()
    signal = get_control(page, "signal").evaluate("e => e.selectedOptions[0].label")
    return layer, unit, signal


def character_panel(page):
    return page.get_by_role("region", name="The character")


def read_position(page):
    """The number of the character that the panel tells of."""
    [position] = re.findall(
        r"character ([\d,]+) of", character_panel(page).inner_text()
    )
    return int(position.replace(",", ""))


def read_address(page):
    """What the address says of the view, a moment later."""
    page.wait_for_timeout(300)
    return dict(parse_qsl(page.url.partition("#")[2]))


def until(page, is_true):
    """Waits, from outside: what waits inside a page is code made of text."""
    for _ in range(500):
        if is_true():
            return
        page.wait_for_timeout(20)
    raise AssertionError("it did not come true in ten seconds")


# ------------------------------------------------------------------- what is written


def set_writing(page, temperature="0", length="60"):
    get_control(page, "temperature").fill(temperature)
    get_control(page, "length").fill(length)


def read_writing(page, n=0):
    """The glyphs that the n-th writer wrote, after what it was given, underlined."""
    until(page, lambda: not page.get_by_role("button", name="Stop").is_visible())
    return read_glyphs(page.get_by_label(re.compile("^written: ")).nth(n))


def read_written(page, n=0, prompt=True):
    """What the n-th writer wrote, as text, with or without what it was given."""
    glyphs = [g for g in read_writing(page, n) if prompt or not g.underline]
    text = "".join(glyph.text for glyph in glyphs)
    return text.replace("↵", "").replace("→", "\t").replace("\u00a0", " ")
