"""A page's model: its weights in 16 bits, its JavaScript against charlm's steps."""

import functools
import json
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from draws import draw_params
from pages import dequantize

import charlm
from charlm.errors import UserError
from charlm.interpret.viewer.quantize import quantize
from charlm.interpret.viewer.template import read_static
from charlm.model.cells import MAKERS

VOCAB = charlm.Vocab.of("abcdefghijk \n")
V, H = len(VOCAB), 10  # rows are taken by fours: two are left over
# Layers and the width of the embedding: one and more, with and without.
SHAPES = [(1, 0), (2, 5)]


@functools.cache
def make_model(cell, layers=1, embedding=0):
    """(lm, params, params in 16 bits, the page's model); its units are not near 0."""
    lm = charlm.make_language_model(
        vocab_size=V,
        cell=cell,
        layers=layers,
        features=H,
        embedding=embedding,
    )
    params = draw_params(lm, scale=0.7, seed=15)  # with it no cell writes in a circle
    model = quantize(params, cell=cell)
    return lm, params, dequantize(model), model


def draw_ids(length):
    """Ids of a text in which every symbol may follow every other."""
    return np.random.default_rng(0).integers(0, V, length)


def run_steps(lm, params, ids):
    """Carries and logits[t, v] after each character."""
    carry, carries, logits = lm.initial_carry(1), [], []
    step = jax.jit(lm.step)
    for id in ids:
        carry, row = step(params, carry, jnp.asarray([id]))
        carries.append(jax.tree.map(np.asarray, carry))
        logits.append(np.asarray(row)[0])
    return carries, np.stack(logits)


def get_gates(cell, values):
    """The gates among a step's values, by the names that the page gives them."""
    if cell == "rnn":  # n, of which h is made, is h
        return {"n": values["h"]}
    return {name: values[name] for name in {"lstm": "ifgo", "gru": "rzn"}[cell]}


@functools.partial(jax.jit, static_argnums=0)
def compute_gates(cell, params, before, ids):
    """Of each layer the gates [b, h] of the step from `before` on a symbol."""
    gates = []
    x = params["embed"][ids] if "embed" in params else ids
    kind: Any = MAKERS[cell]()
    for n, state in enumerate(before):
        _, x, values = kind.activations(params[f"layer_{n}"], state, x)
        gates.append(get_gates(cell, values))
    return gates


@functools.partial(jax.jit, static_argnums=0)
def hold_units(cell, params, before, ids, holds):
    """(carry, logits) of a step in which a unit of each layer is put at a value.

    Layer by layer, since the next one reads what was put there.
    """
    x, after = params["embed"][ids], []
    kind: Any = MAKERS[cell]()
    for n, hold in enumerate(holds):
        unit, value = hold["unit"], hold["value"]
        state, _, gates = kind.activations(params[f"layer_{n}"], before[n], x)
        if cell == "lstm":
            h = state.h.at[:, unit].set(gates["o"][:, unit] * jnp.tanh(value))
            state = state._replace(c=state.c.at[:, unit].set(value), h=h)
        else:
            state = state._replace(h=state.h.at[:, unit].set(value))
        x = state.h
        after.append(state)
    return tuple(after), x @ params["head"]["w"] + params["head"]["b"]


@pytest.fixture
def run(new_page):
    """(JavaScript function, arguments) -> what it returns, beside static/model.js."""
    page = new_page()
    page.add_script_tag(content=read_static("model.js"))
    return page.evaluate


READ = """([data, ids, holds]) => {
  const model = Charlm.makeModel(data), state = Charlm.makeState(model);
  const logits = [], states = [], gates = [];
  const plain = (arrays) => Object.fromEntries(
    Object.entries(arrays).map(([name, values]) => [name, [...values]]));
  for (const id of ids) {
    logits.push([...Charlm.step(model, state, id, holds)]);
    states.push(state.map(plain));
    gates.push(model.gates.map(plain));
  }
  return { logits, states, gates };
}"""


def assert_close(values, expected, atol=1e-4):
    np.testing.assert_allclose(values, expected, rtol=0, atol=atol)


@pytest.mark.parametrize("cell", MAKERS)
@pytest.mark.parametrize("layers, embedding", [*SHAPES, (1, 5), (2, 0)])
def test_quantized_weights_come_back_to_16_bits(cell, layers, embedding):
    lm, params, back, model = make_model(cell, layers, embedding)
    assert json.loads(json.dumps(model)) == model
    assert jax.tree.structure(back) == jax.tree.structure(params)
    for old, new in zip(jax.tree.leaves(params), jax.tree.leaves(back), strict=True):
        assert old.shape == new.shape
        largest = np.abs(old).max(axis=0) if old.ndim > 1 else np.zeros(1)
        assert (np.abs(old - new) <= 1.001 * largest / 65534).all()
    sizes = {"cell": cell, "layers": layers, "features": H, "vocab_size": V}
    assert model | sizes | {"embedding": embedding} == model
    ids = draw_ids(10)
    logits = [run_steps(lm, weights, ids)[1] for weights in (back, params)]
    assert_close(*logits, atol=2e-3)


def test_columns_of_zeros_and_of_the_smallest_numbers_are_quantized():
    params = jax.tree.map(np.array, make_model("rnn")[1])
    params["head"]["w"][:, 0] = 0
    params["head"]["w"][:, 1] = 1e-45
    back = dequantize(quantize(params, cell="rnn"))["head"]["w"]
    assert (back[:, 0] == 0).all() and np.abs(back[:, 1]).max() < 1e-37
    params["head"]["w"][0, 2] = np.nan
    with pytest.raises(UserError, match="weights that are not finite"):
        quantize(params, cell="rnn")


@pytest.mark.parametrize("cell", MAKERS)
@pytest.mark.parametrize("layers, embedding", SHAPES)
def test_steps_are_those_of_charlm(run, cell, layers, embedding):
    lm, _, params, model = make_model(cell, layers, embedding)
    ids = draw_ids(30)
    result = run(READ, [model, ids.tolist(), []])
    carries, logits = run_steps(lm, params, ids)
    assert np.ptp(logits, axis=0).max() > 1
    assert_close(result["logits"], logits)
    before = lm.initial_carry(1)
    for t, carry in enumerate(carries):
        gates = compute_gates(cell, params, before, jnp.asarray(ids[t : t + 1]))
        for n in range(layers):
            for name, values in result["states"][t][n].items():
                assert_close(values, getattr(carry[n], name)[0])
            assert result["gates"][t][n].keys() == gates[n].keys()
            for name, values in result["gates"][t][n].items():
                assert_close(values, gates[n][name][0])
        before = carry


WRITE = """([data, prompt, length, temperature, seed]) => {
  const model = Charlm.makeModel(data), state = Charlm.makeState(model);
  const random = Charlm.makeRandom(seed), written = [];
  let logits;
  for (const id of prompt) logits = Charlm.step(model, state, id);
  while (written.length < length) {
    written.push(Charlm.drawSymbol(logits, temperature, random));
    logits = Charlm.step(model, state, written.at(-1));
  }
  return written;
}"""


@pytest.mark.parametrize("cell", MAKERS)
def test_the_likeliest_text_is_that_of_charlm(run, cell):
    lm, _, params, model = make_model(cell, 2, 5)
    prompt = VOCAB.encode("a bad cab\n").tolist()
    sampling = charlm.SamplingParams(temperature=0.0)
    model_here = (lm, params, VOCAB)
    text = charlm.generate(model_here, "a bad cab\n", length=60, sampling=sampling)
    written = run(WRITE, [model, prompt, 60, 0, 0])
    assert VOCAB.decode(np.asarray(written)) == text and len({*text}) > 3


@pytest.mark.parametrize("cell", MAKERS)
def test_a_held_unit_stays_where_it_is_put(run, cell):
    lm, _, params, model = make_model(cell, 2, 5)
    ids = draw_ids(12)
    holds = [
        {"layer": 0, "unit": 3, "value": -1.5 if cell == "lstm" else -0.5},
        {"layer": 1, "unit": 9, "value": 0.25},
    ]
    result = run(READ, [model, ids.tolist(), holds])
    free = run(READ, [model, ids.tolist(), []])
    carry = lm.initial_carry(1)
    for t, id in enumerate(ids):
        carry, logits = hold_units(cell, params, carry, jnp.asarray([id]), holds)
        for n, hold in enumerate(holds):
            memory = result["states"][t][n]["c" if cell == "lstm" else "h"]
            assert_close(memory[hold["unit"]], hold["value"], atol=1e-7)
        assert_close(result["logits"][t], np.asarray(logits)[0])
    assert np.abs(np.subtract(result["logits"], free["logits"])).max() > 0.1


COPY = """(data) => {
  const model = Charlm.makeModel(data), state = Charlm.makeState(model);
  Charlm.step(model, state, 1);
  const other = structuredClone(state);
  const once = [...Charlm.step(model, state, 2)];
  return [once, [...Charlm.step(model, other, 2)], [...Charlm.step(model, state, 2)]];
}"""


@pytest.mark.parametrize("cell", MAKERS)
def test_a_state_is_all_that_a_model_goes_on_from(run, cell):
    once, copied, twice = run(COPY, make_model(cell, 2)[3])
    assert once == copied and once != twice


def test_the_same_seed_writes_the_same_text(run):
    model = make_model("gru")[3]
    texts = [run(WRITE, [model, [0], 80, 1, seed]) for seed in (0, 0, 1, 2**32 - 1)]
    assert texts[0] == texts[1] and len({*map(tuple, texts)}) == 3


def mulberry32(seed, count):
    """Its first uniforms, by integers of any size."""
    low, uniforms = 2**32 - 1, []
    for n in range(1, count + 1):
        state = (seed + n * 0x6D2B79F5) & low
        t = (state ^ state >> 15) * (state | 1) & low
        t ^= t + ((t ^ t >> 7) * (t | 61) & low) & low
        uniforms.append((t ^ t >> 14) / 2**32)
    return uniforms


@pytest.mark.parametrize("seed", [0, 1, 2**32 - 1])
def test_the_uniforms_are_those_of_mulberry32(run, seed):
    code = "(seed) => Array.from({ length: 50 }, Charlm.makeRandom(seed))"
    assert run(code, seed) == mulberry32(seed, 50)


DRAW = """([logits, temperature, seed, draws]) => {
  const random = Charlm.makeRandom(seed), counts = logits.map(() => 0);
  const values = Float32Array.from(logits, (value) => value ?? -Infinity);
  for (let n = 0; n < draws; n++)
    counts[Charlm.drawSymbol(values, temperature, random)]++;
  return counts;
}"""


@pytest.mark.parametrize("temperature", [0.5, 1.0, 3.0])
def test_draws_are_in_proportion(run, temperature):
    logits = [0.0, 1.0, None, -2.0, 0.5, 1.5, -40.0]  # None stands for -Infinity
    p = np.exp(np.asarray([-np.inf if x is None else x for x in logits]) / temperature)
    expected = 20_000 * p / p.sum()
    counts = np.asarray(run(DRAW, [logits, temperature, 7, 20_000]))
    likely = expected > 1e-3
    assert counts.sum() == 20_000 and not counts[~likely].any()
    # Chi-square of 4 or 5 degrees of freedom is beyond 30 once in 50,000 seeds.
    assert ((counts - expected)[likely] ** 2 / expected[likely]).sum() < 30


def test_a_draw_is_where_the_sum_of_probabilities_passes_the_uniform(run):
    code = """([logits, uniforms, temperature]) => uniforms.map(
      (u) => Charlm.drawSymbol(Float32Array.from(logits), temperature, () => u))"""
    even = [0.0] * 4
    uniforms = [0, 0.249, 0.25, 0.749, 0.75, 1 - 2**-32]
    assert run(code, [even, uniforms, 1]) == [0, 0, 1, 2, 3, 3]
    assert run(code, [[-900.0, 1.0, 1.0], [0.0, 1 - 2**-32], 1]) == [1, 2]
    assert run(code, [[1.0, 3.0, 3.0], [0.999], 0]) == [1]
    assert run(code, [[1.0, 3.0, 2.9], [0.0, 0.999], 1e-30]) == [1, 1]


GATES = """([data, ids, columns, layer, unit, names]) => {
  const model = Charlm.makeModel(data), t = ids.length;
  const column = new Int8Array(t);  // one array for all, filled anew for each unit
  const read = (layer, j) => {
    for (let n = 0; n < t; n++) column[n] = columns[layer][j * t + n];
    return column;
  };
  const gates = Charlm.computeGates(
    model, { layer, unit, names, ids, read, scale: 1 / 32 });
  for (const name in gates) gates[name] = [...gates[name]];
  return gates;
}"""


@pytest.mark.parametrize("cell, names", [("lstm", "ifgo"), ("gru", "rz"), ("rnn", "n")])
@pytest.mark.parametrize("layers, embedding", SHAPES)
def test_gates_over_a_text_need_no_step(run, cell, names, layers, embedding):
    lm, _, params, model = make_model(cell, layers, embedding)
    ids = draw_ids(25)
    # As a page stores it: h of every unit in steps of 1/32. Gates are of these.
    carries, _ = run_steps(lm, params, ids)
    h = [np.stack([c[n].h[0] for c in carries]) for n in range(layers)]
    columns = [np.rint(32 * each).astype(int).T for each in h]
    flat = [each.ravel().tolist() for each in columns]
    stored = [each.T.astype(np.float32) / 32 for each in columns]
    kind: Any = MAKERS[cell]()
    for layer, unit in [(layers - 1, H - 1), (0, 4)]:
        result = run(GATES, [model, ids.tolist(), flat, layer, unit, [*names]])
        before = np.concatenate([0 * stored[layer][:1], stored[layer][:-1]])
        embed = np.asarray(params["embed"])[ids] if embedding else jnp.asarray(ids)
        state = kind.initial_state(len(ids), H)._replace(h=before)
        x = stored[layer - 1] if layer else embed
        shown = jax.jit(kind.activations)(params[f"layer_{layer}"], state, x)[2]
        gates = get_gates(cell, shown)
        assert [*result] == [*names]
        for name, values in result.items():
            assert_close(values, np.asarray(gates[name])[:, unit])
            assert np.ptp(values) > 0.01
