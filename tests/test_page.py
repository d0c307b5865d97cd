"""What stands in the page that looks inside, without a browser."""

import json
import re

import numpy as np
import pytest
from pages import (
    HOSTILE,
    RESULTS,
    TEXT,
    make_net,
    read_script,
    render,
    stored_levels,
)

from charlm.data.vocab import Vocab
from charlm.errors import UserError
from charlm.interpret.activations import record_activations
from charlm.interpret.viewer.html import make_html, read_sizes
from charlm.interpret.viewer.quantize import quantize
from charlm.interpret.viewer.template import as_json


def read_data(net, **options):
    """What the page knows of the text."""
    return json.loads(read_script(render(net, **options), "data"))


@pytest.mark.parametrize("cell", ["lstm", "gru", "rnn"])
def test_values_stand_unit_after_unit_a_character_each(cell):
    net = make_net(cell=cell)
    activations, html = net[2], render(net)
    for name in read_data(net)["storedSignals"]:
        text = read_script(html, f"layer_1/{name}")
        assert len(text) == 8 * len(TEXT)
        rows = np.frombuffer(text.encode("ascii"), np.uint8).reshape(8, -1) - 94.0
        for unit in range(8):
            np.testing.assert_array_equal(
                rows[unit], stored_levels(activations, f"layer_1/{name}", unit)
            )
        assert rows.std() > 3


def test_the_ends_of_the_values_mean_nothing_to_html():
    net = make_net()
    signals = net[2].signals
    signals["layer_0/h"][:3, 0] = [-128, 127, 0]
    signals["layer_0/c"][:3, 0] = [-32768, 32767, 0]
    for name in ("h", "tanh_c"):
        assert read_script(render(net), f"layer_0/{name}").startswith(">~^")


def test_text_and_title_end_no_element_and_come_back_whole():
    net = make_net(HOSTILE)
    results = [RESULTS[0]._replace(label=HOSTILE)]
    options = {"title": HOSTILE, "about": HOSTILE, "unit_results": results}
    html = render(net, **options)
    assert html.count("</script>") == html.count("<script") == 9
    assert "<img" not in html and "<!--" not in html
    data = read_data(net, **options)
    codes = [data["vocab"]["codes"][n] for n in data["ids"]]
    assert "".join(map(chr, codes)) == HOSTILE
    assert data["title"] == data["about"] == data["unitResults"][0]["label"] == HOSTILE


def test_data_is_json_that_html_does_not_read():
    assert json.loads(as_json(HOSTILE)) == HOSTILE
    assert not set("<>&") & set(as_json(HOSTILE))
    with pytest.raises(ValueError):
        as_json(float("nan"))


def test_the_page_allows_itself_nothing_from_elsewhere(net):
    html = render(net)
    assert "default-src 'none'" in html and "base-uri 'none'" in html
    assert not re.search(r"https?://|\bsrc=|@import|url\(|innerHTML|eval\(", html)


def test_it_says_how_large_its_parts_are(net):
    html = render(net)
    sizes = read_sizes(html)
    assert sizes["text"] == len(read_script(html, "data"))
    names = [f"layer_{n}/{name}" for n in (0, 1) for name in ("h", "tanh_c")]
    values = [read_script(html, name) for name in [*names, "states"]]
    assert sizes["values"] == sum(map(len, values))
    assert sizes["model"] == len(read_script(html, "weights"))
    rest = len(html.encode()) - sum(sizes.values())
    assert 0 < rest < 2500  # tags and the title


def test_it_opens_with_the_best_result_or_with_a_unit_that_moves(net):
    view = read_data(net, unit_results=RESULTS, start=7)["initialView"]
    assert view == {"layer": 1, "unit": 3, "signal": "tanh_c", "at": 7}
    view = read_data(net)["initialView"]
    h = net[2].signals["layer_1/h"].astype(float)
    assert view["layer"] == 1 and view["unit"] == h.std(axis=0).argmax()


@pytest.mark.parametrize("start", [len(TEXT), -1])
def test_a_start_outside_of_the_text_is_named(net, start):
    with pytest.raises(UserError, match=f"start is {start}"):
        render(net, start=start)


@pytest.mark.parametrize("changes", [{"unit": 8}, {"layer": 2}, {"signal": "r"}])
def test_results_of_another_model_are_named(net, changes):
    result = RESULTS[0]._replace(**changes)
    message = f"{result.signal} of unit {result.unit} in layer {result.layer}"
    with pytest.raises(UserError, match=message):
        render(net, unit_results=[result])


def test_activations_must_have_their_signals_and_model(net):
    lm, params, activations = net
    model = (lm, params, activations.vocab)
    only_h = record_activations(model, TEXT, signals=["h"])
    with pytest.raises(UserError, match="activations have no c"):
        render((lm, params, only_h))
    other = make_net(features=9)[1]
    with pytest.raises(UserError, match="model is another one"):
        render(net, model=quantize(other, cell="lstm"))


def test_a_cell_that_the_page_does_not_run_is_named(net):
    _, params, activations = net
    model, message = quantize(params, cell="lstm"), r"charlm\.record_activations"
    with pytest.raises(UserError, match=message):
        make_html(activations._replace(cell="mingru"), model=model, title="")
    with pytest.raises(UserError, match=message):
        quantize(params, cell="mingru")


def test_it_opens_where_what_the_unit_does_varies_most():
    net = make_net("The cat sat, and ran. " * 200)
    c = net[2].signals["layer_1/c"]
    c[:, 3] = 300
    c[2000:2600:2, 3] = -300
    c[2100, 3] = -3000

    def read_start(**options):
        return read_data(net, **options)["initialView"]["at"]

    assert 2000 <= read_start(unit_results=RESULTS) < 2200
    assert read_start(unit_results=RESULTS, start=0) == 0
    c[:, 3] = 300  # nowhere more than elsewhere
    assert read_start(unit_results=RESULTS) == 0
    gate = RESULTS[0]._replace(signal="f")  # the page needs no gates
    assert 0 <= read_start(unit_results=[gate]) < len(net[2].ids)


@pytest.mark.parametrize("text", ["a", "ab"])
def test_a_text_of_a_character_or_two_has_a_page(text):
    net = make_net(text, vocab=Vocab.of("ab\n"))
    assert read_data(net)["initialView"]["at"] < len(text)
