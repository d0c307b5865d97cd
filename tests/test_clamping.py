"""Clamped units: against a plain loop, and what they cost."""

import json
from typing import Any

import jax
import numpy as np
import pytest
from test_trace import TEXT, made

from charlm import Vocab, make_language_model
from charlm.evaluation.score import compute_log_probabilities
from charlm.interpret import ablation, activations
from charlm.interpret.ablation import (
    Hold,
    ablated_nats,
    ablation_effects,
    matched_units,
)
from charlm.interpret.activations import record_activations
from charlm.interpret.units.selection import as_records
from charlm.model.cells import MAKERS
from charlm.model.lstm import LSTMState


def by_hand(cell, lm, params, ids, clamp):
    """nats of each id but the first, of a loop that sets one value at each step."""
    kind: Any = MAKERS[cell]()
    activations, head = jax.jit(kind.activations), params["head"]
    carry, nats = list(lm.initial_carry(1)), []
    for id, after in zip(ids[:-1], ids[1:], strict=True):
        x = np.asarray([id])
        for n in range(2):
            layer, before = params[f"layer_{n}"], carry[n]
            after_layer, _, gates = activations(layer, before, x)
            carry[n] = jax.tree.map(np.array, after_layer)
            if n == clamp.layer:
                seen = clamp.unit
                if isinstance(carry[n], LSTMState):
                    carry[n].c[0, seen] = clamp.value
                    h = np.asarray(gates["o"])[0, seen] * np.tanh(clamp.value)
                    carry[n].h[0, seen] = h
                else:
                    carry[n].h[0, seen] = clamp.value
            x = carry[n].h
        logits = (x @ np.asarray(head["w"]) + np.asarray(head["b"]))[0]
        nats.append(np.log(np.exp(logits).sum()) - logits[after])
    return np.asarray(nats)


@pytest.mark.parametrize("cell", MAKERS)
def test_a_clamped_unit_is_held_at_every_step(monkeypatch, cell):
    monkeypatch.setattr(activations, "CHUNK_CHARS", 7)
    lm, params, vocab = made(cell, scale=2.0)
    ids = vocab.encode(TEXT)
    clamps = [Hold(0, 3, 0.9), None, Hold(1, 2, -0.7)]
    nats = ablated_nats(lm, params, ids, clamps)
    assert nats.shape == (3, len(ids)) and np.isnan(nats[:, 0]).all()
    for lane in (0, 2):
        by = by_hand(cell, lm, params, ids, clamps[lane])
        np.testing.assert_allclose(nats[lane, 1:], by, rtol=1e-4)
        assert np.abs(nats[lane, 1:] - nats[1, 1:]).max() > 0.01
    plain = -compute_log_probabilities(lm, params, ids)
    np.testing.assert_allclose(nats[1, 1:], plain, rtol=1e-4)


def test_more_clamps_than_lanes(monkeypatch):
    monkeypatch.setattr(ablation, "LANES", 9)
    lm, params, vocab = made(embedding=3)
    ids = vocab.encode(TEXT)
    clamps = [Hold(n % 2, n % 5, n / 10) for n in range(20)]
    nats = ablated_nats(lm, params, ids, clamps)
    alone = np.concatenate([ablated_nats(lm, params, ids, [one]) for one in clamps])
    np.testing.assert_allclose(nats, alone, rtol=1e-5)


def test_a_unit_that_nothing_reads_costs_nothing_and_one_that_is_read_does():
    lm, params, vocab = made("rnn")
    params = jax.tree.map(np.array, params)
    params["layer_1"]["wh"][2] = params["head"]["w"][2] = 0  # the deaf one
    params["head"]["w"][4] *= 20  # the loud one
    seen = record_activations((lm, params, vocab), TEXT)
    holds = np.arange(len(TEXT)) % 3 == 0
    deaf, loud = ablation_effects(
        lm, params, seen, [(1, 2), (1, 4)], [holds, holds], controls=3
    )
    assert deaf.total == deaf.inside == deaf.outside == 0
    assert deaf.symbols == {} and abs(loud.total) > 0.01 and len(loud.matched) == 3
    held = Hold(1, 4, float(seen.get_values("layer_1/h", 4).mean()))
    nats = ablated_nats(lm, params, seen.ids, [None, held])
    added = (nats[1] - nats[0])[1:]
    assert loud.total == pytest.approx(added.mean(), abs=1e-4)
    assert loud.inside == pytest.approx(added[holds[:-1]].mean(), abs=1e-4)
    assert loud.outside == pytest.approx(added[~holds[:-1]].mean(), abs=1e-4)
    others = matched_units(seen, "layer_1/h", 4, count=3)
    means = [float(seen.get_values("layer_1/h", n).mean()) for n in others]
    held = [Hold(1, n, mean) for n, mean in zip(others, means, strict=True)]
    alike = ablated_nats(lm, params, seen.ids, [None, *held])
    alike = (alike[1:] - alike[0])[:, 1:][:, holds[:-1]].mean(axis=1)
    assert loud.matched == pytest.approx(alike.tolist(), abs=1e-4)
    assert loud.beaten == np.mean([other < loud.inside for other in loud.matched])
    [never] = ablation_effects(lm, params, seen, [(1, 4)], [0 * holds > 1], controls=3)
    assert np.isnan(never.inside) and np.isnan(never.beaten)
    sums = {s: added[[c == s for c in TEXT[1:]]].sum() for s in set(TEXT[1:])}
    worst = max(sums, key=sums.__getitem__)
    assert next(iter(loud.symbols)) == worst
    whole = sum(loss for loss in sums.values() if loss > 0)
    assert loud.symbols[worst] == pytest.approx(sums[worst] / whole, rel=1e-2)


def test_a_unit_that_has_no_like_beats_none():
    lm = make_language_model(vocab_size=2, cell="rnn", layers=1, features=1)
    params, text = lm.init(jax.random.key(0)), "ab" * 9
    seen = record_activations((lm, params, Vocab.of(text)), text)
    [cost] = ablation_effects(lm, params, seen, [(0, 0)], [np.ones(18, bool)])
    assert cost.matched == [] and np.isnan(cost.beaten) and np.isnan(cost.outside)
    [record] = as_records([cost])
    assert record["beaten"] is None and record["total"] == cost.total
    json.dumps(record, allow_nan=False)


def test_the_units_of_equal_variance_are_the_nearest():
    lm, params, vocab = made("gru")
    seen = record_activations((lm, params, vocab), TEXT)
    up_and_down = np.where(np.arange(len(TEXT)) % 2, 1, -1)[:, None]
    rows = (up_and_down * [20, 2, 19, 26, 9]).astype(np.int8)
    seen = seen._replace(signals={"layer_0/h": rows})
    assert matched_units(seen, "layer_0/h", 0, count=2) == [2, 3]
    assert matched_units(seen, "layer_0/h", 1, count=9)[0] == 4
