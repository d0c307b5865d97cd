"""The model of a page: its weights packed, its JavaScript against charlm's steps."""

import json
from importlib.resources import files

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import charlm
from charlm.errors import UserError
from charlm.interpret.viewer.quantize import packed, unpacked
from charlm.model.cells import CELLS

PARTS = files("charlm.interpret.viewer").joinpath("static")
SCRIPTS = [PARTS.joinpath(f"{n}.js").read_text("utf-8") for n in ("model", "gates")]
VOCAB = charlm.Vocab.of("abcdefghijk \n")
V, H = len(VOCAB), 10  # rows are taken by fours: two are left over
# Layers and the width of the embedding: one and more, with and without.
SHAPES = [(1, 0), (2, 5)]


def made_model(cell, layers=1, embedding=0):
    """A model whose units are far from zero, and its parameters in 16 bits."""
    lm = charlm.make_language_model(
        vocab_size=V,
        cell=cell,
        layers=layers,
        features=H,
        embedding=embedding,
        initializer="torch_rnn",
    )
    params = jax.tree.map(lambda p: 3 * p, lm.init(jax.random.key(1)))
    return lm, params, unpacked(packed(params))


def made_text(length):
    """Ids of a text in which every symbol may follow every other."""
    return np.random.default_rng(0).integers(0, V, length)


def stepped(lm, params, ids):
    """Carries and logits[t, v] after each character."""
    carry, carries, logits = lm.initial_carry(1), [], []
    step = jax.jit(lm.step)
    for id in ids:
        carry, row = step(params, carry, jnp.asarray([id]))
        carries.append(carry)
        logits.append(row[0])
    return carries, np.stack(logits)


def gates_of(cell, params, before, x):
    """Of each layer the gates [h] of the step from `before` on symbol x."""
    found, gates = [], CELLS[cell]
    x = params["embed"][jnp.asarray([x])] if "embed" in params else jnp.asarray([x])
    for n, state in enumerate(before):
        seen = gates.gates(params[f"layer_{n}"], state, x)
        found.append({k: np.asarray(v[0]) for k, v in seen._asdict().items()})
        _, x = gates.step(params[f"layer_{n}"], state, x)
    return found


@pytest.fixture
def run(new_page):
    """(JavaScript function, arguments) -> what it gives, where the model is known."""
    page = new_page()
    for script in SCRIPTS:
        page.add_script_tag(content=script)
    return page.evaluate


READ = """([packed, ids, clamps]) => {
  const model = Charlm.unpack(packed), state = Charlm.zero(model);
  const logits = [], states = [], gates = [];
  const plain = (arrays) => Object.fromEntries(
    Object.entries(arrays).map(([name, values]) => [name, [...values]]));
  for (const id of ids) {
    logits.push([...Charlm.step(model, state, id, clamps)]);
    states.push(state.layers.map(plain));
    gates.push(model.last.map(plain));
  }
  return { logits, states, gates };
}"""


def same(found, expected, atol=1e-4):
    np.testing.assert_allclose(found, expected, rtol=0, atol=atol)


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("layers, embedding", [*SHAPES, (1, 5), (2, 0)])
def test_packed_weights_come_back_to_16_bits(cell, layers, embedding):
    lm, params, back = made_model(cell, layers, embedding)
    data = packed(params)
    assert json.loads(json.dumps(data)) == data
    assert jax.tree.structure(back) == jax.tree.structure(params)
    for old, new in zip(jax.tree.leaves(params), jax.tree.leaves(back), strict=True):
        assert old.shape == new.shape
        largest = np.abs(old).max(axis=0) if old.ndim > 1 else np.zeros(1)
        assert (np.abs(old - new) <= 1.001 * largest / 65534).all()
    sizes = {name: data[name] for name in ("cell", "layers", "features", "vocab")}
    assert sizes == {"cell": cell, "layers": layers, "features": H, "vocab": V}
    assert data["embedding"] == embedding
    ids = made_text(10)
    same(stepped(lm, back, ids)[1], stepped(lm, params, ids)[1], atol=2e-3)


def test_columns_of_zeros_and_of_the_smallest_numbers_are_packed():
    params = jax.tree.map(np.array, made_model("rnn")[1])
    params["head"]["w"][:, 0] = 0
    params["head"]["w"][:, 1] = 1e-45
    back = unpacked(packed(params))["head"]["w"]
    assert (back[:, 0] == 0).all() and np.abs(back[:, 1]).max() < 1e-37
    params["head"]["w"][0, 2] = np.nan
    with pytest.raises(UserError, match="weights that are not finite"):
        packed(params)


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("layers, embedding", SHAPES)
def test_steps_are_those_of_charlm(run, cell, layers, embedding):
    lm, params, back = made_model(cell, layers, embedding)
    ids = made_text(30)
    found = run(READ, [packed(params), ids.tolist(), []])
    carries, logits = stepped(lm, back, ids)
    assert np.ptp(logits, axis=0).max() > 1
    same(found["logits"], logits)
    before = lm.initial_carry(1)
    for t, carry in enumerate(carries):
        gates = gates_of(cell, back, before, ids[t])
        for n in range(layers):
            for name, values in found["states"][t][n].items():
                same(values, getattr(carry[n], name)[0])
            assert found["gates"][t][n].keys() == gates[n].keys()
            for name, values in found["gates"][t][n].items():
                same(values, gates[n][name])
        before = carry


WRITE = """([packed, prompt, length, temperature, seed]) => {
  const model = Charlm.unpack(packed), state = Charlm.zero(model);
  const random = Charlm.generator(seed), written = [];
  let logits;
  for (const id of prompt) logits = Charlm.step(model, state, id);
  while (written.length < length) {
    written.push(Charlm.choose(logits, temperature, random));
    logits = Charlm.step(model, state, written.at(-1));
  }
  return written;
}"""


@pytest.mark.parametrize("cell", CELLS)
def test_the_likeliest_text_is_that_of_charlm(run, cell):
    lm, params, back = made_model(cell, 2, 5)
    prompt = VOCAB.encode("a bad cab\n").tolist()
    [text] = charlm.sample(
        lm, back, VOCAB, prompt="a bad cab\n", length=60, temperature=0
    )
    written = run(WRITE, [packed(params), prompt, 60, 0, 0])
    assert VOCAB.decode(np.asarray(written)) == text and len({*text}) > 3


@pytest.mark.parametrize("cell", CELLS)
def test_a_clamped_unit_stays_where_it_is_put(run, cell):
    lm, params, back = made_model(cell, 2, 5)
    ids = made_text(12)
    clamps = [
        {"layer": 0, "unit": 3, "value": -1.5 if cell == "lstm" else -0.5},
        {"layer": 1, "unit": 9, "value": 0.25},
    ]
    found = run(READ, [packed(params), ids.tolist(), clamps])
    free = run(READ, [packed(params), ids.tolist(), []])
    # The same in JAX: layer by layer, since the next one reads what was put there.
    kind = CELLS[cell]
    carry = lm.initial_carry(1)
    for t, id in enumerate(ids):
        x, after = back["embed"][jnp.asarray([id])], []
        for n, clamp in enumerate(clamps):
            layer, unit, value = back[f"layer_{n}"], clamp["unit"], clamp["value"]
            gates = kind.gates(layer, carry[n], x)
            state, _ = kind.step(layer, carry[n], x)
            if cell == "lstm":
                shown = gates.o[:, unit] * jnp.tanh(value)
                c, h = state.c.at[:, unit].set(value), state.h.at[:, unit].set(shown)
                state = state._replace(c=c, h=h)
                same(found["states"][t][n]["c"][unit], value, atol=1e-7)
            else:
                state = state._replace(h=state.h.at[:, unit].set(value))
                same(found["states"][t][n]["h"][unit], value, atol=1e-7)
            x = state.h
            after.append(state)
        carry = tuple(after)
        logits = x @ back["head"]["w"] + back["head"]["b"]
        same(found["logits"][t], logits[0])
    assert np.abs(np.subtract(found["logits"], free["logits"])).max() > 0.1


COPIED = """([packed, ids]) => {
  const model = Charlm.unpack(packed), state = Charlm.zero(model);
  Charlm.step(model, state, 1);
  const other = Charlm.copy(state);
  const once = [...Charlm.step(model, state, 2)];
  return [once, [...Charlm.step(model, other, 2)], [...Charlm.step(model, state, 2)]];
}"""


@pytest.mark.parametrize("cell", CELLS)
def test_a_copied_state_goes_on_by_itself(run, cell):
    once, copied, twice = run(COPIED, [packed(made_model(cell, 2)[1]), []])
    assert once == copied and once != twice


def test_the_same_seed_writes_the_same_text(run):
    data = packed(made_model("gru")[1])
    texts = [run(WRITE, [data, [0], 80, 1, seed]) for seed in (0, 0, 1, 2**32 - 1)]
    assert texts[0] == texts[1] and len({*map(tuple, texts)}) == 3


def mulberry32(seed, count):
    """Its first uniforms, by integers of any size."""
    low, found = 2**32 - 1, []
    for n in range(1, count + 1):
        state = (seed + n * 0x6D2B79F5) & low
        t = (state ^ state >> 15) * (state | 1) & low
        t ^= t + ((t ^ t >> 7) * (t | 61) & low) & low
        found.append((t ^ t >> 14) / 2**32)
    return found


@pytest.mark.parametrize("seed", [0, 1, 2**32 - 1])
def test_the_uniforms_are_those_of_mulberry32(run, seed):
    code = "(seed) => Array.from({ length: 50 }, Charlm.generator(seed))"
    assert run(code, seed) == mulberry32(seed, 50)


DRAW = """([logits, temperature, seed, draws]) => {
  const random = Charlm.generator(seed), counts = logits.map(() => 0);
  const given = Float32Array.from(logits, (value) => value ?? -Infinity);
  for (let n = 0; n < draws; n++) counts[Charlm.choose(given, temperature, random)]++;
  return counts;
}"""


@pytest.mark.parametrize("temperature", [0.5, 1.0, 3.0])
def test_draws_are_in_proportion(run, temperature):
    logits = [0.0, 1.0, None, -2.0, 0.5, 1.5, -40.0]  # None stands for -Infinity
    p = np.exp(np.asarray([-np.inf if x is None else x for x in logits]) / temperature)
    expected = 20_000 * p / p.sum()
    counts = np.asarray(run(DRAW, [logits, temperature, 7, 20_000]))
    seen = expected > 1e-3
    assert counts.sum() == 20_000 and not counts[~seen].any()
    # Chi-square of 4 or 5 degrees of freedom is beyond 30 once in 50,000 seeds.
    assert ((counts - expected)[seen] ** 2 / expected[seen]).sum() < 30


def test_a_draw_is_where_the_sum_of_probabilities_passes_the_uniform(run):
    code = """([logits, uniforms, temperature]) => uniforms.map(
      (u) => Charlm.choose(Float32Array.from(logits), temperature, () => u))"""
    even = [0.0] * 4
    uniforms = [0, 0.249, 0.25, 0.749, 0.75, 1 - 2**-32]
    assert run(code, [even, uniforms, 1]) == [0, 0, 1, 2, 3, 3]
    assert run(code, [[-900.0, 1.0, 1.0], [0.0, 1 - 2**-32], 1]) == [1, 2]
    assert run(code, [[1.0, 3.0, 3.0], [0.999], 0]) == [1]
    assert run(code, [[1.0, 3.0, 2.9], [0.0, 0.999], 1e-30]) == [1, 1]


GATES = """([packed, ids, columns, layer, unit, kept]) => {
  const model = Charlm.unpack(packed), t = ids.length;
  const filled = new Int8Array(t);  // one array for all, filled anew for each unit
  const of = (layer) => (j) => {
    for (let n = 0; n < t; n++) filled[n] = columns[layer][j * t + n];
    return filled;
  };
  const at = { layer, ids, below: of(layer - 1), own: of(layer), scale: 1 / 32 };
  const r = (unit) => Gates.of(model, { ...at, unit, names: ["r"] }).r;
  const resets = kept ? r : undefined;
  const all = Gates.of(model, { ...at, unit, resets });
  return Object.fromEntries(Object.entries(all).map(([name, row]) => [name, [...row]]));
}"""


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("layers, embedding", SHAPES)
def test_gates_over_a_text_need_no_step(run, cell, layers, embedding):
    lm, params, back = made_model(cell, layers, embedding)
    ids = made_text(25)
    # As a page stores it: h of every unit in steps of 1/32. Gates are of these.
    carries, _ = stepped(lm, back, ids)
    h = [np.stack([c[n].h[0] for c in carries]) for n in range(layers)]
    columns = [np.rint(32 * each).astype(int).T for each in h]
    for layer, unit in [(layers - 1, H - 1), (0, 4)]:
        flat = [each.ravel().tolist() for each in columns]
        call = [packed(params), ids.tolist(), flat, layer, unit]
        found = run(GATES, [*call, False])
        assert list(found) == list(gates_of(cell, back, carries[0], 0)[0])
        assert run(GATES, [*call, True]) == found
        read = [jnp.asarray(each.T, jnp.float32) / 32 for each in columns]
        before = jnp.roll(read[layer], 1, axis=0).at[0].set(0)
        embed = back["embed"][ids] if embedding else jnp.asarray(ids)
        state = CELLS[cell].initial_state((len(ids),), H)._replace(h=before)
        x = read[layer - 1] if layer else embed
        gates = CELLS[cell].gates(back[f"layer_{layer}"], state, x)
        for name, values in gates._asdict().items():
            same(found[name], values[:, unit])
            assert np.ptp(np.asarray(values[:, unit])) > 0.01
