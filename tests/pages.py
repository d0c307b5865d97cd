"""What the tests of the page share: small nets, their pages, looks at them."""

import re

import jax
import numpy as np

from charlm.data.vocab import Vocab
from charlm.interpret.activations import Activations, trace
from charlm.interpret.viewer.html import page
from charlm.interpret.viewer.quantize import packed, unpacked
from charlm.model.lm import make_language_model

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


def html_of(net, **given):
    _, params, seen = net
    return page(seen, **{"weights": packed(params), "title": "A page"} | given)


def element(html, name):
    [text] = re.findall(rf'<script type="[\w/]+" id="{name}">(.*?)</script>', html)
    return text


def levels_of(seen: Activations, name, unit):
    """levels[t] that the page keeps of a unit: 1/32 of h, n and tanh c."""
    layer, signal = name.split("/")
    if signal == "tanh_c":
        return np.rint(32 * np.tanh(seen.real(f"{layer}/c", unit))).astype(int)
    return np.rint(32 * np.clip(seen.real(name, unit), -1, 1)).astype(int)


def showing(new_page, folder):
    """(net, link, width) -> its page, opened; nothing may go wrong in it."""

    def show(net, link="", width=1280, scheme="light", touch=False, **given):
        path = folder / "page.html"
        path.write_text(html_of(net, **{"start": 0} | given), encoding="utf-8")
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
