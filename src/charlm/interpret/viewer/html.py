"""make_html(activations): one HTML file that shows a text by its units, and writes on.

It needs no network and no other file. What is large is in it as plain text, which a
browser need not parse: a unit's values, one character each.
"""

import json
import re
import unicodedata
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from charlm.data.vocab import Vocab
from charlm.errors import UserError
from charlm.interpret.activations import Activations
from charlm.interpret.units.scores import MIN_CHARS
from charlm.interpret.viewer.quantize import check_cell, encode
from charlm.interpret.viewer.template import as_json, fill, make_document, read_static

SCRIPTS = (
    "dom", "model", "data", "colors", "glyphs", "units", "strip", "view", "aside",
    "writer", "pointing", "main",
)  # fmt: skip
# What the page shows; what it stores, to compute the others from h and the weights as
# they are asked for (an n of a GRU would take too long); and what it is made of.
SIGNALS = {
    "lstm": ("h", "tanh_c", "c", "i", "f", "g", "o"),
    "gru": ("h", "r", "z", "n"),
    "rnn": ("h",),
}
STORED_SIGNALS = {"lstm": ("h", "tanh_c"), "gru": ("h", "n"), "rnn": ("h",)}
REQUIRED_SIGNALS = {"lstm": ("h", "c"), "gru": ("h", "n"), "rnn": ("h",)}
ZERO_CODE, LEVELS = 94, 32  # the character of the value 0, and how many lead to 1
SCREEN_CHARS = 600  # about half of what a screen shows
STATE_INTERVAL = 256  # characters between two states from which the page can go on
MIN_SEARCH = 2 * MIN_CHARS  # characters, without which no units are searched for
CONTROL_NAMES = {9: "tab", 10: "newline", 13: "carriage return"}


class ListedUnit(NamedTuple):
    """A unit in the page's list, and what it follows, as a `UnitResult` has them."""

    layer: int
    unit: int
    signal: str  # "tanh_c" stands for c
    label: str
    score: float
    passed: bool


def make_html(
    activations: Activations,
    *,
    model: Mapping[str, Any],
    unit_results: Sequence[ListedUnit] | None = None,
    title: str,
    about: str = "",
    start: int | None = None,
) -> str:
    """Returns the page of a text; its footer says how large its parts are.

    Args:
      activations: on the text that is shown: with h, of an LSTM with c, of a GRU with
        n. A character takes a byte for each unit, of an LSTM and a GRU two.
      model: that wrote them, as charlm.interpret.viewer.quantize returns it.
      unit_results: what units follow, the best first: the page opens with the first.
        None: no units were searched for.
      title: its heading; `about` is a sentence beneath it.
      start: the character that is marked when it opens; None: one where the unit
        varies most.

    Raises UserError if the page does not run the cell, the activations lack a signal,
    start is not in the text, or the model or a result belongs to another one.
    """
    _check(activations, model, unit_results or (), start)
    view = _choose_initial_view(activations, unit_results or (), start)
    results = unit_results and [result._asdict() for result in unit_results]
    data = _make_data(activations) | {"title": title, "about": about}
    data |= {"initialView": view, "unitResults": results, "minSearch": MIN_SEARCH}
    names = STORED_SIGNALS[activations.cell]
    # The layer that is shown first comes first: the page is drawn while it loads.
    layers = sorted(range(activations.layers), key=lambda layer: layer != view["layer"])
    values = {
        f"layer_{layer}/{name}": _encode_values(activations, layer, name)
        for layer in layers
        for name in names
    }
    texts = {"data": as_json(data)} | values
    texts |= {"states": as_json(_encode_states(activations)), "weights": as_json(model)}
    css, body = read_static("page.css"), read_static("page.html")
    code = "\n".join(read_static(f"{name}.js") for name in SCRIPTS)
    text, *value_sizes, weights = map(len, texts.values())
    sizes = {
        "text": text,
        "values": sum(value_sizes),
        "model": weights,
        "page": len((css + code + body).encode()),
    }
    scripts = [
        f'<script type="text/plain" id="{name}">{text}</script>'
        for name, text in ({"sizes": as_json(sizes)} | texts).items()
    ]
    count = 2 + len(names)  # of those that are needed to draw it
    first, rest = "\n".join(scripts[:count]), "\n".join(scripts[count:])
    body = fill(body, {"first": first, "code": code, "rest": rest})
    return make_document(title=title, css=css, body=body)


def read_sizes(page: str) -> dict[str, int]:
    """Returns bytes of the "text", "values" of units, "model" and rest of a "page"."""
    [sizes] = re.findall(r'<script type="text/plain" id="sizes">(.*?)<', page)
    return json.loads(sizes)


def _check(activations: Activations, model, unit_results, start: int | None) -> None:
    """Raises the UserErrors of `make_html`."""
    cell, layers, features = activations.cell, activations.layers, activations.features
    check_cell(cell)
    for name in REQUIRED_SIGNALS[cell]:
        if f"layer_0/{name}" not in activations.signals:
            raise UserError(
                f"activations have no {name}, which the page needs; record them again"
                " with all signals"
            )
    sizes = (cell, layers, features, len(activations.vocab))
    if tuple(model[k] for k in ("cell", "layers", "features", "vocab_size")) != sizes:
        raise UserError("model is another one than that of the activations; give that")
    if start is not None and not 0 <= start < len(activations.ids):
        raise UserError(
            f"start is {start}; the text has characters 0 to {len(activations.ids) - 1}"
        )
    for result in unit_results:
        exists = 0 <= result.layer < layers and 0 <= result.unit < features
        if not exists or result.signal not in SIGNALS[cell]:
            raise UserError(
                f"unit_results has {result.signal} of unit {result.unit} in layer"
                f" {result.layer}, which this model lacks; give its own results"
            )


def _choose_initial_view(
    activations: Activations, unit_results: Sequence[ListedUnit], start: int | None
) -> dict[str, Any]:
    """Returns what is shown first, and "at", the marked character."""
    if unit_results:
        layer, unit, signal = unit_results[0][:3]
    else:  # the unit of the top layer that moves most
        layer = activations.layers - 1
        signal = "tanh_c" if activations.cell == "lstm" else "h"
        h = np.asarray(activations.signals[f"layer_{layer}/h"])
        unit = int(h.std(axis=0, dtype=np.float32).argmax())
    if start is None:
        # The activations need not have the gates; h stands for them.
        name = "c" if signal in ("tanh_c", "c") else "h"
        values = activations.get_values(f"layer_{layer}/{name}", unit)
        start = _find_active_position(np.tanh(values) if name == "c" else values)
    return {"layer": layer, "unit": unit, "signal": signal, "at": start}


def _find_active_position(values: np.ndarray) -> int:
    """Returns the position of a jump, early in SCREEN_CHARS values that vary most.

    Early, because a page shows twice as much after the marked character as before it;
    the first SCREEN_CHARS, of all whose variance is within a tenth of the largest.
    """
    width = min(SCREEN_CHARS, len(values))
    sums = np.cumsum(np.stack([values, values**2]), axis=1, dtype=np.float64)
    sums = np.pad(sums, ((0, 0), (1, 0)))
    mean, square = (sums[:, width:] - sums[:, :-width]) / width
    variance = square - mean**2
    begin = int(np.argmax(variance >= 0.9 * variance.max()))
    early = values[begin : begin + max(1, width // 3)]
    return begin + int(np.argmax(np.abs(np.diff(early, prepend=early[:1]))))


def _make_data(activations: Activations) -> dict[str, Any]:
    """Returns what data.js reads of the activations."""
    vocab, memory = activations.vocab, "c" if activations.cell == "lstm" else "h"
    names = [f"layer_{n}/{memory}" for n in range(activations.layers)]
    rows = [(activations.signals[key], activations.scales[key]) for key in names]
    thousandths = np.rint(np.asarray(activations.top_k_probs) / 65.535).astype(int)
    return {
        "cell": activations.cell,
        "layers": activations.layers,
        "features": activations.features,
        "vocab": {"unit": vocab.unit, "codes": list(vocab.codes)},
        "symbolNames": [_symbol_name(code, vocab) for code in vocab.codes],
        "ids": np.asarray(activations.ids).tolist(),
        "guessCount": activations.top_k_ids.shape[1],
        "guesses": np.asarray(activations.top_k_ids).ravel().tolist(),
        "chances": thousandths.ravel().tolist(),
        "nats": [None if n != n else round(float(n), 3) for n in activations.nats],
        "signals": SIGNALS[activations.cell],
        "storedSignals": STORED_SIGNALS[activations.cell],
        "memoryRanges": {
            "low": [(x.min(axis=0) * scale).round(3).tolist() for x, scale in rows],
            "high": [(x.max(axis=0) * scale).round(3).tolist() for x, scale in rows],
        },
        "stateInterval": STATE_INTERVAL,
    }


def _symbol_name(code: int, vocab: Vocab) -> str:
    """Returns a symbol's name: "latin small letter q", "newline", "byte 0xff"."""
    if vocab.unit == "byte" and code > 127:
        return f"byte 0x{code:02x}"
    name = unicodedata.name(chr(code), "control or unnamed").lower()
    return CONTROL_NAMES.get(code, name)


def _encode_values(activations: Activations, layer: int, name: str) -> str:
    """Returns all values of a stored signal, unit after unit, a character each.

    The character is chr(94 + round(32 value)): from ">" of -1 to "~" of 1, so that none
    of them means anything to HTML.
    """
    source = f"layer_{layer}/{'c' if name == 'tanh_c' else name}"
    ints, scale = np.asarray(activations.signals[source]), activations.scales[source]
    limits = np.iinfo(ints.dtype)
    values = np.arange(limits.min, limits.max + 1) * scale
    values = np.tanh(values) if name == "tanh_c" else np.clip(values, -1, 1)
    table = (ZERO_CODE + np.rint(LEVELS * values)).astype(np.uint8)
    codes = table[ints.T.astype(np.int32) - limits.min]
    return codes.tobytes().decode("ascii")


def _encode_states(activations: Activations) -> dict[str, str]:
    """Returns the state after each STATE_INTERVAL characters, integers[n, l, h]."""
    dtypes = {"h": "<i1", "c": "<i2"} if activations.cell == "lstm" else {"h": "<i1"}
    every = slice(STATE_INTERVAL - 1, None, STATE_INTERVAL)
    states = {}
    for name, dtype in dtypes.items():
        keys = [f"layer_{n}/{name}" for n in range(activations.layers)]
        rows = np.stack([activations.signals[key][every] for key in keys], axis=1)
        states[name] = encode(rows, dtype)
    return states
