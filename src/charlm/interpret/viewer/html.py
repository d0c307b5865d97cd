"""page(trace): one HTML file that shows a text by what units did, and writes on.

It needs no network and no other file. What is large lies in it as plain text that a
browser reads without looking into it: a unit's values, one character each.
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

from charlm.data.vocab import Vocab
from charlm.errors import UserError
from charlm.interpret.activations import Activations
from charlm.interpret.units.permutation_test import MIN_CHARS
from charlm.interpret.viewer.initial_view import opening

PARTS = Path(__file__).parent / "static"
SCRIPTS = (
    "model", "gates", "data", "colors", "glyphs", "layout", "units", "strip",
    "view", "inspect", "lists", "link", "writer", "pointing", "main",
)  # fmt: skip
# What the page keeps; it computes the other signals, as they are asked for, from h and
# the weights. An n of a GRU would take too long.
STORED = {"lstm": ("h", "tanh_c"), "gru": ("h", "n"), "rnn": ("h",)}
COMPUTED = {"lstm": ("c", "i", "f", "g", "o"), "gru": ("r", "z"), "rnn": ()}
NEEDED = {"lstm": ("h", "c"), "gru": ("h", "n"), "rnn": ("h",)}
ZERO, STEPS = 94, 32  # the character of the value 0, and how many lead to 1
EVERY = 256  # characters between two states from which the page can go on
NAMES = {9: "tab", 10: "newline", 13: "carriage return", 32: "space"}
SIZES = ("text", "values", "model", "page")


def page(
    trace: Activations,
    *,
    weights: Mapping[str, Any],
    cells: Sequence[Mapping[str, Any]] | None = None,
    title: str,
    about: str = "",
    start: int | None = None,
) -> str:
    """The page, as HTML; its footer says how large its parts are, as `sizes` does.

    Args:
      trace: of the text that is shown, all of it: with h, of an LSTM with c, of a GRU
        with n. A character costs a byte for each unit, of an LSTM and a GRU two.
      weights: of the model, as charlm.interpret.viewer.quantize.packed gives them.
      cells: what units follow, the best first: of each its layer (from 0), unit, signal
        (as "tanh_c"), label, held-out score, whether it passed the controls, and the
        sign of the score. The page opens with the first. None: none were searched for.
      title: its heading.
      about: a sentence beneath it.
      start: the character that is marked when it opens; None: one where what the unit
        does varies most.

    Raises:
      UserError: the trace lacks a signal, start is not in the text, or the weights or
        a cell belong to another model.
    """
    _check(trace, weights, cells or (), start)
    first = opening(trace, cells or (), start)
    data = as_json(
        _data_of(trace)
        | {"title": title, "about": about, "start": first, "least": 2 * MIN_CHARS}
        | {"searched": cells is not None, "cells": [_cell_of(c) for c in cells or ()]}
    )
    values = {
        f"layer_{layer}/{name}": _values_of(trace, layer, name)
        for layer in range(trace.layers)
        for name in STORED[trace.cell]
    }
    states, model = as_json(_states_of(trace)), as_json(weights)
    style, scripts = _read("page.css"), "\n".join(_read(f"{n}.js") for n in SCRIPTS)
    bytes_of = {
        "text": len(data),
        "values": sum(map(len, values.values())) + len(states),
        "model": len(model),
        "page": len((style + scripts + _read("page.html")).encode()),
    }
    plain = {name: _script(name, "text/plain", text) for name, text in values.items()}
    # What is shown first comes first: it is seen while the rest is being read.
    shown = {name for name in plain if name.startswith(f"layer_{first['layer']}/")}
    kind = "application/json"
    given = {
        "title": html.escape(title),
        "style": style,
        "sizes": _script("sizes", kind, as_json(bytes_of)),
        "data": _script("data", kind, data),
        "first": "\n".join(plain[name] for name in plain if name in shown),
        "scripts": scripts,
        "rest": "\n".join(
            [
                *(plain[name] for name in plain if name not in shown),
                _script("states", kind, states),
                _script("weights", kind, model),
            ]
        ),
    }
    # In one pass: what is filled in is not looked through again.
    return re.sub(r"\{\{(\w+)\}\}", lambda match: given[match[1]], _read("page.html"))


def sizes(made: str) -> dict[str, int]:
    """Bytes of the parts of a page: "text", "values" of the units, "model", "page"."""
    [found] = re.findall(r'<script type="application/json" id="sizes">(.*?)<', made)
    return json.loads(found)


def as_json(data: Any) -> str:
    """JSON that cannot end the script element it stands in, nor begin another."""
    text = json.dumps(data, allow_nan=False, separators=(",", ":"))
    for character in "<>&":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text


def _read(name: str) -> str:
    return (PARTS / name).read_text(encoding="utf-8")


def _script(name: str, kind: str, text: str) -> str:
    return f'<script type="{kind}" id="{name}">{text}</script>'


def _check(trace: Activations, weights, cells, start: int | None) -> None:
    """Raises the UserErrors of `page`."""
    for name in NEEDED[trace.cell]:
        if f"layer_0/{name}" not in trace.signals:
            raise UserError(
                f"the trace has no {name}, of which the page is made; trace the text"
                " again with all signals"
            )
    sizes = (trace.cell, trace.layers, trace.features, len(trace.vocab))
    if tuple(weights[k] for k in ("cell", "layers", "features", "vocab")) != sizes:
        raise UserError("weights are of another model than the trace; give its own")
    if start is not None and not 0 <= start < len(trace.ids):
        raise UserError(
            f"start is {start}; the text has characters 0 to {len(trace.ids) - 1}"
        )
    signals = {*STORED[trace.cell], *COMPUTED[trace.cell]}
    for cell in cells:
        here = 0 <= cell["layer"] < trace.layers and 0 <= cell["unit"] < trace.features
        if not here or cell["signal"] not in signals:
            raise UserError(
                f"there is no {cell['signal']} of unit {cell['unit']} in layer"
                f" {cell['layer']}; give cells of the model of the trace"
            )


def _data_of(trace: Activations) -> dict[str, Any]:
    """What data.js reads of a trace."""
    vocab, memory = trace.vocab, "c" if trace.cell == "lstm" else "h"
    ends = [
        (trace.signals[name], trace.scales[name])
        for name in (f"layer_{n}/{memory}" for n in range(trace.layers))
    ]
    return {
        "cell": trace.cell,
        "layers": trace.layers,
        "features": trace.features,
        "vocab": {"unit": vocab.unit, "codes": list(vocab.codes)},
        "names": [_name_of(code, vocab) for code in vocab.codes],
        "ids": np.asarray(trace.ids).tolist(),
        "top": trace.guesses.shape[1],
        "guesses": np.asarray(trace.guesses).ravel().tolist(),
        # In thousandths.
        "chances": np.rint(np.asarray(trace.chances) / 65.535)
        .astype(int)
        .ravel()
        .tolist(),
        "nats": [None if n != n else round(float(n), 3) for n in trace.nats],
        "stored": STORED[trace.cell],
        "ranges": {
            "low": [_rounded(of.min(axis=0) * scale) for of, scale in ends],
            "high": [_rounded(of.max(axis=0) * scale) for of, scale in ends],
        },
        "every": EVERY,
    }


def _cell_of(cell: Mapping[str, Any]) -> dict[str, Any]:
    """What the page says of a cell, as plain data."""
    return {
        "layer": int(cell["layer"]),
        "unit": int(cell["unit"]),
        "signal": str(cell["signal"]),
        "label": str(cell["label"]),
        "score": round(float(cell["score"]), 4),
        "passed": bool(cell["passed"]),
        "sign": int(cell["sign"]),
    }


def _rounded(values) -> list[float]:
    return [round(float(value), 3) for value in values]


def _name_of(code: int, vocab: Vocab) -> str:
    """A symbol's name: "latin small letter q", "newline", "byte 0xff"."""
    if vocab.unit == "byte" and code > 127:
        return f"byte 0x{code:02x}"
    return NAMES.get(code) or unicodedata.name(chr(code), "control or unnamed").lower()


def _values_of(trace: Activations, layer: int, name: str) -> str:
    """All values of a stored signal, unit after unit, a character each.

    The character is chr(94 + round(32 value)): from ">" of -1 to "~" of 1, so that none
    of them means anything to HTML.
    """
    source = f"layer_{layer}/{'c' if name == 'tanh_c' else name}"
    ints, scale = np.asarray(trace.signals[source]), trace.scales[source]
    limits = np.iinfo(ints.dtype)
    every = np.arange(limits.min, limits.max + 1) * scale
    real = np.tanh(every) if name == "tanh_c" else np.clip(every, -1, 1)
    table = (ZERO + np.rint(STEPS * real)).astype(np.uint8)
    codes = table[ints.T.astype(np.int32) - limits.min]
    return codes.tobytes().decode("ascii")


def _states_of(trace: Activations) -> dict[str, str]:
    """The state after each EVERY characters, integers[n, l, h] as in the trace."""
    kept = {"h": "<i1"} | ({"c": "<i2"} if trace.cell == "lstm" else {})
    found = {}
    for name, dtype in kept.items():
        rows = [
            trace.signals[f"layer_{n}/{name}"][EVERY - 1 :: EVERY]
            for n in range(trace.layers)
        ]
        stacked = np.stack(rows, axis=1).astype(dtype)
        found[name] = base64.b64encode(stacked.tobytes()).decode("ascii")
    return found
