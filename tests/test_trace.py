"""Activations against the step itself, in memory and on disk."""

from typing import Any, cast

import jax
import numpy as np
import pytest
from draws import draw_params

from charlm import UserError, Vocab, make_language_model
from charlm.data.vocab import Unit
from charlm.evaluation.score import compute_log_probabilities
from charlm.interpret import activations as activations_module
from charlm.interpret.activations import record_activations
from charlm.model.cells import MAKERS

TEXT = "the cat sat on a mat, and the rat ran."


def made(
    cell="lstm",
    *,
    embedding=0,
    scale=1.0,
    unit: Unit = "char",
    text: str | bytes = TEXT,
):
    vocab = Vocab.of(text, unit)
    lm = make_language_model(
        vocab_size=len(vocab), cell=cell, layers=2, features=5, embedding=embedding
    )
    return lm, draw_params(lm, scale=0.25 * scale), vocab


def by_steps(lm, params, vocab, cell):
    """Of TEXT, by lm.step and the cell's own gates: every signal, and the logits."""
    rows, logits = [], []
    carry, kind = lm.initial_carry(1), cast(Any, MAKERS[cell]())
    step, activations = jax.jit(lm.step), jax.jit(kind.activations)
    for id in vocab.encode(TEXT):
        before = carry
        carry, y = step(params, carry, np.asarray([id], np.int32))
        x, row = np.asarray([id]), {}
        if "embed" in params:
            x = np.asarray(params["embed"])[x]
        for n, state in enumerate(carry):
            layer = params[f"layer_{n}"]
            _, _, values = activations(layer, before[n], x)
            values = {key: np.asarray(value)[0] for key, value in values.items()}
            row |= {f"layer_{n}/{key}": value for key, value in values.items()}
            x = state.h
        rows.append(row)
        logits.append(np.asarray(y)[0])
    return {key: np.stack([row[key] for row in rows]) for key in rows[0]}, logits


@pytest.mark.parametrize("cell", MAKERS)
@pytest.mark.parametrize("embedding", [0, 3])
def test_it_is_what_the_steps_give(monkeypatch, cell, embedding):
    monkeypatch.setattr(activations_module, "CHUNK_CHARS", 7)  # the last is shorter
    lm, params, vocab = made(cell, embedding=embedding)
    seen = record_activations((lm, params, vocab), TEXT, top_k=3)
    signals, logits = by_steps(lm, params, vocab, cell)
    assert (seen.cell, seen.layers, seen.features) == (cell, 2, 5)
    assert seen.text == TEXT and set(seen.signals) == set(signals)
    for name, values in signals.items():
        assert seen.signals[name].dtype == (np.int16 if name[-2:] == "/c" else np.int8)
        assert np.abs(values).max() > 0.05, f"{name} says nothing here"
        for unit in range(5):
            off = np.abs(seen.get_values(name, unit) - values[:, unit])
            assert off.max() <= 0.501 * seen.scales[name]
    p = np.exp(np.stack(logits))
    p /= p.sum(axis=1, keepdims=True)
    order = np.argsort(-p, axis=1)[:, :3]
    assert (seen.top_k_ids == order).all()
    chances = np.take_along_axis(p, order, axis=1)
    np.testing.assert_allclose(seen.top_k_probs / 65535, chances, atol=1e-5)
    log_p = compute_log_probabilities(lm, params, vocab.encode(TEXT))
    np.testing.assert_allclose(seen.nats[1:], -log_p, rtol=1e-4, atol=1e-5)
    assert np.isnan(seen.nats[0])


def test_a_cell_beyond_its_integers_stays_at_their_end():
    vocab = Vocab.of("a")
    lm = make_language_model(vocab_size=1, layers=1, features=2)
    params = jax.tree.map(np.array, lm.init(jax.random.key(0)))
    params["layer_0"]["b"][:] = 50.0  # every gate open: c grows by one a character
    seen = record_activations((lm, params, vocab), "a" * 200)
    np.testing.assert_allclose(seen.get_values("layer_0/c", 0)[:120], np.arange(1, 121))
    assert (seen.get_values("layer_0/c", 1)[130:] == 32767 / 256).all()


def test_a_folder_keeps_it(tmp_path):
    model = made()
    here = record_activations(model, TEXT, signals=("h", "f"))
    there = record_activations(
        model, TEXT, signals=("h", "f"), folder=tmp_path / "a" / "b"
    )
    assert set(there.signals) == {f"layer_{n}/{s}" for n in (0, 1) for s in "hf"}
    assert isinstance(there.ids, np.memmap)
    assert (there.vocab, there.scales) == (here.vocab, here.scales)
    jax.tree.map(
        np.testing.assert_array_equal,
        (here.signals, here[4], *here[7:]),
        (there.signals, there[4], *there[7:]),
    )
    for name, rows in here.signals.items():
        path = tmp_path / "a" / "b" / f"{name.replace('/', '.')}.npy"
        np.testing.assert_array_equal(np.load(path), rows)


def test_bytes_are_a_character_each():
    data = "aé\n".encode()
    lm, params, vocab = made(unit="byte", text=data)
    assert record_activations((lm, params, vocab), data).text == "a\ufffd\ufffd\n"


def test_mistakes_end_in_a_sentence(tmp_path, monkeypatch):
    model = made("gru")
    for text, given, message in [
        ("", {}, "text is empty"),
        ("Q", {}, "never seen: 'Q'"),
        (np.asarray([0, -1]), {}, "ids must be 0 to 1[0-9]; or give the text"),
        (np.asarray([0, 99]), {}, "ids must be 0 to 1[0-9]; or give the text"),
        ("the", {"signals": ("h", "c")}, "have no 'c'; choose among h, n, r, z"),
    ]:
        with pytest.raises(UserError, match=message):
            record_activations(model, text, **given)
    (tmp_path / "mine.txt").write_text("kept")
    with pytest.raises(UserError, match="is not empty; name a new folder"):
        record_activations(model, "the", folder=tmp_path)
    with pytest.raises(UserError, match="cannot be written"):
        record_activations(model, "the", folder=tmp_path / "mine.txt" / "below")
    assert [p.name for p in tmp_path.iterdir()] == ["mine.txt"]
    no_room = type("Usage", (), {"free": 10})
    monkeypatch.setattr("shutil.disk_usage", lambda _: no_room)
    with pytest.raises(UserError, match="has room for 0.0 GB"):
        record_activations(model, "the", folder=tmp_path / "new")


def test_ids_are_a_text_too():
    model = made()
    by_text = record_activations(model, TEXT)
    by_ids = record_activations(model, model[2].encode(TEXT))
    np.testing.assert_array_equal(by_text.nats, by_ids.nats)
