"""What stands in the page that looks inside, without a browser."""

import json
import re

import numpy as np
import pytest
from pages import CELLS, HOSTILE, TEXT, element, html_of, levels_of, traced

from charlm.data.vocab import Vocab
from charlm.errors import UserError
from charlm.interpret.activations import trace
from charlm.interpret.viewer.html import as_json, sizes
from charlm.interpret.viewer.quantize import packed


@pytest.mark.parametrize("cell", ["lstm", "gru", "rnn"])
def test_values_stand_unit_after_unit_a_character_each(cell):
    net = traced(cell=cell)
    seen, html = net[2], html_of(net)
    stored = json.loads(element(html, "data"))["stored"]
    for name in stored:
        text = element(html, f"layer_1/{name}")
        assert len(text) == 8 * len(TEXT)
        rows = np.frombuffer(text.encode("ascii"), np.uint8).reshape(8, -1) - 94.0
        for unit in range(8):
            np.testing.assert_array_equal(
                rows[unit], levels_of(seen, f"layer_1/{name}", unit)
            )
        assert rows.std() > 3


def test_the_ends_of_the_values_mean_nothing_to_html():
    net = traced()
    seen = net[2]
    seen.signals["layer_0/h"][:3, 0] = [-128, 127, 0]
    seen.signals["layer_0/c"][:3, 0] = [-32768, 32767, 0]
    for name in ("h", "tanh_c"):
        assert element(html_of(net), f"layer_0/{name}").startswith(">~^")


def test_text_and_title_end_no_element_and_come_back_whole():
    net = traced(HOSTILE)
    html = html_of(
        net, title=HOSTILE, about=HOSTILE, cells=[{**CELLS[0], "label": HOSTILE}]
    )
    assert html.count("</script>") == html.count("<script") == 9
    assert "<img" not in html and "<!--" not in html
    data = json.loads(element(html, "data"))
    codes = [data["vocab"]["codes"][n] for n in data["ids"]]
    assert "".join(map(chr, codes)) == HOSTILE
    assert data["title"] == data["about"] == data["cells"][0]["label"] == HOSTILE


def test_data_is_json_that_html_does_not_read():
    assert json.loads(as_json(HOSTILE)) == HOSTILE
    assert not set("<>&") & set(as_json(HOSTILE))
    with pytest.raises(ValueError):
        as_json(float("nan"))


def test_the_page_allows_itself_nothing_from_elsewhere(net):
    html = html_of(net)
    assert "default-src 'none'" in html and "base-uri 'none'" in html
    assert not re.search(r"https?://|\bsrc=|@import|url\(|innerHTML|eval\(", html)


def test_it_says_how_large_its_parts_are(net):
    html = html_of(net)
    found = sizes(html)
    assert found["text"] == len(element(html, "data"))
    values = [f"layer_{n}/{name}" for n in (0, 1) for name in ("h", "tanh_c")]
    assert found["values"] == sum(len(element(html, n)) for n in [*values, "states"])
    assert found["model"] == len(element(html, "weights"))
    rest = len(html.encode()) - sum(found.values())
    assert 0 < rest < 2500  # tags and the title


def test_it_opens_with_the_best_cell_or_with_a_unit_that_moves(net):
    start = json.loads(element(html_of(net, cells=CELLS, start=7), "data"))["start"]
    assert start == {"layer": 1, "unit": 3, "signal": "tanh_c", "at": 7}
    start = json.loads(element(html_of(net), "data"))["start"]
    h = net[2].signals["layer_1/h"].astype(float)
    assert start["layer"] == 1 and start["unit"] == h.std(axis=0).argmax()


@pytest.mark.parametrize(
    "given, message",
    [
        ({"start": len(TEXT)}, "the text has characters 0 to"),
        ({"start": -1}, "start is -1"),
        ({"cells": [{**CELLS[0], "unit": 8}]}, "no tanh_c of unit 8 in layer 1"),
        ({"cells": [{**CELLS[0], "layer": 2}]}, "in layer 2"),
        ({"cells": [{**CELLS[0], "signal": "r"}]}, "no r of unit 3"),
    ],
)
def test_mistakes_are_named(net, given, message):
    with pytest.raises(UserError, match=message):
        html_of(net, **given)


def test_a_trace_must_have_its_signals_and_weights(net):
    lm, params, _ = net
    seen = trace(lm, params, net[2].vocab, TEXT, signals=["h"])
    with pytest.raises(UserError, match="the trace has no c"):
        html_of((lm, params, seen))
    other = traced(features=9)[1]
    with pytest.raises(UserError, match="weights are of another model"):
        html_of(net, weights=packed(other))


def test_it_opens_where_what_the_cell_does_varies_most():
    net = traced("The cat sat, and ran. " * 200)
    c = net[2].signals["layer_1/c"]
    c[:, 3] = 300
    c[2000:2600:2, 3] = -300
    c[2100, 3] = -3000

    def at(**given):
        return json.loads(element(html_of(net, **given), "data"))["start"]["at"]

    assert 2000 <= at(cells=CELLS) < 2200
    assert at(cells=CELLS, start=0) == 0
    c[:, 3] = 300  # nowhere more than elsewhere
    assert at(cells=CELLS) == 0
    gate = {**CELLS[0], "signal": "f"}  # not in a trace of what a page needs
    assert 0 <= at(cells=[gate]) < len(net[2].ids)


@pytest.mark.parametrize("text", ["a", "ab"])
def test_a_text_of_a_character_or_two_has_a_page(text):
    net = traced(text, vocab=Vocab.of("ab\n"))
    assert json.loads(element(html_of(net), "data"))["start"]["at"] < len(text)
