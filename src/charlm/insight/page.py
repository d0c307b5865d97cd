"""page(trace): one HTML file that shows a text by what units did, and writes on.

It needs no network and no other file. What is large lies in it as plain text that the
browser does not touch before it is looked at: a unit's values, one character each.
"""

import base64
import html
import json
import re
import unicodedata
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from charlm.errors import UserError
from charlm.insight.trace import Trace
from charlm.text.vocab import Vocab

PARTS = Path(__file__).parent / "page"
SCRIPTS = (
    "model", "data", "colors", "glyphs", "layout", "units", "strip", "view",
    "inspect", "lists", "link", "writer", "pointing", "main",
)  # fmt: skip
# Of each cell what the page keeps; it computes the other signals from h and weights.
STORED = {"lstm": ("h", "tanh_c"), "gru": ("h", "n"), "rnn": ("h",)}
NEEDED = {"lstm": ("h", "c"), "gru": ("h", "n"), "rnn": ("h",)}
GATES = {"lstm": ("c", "i", "f", "g", "o"), "gru": ("r", "z"), "rnn": ()}
ZERO, STEPS = 94, 32  # the character of the value 0, and how many lead to 1
EVERY = 256  # characters between two states from which the page can go on
SPOKEN = {9: "tab", 10: "newline", 13: "carriage return", 32: "space"}
CELL_KEYS = ("layer", "unit", "signal", "label", "score", "passed", "sign")


def page(
    trace: Trace,
    *,
    weights: Mapping[str, Any],
    cells: Sequence[Mapping[str, Any]] = (),
    title: str,
    about: str = "",
    start: int = 0,
) -> str:
    """The page, as HTML; its footer says how large its parts are, as `sizes` does.

    Args:
      trace: of the text that is shown, all of it: with h, of an LSTM with c, of a GRU
        with n. A character costs a byte for each unit, of an LSTM or a GRU two.
      weights: of the model, as charlm.insight.weights.packed gives them.
      cells: what units follow, the best first: of each its layer (from 0), unit,
        signal ("tanh_c"), label, held-out score, whether it passed the controls, and
        the score's sign. The first is shown when the page opens.
      title: its heading.
      about: a sentence beneath it.
      start: the character that is marked when it opens.

    Raises:
      UserError: the trace has not the signals, start lies outside the text, a cell is
        not of this model, or the weights are of another one.
    """
    _check(trace, weights, cells, start)
    text = {
        "data": as_json(_data_of(trace, cells, title, about, start)),
        "weights": as_json(weights),
        "states": as_json(_states_of(trace)),
    }
    values = {
        f"layer_{n}/{name}": _values_of(trace, n, name)
        for n in range(trace.layers)
        for name in STORED[trace.cell]
    }
    style = (PARTS / "page.css").read_text(encoding="utf-8")
    scripts = "\n".join(
        (PARTS / f"{name}.js").read_text(encoding="utf-8") for name in SCRIPTS
    )
    parts = {
        "the text and the guesses": [text["data"]],
        "what the units did": [*values.values(), text["states"]],
        "the model": [text["weights"]],
        "the page itself": [style, scripts],
    }
    shown = f"layer_{_start_of(trace, cells)['layer']}/"
    elements = {name: _plain(name, value) for name, value in values.items()}
    first = [element for name, element in elements.items() if name.startswith(shown)]
    rest = [element for name, element in elements.items() if name not in shown]
    rest = [element for element in rest if element not in first]
    return _filled(
        title=html.escape(title),
        style=style,
        sizes=_said({name: _bytes_of(part) for name, part in parts.items()}),
        data=text["data"],
        first="\n".join(first),
        scripts=scripts,
        rest="\n".join([*rest, _json("states", text), _json("weights", text)]),
    )
