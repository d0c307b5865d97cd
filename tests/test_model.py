"""The room `model`: cells against their equations, fast paths against slow ones."""

import functools
import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
import transcription
from draws import draw, draw_ids, draw_params

from charlm.errors import UserError
from charlm.model import sharding
from charlm.model.cell import Cell
from charlm.model.cells import MAKERS
from charlm.model.dropout import apply_dropout
from charlm.model.fast_step import make_fast_step
from charlm.model.init import expand_vocab, get_shapes
from charlm.model.lm import get_cell, make_language_model, observe
from charlm.model.matmul import (
    embedding_lookup,
    matmul_over_time,
    row_gradient_by_matmul,
    row_gradient_by_scatter,
)
from charlm.model.recurrence import unroll_layer
from charlm.training.step import nats_per_char

T, B, D, H, V = 7, 3, 5, 4, 11
KEY = jax.random.key(0)


def layer_of(name, d=D):
    """Parameters, a state and inputs of one layer, all random."""
    cell, width = MAKERS[name](), {"lstm": 4, "gru": 3, "rnn": 1}[name] * H
    params = {"wx": draw(d, width) / 2, "wh": draw(H, width) / 2, "b": draw(width)}
    state = jax.tree.map(lambda s: draw(*s.shape, seed=1), cell.initial_state(B, H))
    return cell, params, state, draw(T, B, d)


def near(a, b, tolerance=1e-5):
    jax.tree.map(
        lambda x, y: np.testing.assert_allclose(x, y, rtol=tolerance, atol=tolerance),
        a,
        b,
    )


@pytest.mark.parametrize("name", MAKERS)
def test_a_step_is_its_equations(name):
    cell, params, state, xs = layer_of(name)
    new, y = jax.jit(cell.step)(params, state, xs[0])
    p = {k: np.asarray(v, np.float64) for k, v in params.items()}
    s = tuple(np.asarray(leaf, np.float64) for leaf in state)
    want, want_y = transcription.CELLS[name](p, s if name == "lstm" else s[0], xs[0])
    near(y, want_y)
    near(tuple(new), want if name == "lstm" else (want,))


@pytest.mark.parametrize("name", MAKERS)
def test_activations_explain_the_step(name):
    cell, params, state, xs = layer_of(name)
    assert cell.activations
    new, y, a = cell.activations(params, state, xs[0])
    near((new, y), cell.step(params, state, xs[0]), 0)
    near(a["h"], new.h, 0)
    if name == "gru":
        near(new.h, (1 - a["z"]) * state.h + a["z"] * a["n"])
    elif name == "lstm":
        near(a["c"], a["f"] * state.c + a["i"] * a["g"])
        near(new.h, a["o"] * jnp.tanh(new.c))


@pytest.mark.parametrize("cell", MAKERS)
def test_observe_is_step_with_everything_shown(cell):
    lm, params, ids = model_of(cell, layers=2, embedding=3)
    carry, activations = lm.initial_carry(B), {}
    for now in ids:
        expected = lm.step(params, carry, now)
        *shown, activations = observe(lm, params, carry, now)
        near(tuple(shown), expected, 0)
        carry = expected[0]
    for n in range(2):
        near(activations[f"layer_{n}/h"], carry[n].h, 0)


@pytest.mark.parametrize("cell", MAKERS)
def test_an_edited_value_is_what_the_rest_of_the_step_reads(cell):
    lm, params, ids = model_of(cell, layers=2)
    name = "layer_0/c" if cell == "lstm" else "layer_0/h"

    def edit(key, value):
        return jnp.full_like(value, 0.25) if key == name else value

    carry, logits, shown = observe(lm, params, lm.initial_carry(B), ids[0], edit)
    assert (shown[name] == 0.25).all()
    if cell == "lstm":
        near(shown["layer_0/h"], shown["layer_0/o"] * np.tanh(0.25))
    near(carry[0].h, shown["layer_0/h"], 0)
    above = MAKERS[cell]().step(params["layer_1"], lm.initial_carry(B)[1], carry[0].h)
    near(carry[1], above[0])
    near(logits, carry[1].h @ params["head"]["w"] + params["head"]["b"])


def scaled_input(params, x):
    """A projection of its own: twice the input."""
    return 2 * x @ params["wx"]


def bare_step(params, state, x):
    return jnp.tanh(scaled_input(params, x) + state @ params["wh"]), state


def delayed_from_projection(params, state, z):
    return jnp.tanh(z + state @ params["wh"]), state


def init_bare(key, d, h):
    keys = jax.random.split(key)
    return {
        "wx": jax.random.normal(keys[0], (d, h)),
        "wh": jax.random.normal(keys[1], (h, h)) / 2,
    }


BARE = Cell(init_bare, lambda batch, h: jnp.zeros((batch, h)), bare_step)


def unroll_both_ways(lm, params, carry, ids):
    """Returns a scan of a model's step, and its `unroll`."""
    slow = jax.lax.scan(lambda c, x: lm.step(params, c, x), carry, ids)
    return slow, lm.unroll(params, carry, ids)


@pytest.mark.parametrize("embedding", [0, 3])
@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("projects", [False, True])
def test_a_cell_of_ones_own_unrolls_as_it_steps(embedding, layers, projects):
    """Also with a projection of its own, which a window must not replace."""
    cell = BARE
    if projects:
        cell = cell._replace(
            project=scaled_input, step_from_projection=delayed_from_projection
        )
    lm, params, ids = model_of(cell, layers=layers, embedding=embedding)
    carry = lm.initial_carry(B)
    near(*jax.jit(functools.partial(unroll_both_ways, lm))(params, carry, ids))
    _, _, shown = observe(lm, params, carry, ids[0])
    assert set(shown) == {
        f"layer_{n}/{s}" for n in range(layers) for s in ("state", "y")
    }


@pytest.mark.parametrize("name", MAKERS)
@pytest.mark.parametrize("one_hot", [False, True])
def test_a_layer_unrolled_is_a_scan_of_its_step_in_value_and_gradient(name, one_hot):
    cell, params, state, xs = layer_of(name)
    if one_hot:
        xs = draw_ids(D, T, B)

    def slow(params, state):
        def tick(state, x):
            x = jax.nn.one_hot(x, D) if one_hot else x
            return cell.step(params, state, x)

        return jax.lax.scan(tick, state, xs)

    def fast(params, state):
        return unroll_layer(cell, params, state, xs)

    weights = draw(T, B, H)

    def loss(path, params, state):
        last, ys = path(params, state)
        total = (ys * weights).sum() + sum(x.sum() for x in jax.tree.leaves(last))
        return total, (last, ys)

    graded = jax.value_and_grad(loss, (1, 2), has_aux=True)
    graded = jax.jit(graded, static_argnums=0)
    near(graded(slow, params, state), graded(fast, params, state))


def test_a_window_is_projected_with_the_gradients_of_a_plain_product():
    xs, w, weights = draw(T, B, D), draw(D, H), draw(T, B, H)

    def total(product):
        return lambda xs, w: (product(xs, w) * weights).sum()

    @jax.jit
    def both(xs, w):
        return [jax.grad(total(f), (0, 1))(xs, w) for f in (jnp.dot, matmul_over_time)]

    near(*both(xs, w))


def test_the_rows_of_a_batch_on_two_devices_give_what_one_gives():
    lm, params, _ = model_of(layers=2, dropout=0.5)
    ids = draw_ids(V, T + 1, 4)
    two = sharding.make_mesh(4, min_rows=2)
    placed = jax.device_put(lm.initial_carry(4), sharding.shard_rows(two))

    @jax.jit
    def of(params, carry):
        def loss(params):
            carry_out, logits = lm.unroll(params, carry, ids[:-1], KEY)
            return nats_per_char(logits, ids[1:]), carry_out

        return jax.value_and_grad(loss, has_aux=True)(params)

    everywhere = jax.device_put(params, sharding.replicate(two))
    (_, carry), _ = shared = of(everywhere, placed)
    near(of(params, lm.initial_carry(4)), shared)
    assert not carry[0].h.sharding.is_fully_replicated
    program = str(of.lower(everywhere, placed).compile().as_text())
    loops = [text for text in program.split("\n\n") if "dynamic-update-slice" in text]
    assert loops and not any("all-reduce" in text for text in loops)
    assert "all-reduce" in program


@pytest.mark.parametrize(
    "batch_size, count",
    [(1, 1), (8, 1), (15, 1), (16, 2), (24, 3), (31, 1), (32, 4), (100, 4)],
)
def test_a_batch_is_shared_evenly_by_as_many_devices_as_it_can_keep_busy(
    batch_size, count
):
    assert sharding.make_mesh(batch_size).size == count


def test_an_unrolled_layer_passes_gradients_to_its_inputs():
    cell, params, state, xs = layer_of("lstm")

    @jax.jit
    @jax.grad
    def scanned(xs):
        return jax.lax.scan(lambda s, x: cell.step(params, s, x), state, xs)[1].sum()

    @jax.jit
    @jax.grad
    def unrolled(xs):
        return unroll_layer(cell, params, state, xs)[1].sum()

    near(scanned(xs), unrolled(xs))


@pytest.mark.parametrize("height", [V, 1000])
def test_look_up_has_the_gradient_of_indexing(height):
    table, ids, weights = draw(height, D), draw_ids(height, T, B), draw(T, B, D)

    @jax.jit
    def both(table):
        results = []
        for look_up in (embedding_lookup, lambda table, ids: table[ids]):

            def loss(table, look_up=look_up):
                rows = look_up(table, ids)
                return (rows * weights).sum(), rows

            results.append(jax.grad(loss, has_aux=True)(table))
        return results

    near(*both(table))


def test_a_look_ups_two_gradients_are_one():
    ids, gradient = draw_ids(V, T, B), draw(T, B, D)
    near(
        *(
            jax.jit(f, static_argnums=0)(V, ids, gradient)
            for f in (row_gradient_by_scatter, row_gradient_by_matmul)
        )
    )


def model_of(cell: Any = "lstm", **kwargs):
    lm = make_language_model(vocab_size=V, cell=cell, features=H, **kwargs)
    return lm, draw_params(lm), draw_ids(V, T, B)


def unroll(lm, params, ids, *key):
    """lm.unroll, jitted, from the zero carry."""
    return jax.jit(lm.unroll)(params, lm.initial_carry(ids.shape[1]), ids, *key)


@pytest.mark.parametrize("cell", MAKERS)
@pytest.mark.parametrize("embedding", [0, 6])
def test_unroll_is_a_scan_of_step(cell, embedding):
    lm, params, ids = model_of(cell, layers=3, embedding=embedding)
    carry = lm.initial_carry(B)
    near(*jax.jit(functools.partial(unroll_both_ways, lm))(params, carry, ids))


@pytest.mark.parametrize("layers, embedding", [(1, 0), (1, 6), (3, 0), (3, 6)])
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_the_fast_step_is_step(layers, embedding, dtype):
    lm, params, ids = model_of(layers=layers, embedding=embedding, dtype=dtype)
    fast, carry = make_fast_step(lm), lm.initial_carry(B)
    weights, state = fast.pack_params(params), fast.pack_carry(carry)
    tolerance = 1e-5 if dtype == "float32" else 2e-2
    step, fast_step = jax.jit(lm.step), jax.jit(fast.step)
    for now in ids:
        carry, want = step(params, carry, now)
        state, logits = fast_step(weights, state, now)
        near(logits, want, tolerance)
        near(fast.unpack_carry(state), carry, tolerance)


@pytest.mark.parametrize("cell", MAKERS)
def test_two_half_windows_are_one(cell):
    lm, params, ids = model_of(cell)

    @jax.jit
    def compute(params):
        whole = lm.unroll(params, lm.initial_carry(B), ids)
        carry, first = lm.unroll(params, lm.initial_carry(B), ids[:3])
        carry, second = lm.unroll(params, carry, ids[3:])
        return whole, (carry, jnp.concatenate([first, second]))

    near(*compute(params))


def test_vmap_of_step_is_the_batched_step():
    lm, params, ids = model_of()
    carry, _ = unroll(lm, params, ids)

    @jax.jit
    def both(carry, ids):
        one = jax.tree.map(lambda c: c[:, None], carry)
        mapped = jax.vmap(lm.step, (None, 0, 0))(params, one, ids[:, None])
        return jax.tree.map(lambda x: x[:, 0], mapped), lm.step(params, carry, ids)

    near(*both(carry, ids[0]))


@pytest.mark.parametrize("cell", MAKERS)
def test_no_prediction_knows_what_follows(cell):
    """Causality, by gradient: logits[t] do not depend on the inputs after t."""
    lm, params, ids = model_of(cell, embedding=D)

    def logits_at(t, embedded):
        # The ids stand for themselves; what varies is what each of them reads.
        rows = jnp.arange(T)[:, None].repeat(B, 1)
        mine = {**params, "embed": embedded}
        return lm.unroll(mine, lm.initial_carry(B), rows)[1][t].sum()

    gradient_of = jax.jit(jax.grad(logits_at, argnums=1))
    for t in range(T):
        gradient = np.asarray(gradient_of(t, jnp.ones((V, D))))
        assert np.abs(gradient[: t + 1]).sum(axis=1).all()
        assert not np.abs(gradient[t + 1 :]).any()


def test_streams_of_a_batch_do_not_touch():
    lm, params, ids = model_of()
    changed = np.array(ids)
    changed[:, 0] = (changed[:, 0] + 1) % V
    logits, others = (
        np.asarray(unroll(lm, params, x)[1]) for x in (ids, jnp.asarray(changed))
    )
    near(logits[:, 1:], others[:, 1:])
    assert not np.allclose(logits[:, 0], others[:, 0])


def test_dropout_needs_a_key_and_scales_up():
    lm, params, ids = model_of(layers=2, dropout=0.5)
    carry = lm.initial_carry(B)
    near(unroll(lm, params, ids), unroll(model_of(layers=2)[0], params, ids))
    keys = jax.random.split(KEY, 4000)
    on = [unroll(lm, params, ids, key)[1] for key in keys[:2]]
    assert not np.allclose(on[0], on[1])
    # The head is linear: over many masks, the logits of one layer average out.
    lone = make_language_model(vocab_size=V, features=H, layers=1, dropout=0.5)
    params["head"] = jax.tree.map(lambda p: 10 * np.asarray(p), params["head"])
    unroll_all = jax.jit(jax.vmap(lone.unroll, (None, None, None, 0)))
    dropped = np.asarray(unroll_all(params, carry[:1], ids, keys)[1])
    whole = np.asarray(unroll(lone, params, ids)[1])
    noise = 5 * dropped.std(axis=0) / math.sqrt(4000)
    assert (np.abs(dropped.mean(axis=0) - whole) < noise).all()
    bias = params["head"]["b"]
    assert (np.abs((whole - bias) / 2 + bias - whole) > noise).any()


@pytest.mark.parametrize("rate", [0.5, 0.013])
def test_dropout_drops_its_share_and_scales_up_the_rest(rate):
    xs = np.ones((20, 10, 501), np.float32)

    def total(xs):
        ys: Any = apply_dropout(rate, KEY, xs)
        return jnp.sum(ys), ys

    (_, ys), gradient = jax.jit(jax.value_and_grad(total, has_aux=True))(xs)
    ys, gradient = np.asarray(ys), np.asarray(gradient)
    dropped = gradient == 0
    noise = 5 * math.sqrt(rate * (1 - rate) / dropped.size)
    assert abs(dropped.mean() - rate) < noise + 2**-16
    np.testing.assert_allclose(gradient[~dropped], 1 / (1 - rate), rtol=1e-6)
    np.testing.assert_allclose(ys, gradient, rtol=1e-6)  # since xs are ones
    # Each unit of each step of each stream for itself.
    for axis in range(3):
        one, other = np.take(dropped, 0, axis), np.take(dropped, 1, axis)
        assert not np.array_equal(one, other)
    assert abs(dropped.mean(axis=(0, 1)) - rate).max() < 7 * math.sqrt(rate / 200)


def test_dropout_is_never_recurrent():
    """Its places: after every layer, on the way up; the state goes on undropped."""
    lm, params, ids = model_of(layers=1, dropout=0.9)
    near(unroll(lm, params, ids, KEY)[0], unroll(lm, params, ids)[0])
    lm, params, ids = model_of(layers=2, dropout=0.9)
    dropped, whole = unroll(lm, params, ids, KEY)[0], unroll(lm, params, ids)[0]
    near(dropped[0], whole[0])
    assert not np.allclose(dropped[1].h, whole[1].h)


@pytest.mark.parametrize("layers, embedding, count", [(2, 0, 240_321 - 2 * 4 * 128),
                                                      (2, 64, 242_945)])  # fmt: skip
def test_parameters_are_as_many_as_theirs(layers, embedding, count):
    """char-rnn's default has two biases a layer where we have their sum."""
    lm = make_language_model(vocab_size=65, layers=layers, embedding=embedding)
    shapes = jax.eval_shape(lm.init, KEY)
    assert sum(math.prod(p.shape) for p in jax.tree.leaves(shapes)) == count


def test_initializers():
    lm = make_language_model(vocab_size=65, features=256, embedding=64)
    char = jax.tree.map(np.asarray, jax.jit(lm.init)(KEY))
    forget = char["layer_0"]["b"][256:512]
    assert (forget == 1).all()
    rest = [*char["layer_1"].values(), *char["head"].values(), char["embed"]]
    for leaf in (char["layer_0"]["wx"], char["layer_0"]["wh"], *rest):
        inside = np.abs(np.asarray(leaf)) <= 0.08
        assert inside.mean() >= (0.75 if leaf.ndim == 1 else 1)
        assert np.abs(leaf)[inside].max() > 0.06
    lm = make_language_model(
        vocab_size=65, features=256, embedding=64, initializer="torch_rnn"
    )
    torch = jax.tree.map(np.asarray, jax.jit(lm.init)(KEY))
    assert abs(float(torch["layer_0"]["wx"].std()) * math.sqrt(64 + 256) - 1) < 0.02
    assert abs(float(torch["layer_1"]["wh"].std()) * math.sqrt(2 * 256) - 1) < 0.02
    assert abs(float(torch["embed"].std()) - 1) < 0.05
    assert not torch["layer_0"]["b"][:256].any()
    assert np.abs(torch["head"]["w"]).max() <= 1 / 16


@pytest.mark.skipif(
    jax.__version_info__ < (0, 8),
    reason="JAX 0.7 has no bfloat16 products with float32 sums on a CPU",
)
def test_bfloat16_products_stay_near_and_the_state_stays_float32():
    _, params, ids = model_of()

    def squares(params, dtype):
        lm = model_of(dtype=dtype)[0]
        carry, logits = lm.unroll(params, lm.initial_carry(B), ids)
        return (logits**2).sum(), (carry, logits)

    graded = jax.jit(jax.grad(squares, has_aux=True), static_argnums=1)
    gradients, (carry, logits) = graded(params, "bfloat16")
    assert {leaf.dtype for leaf in jax.tree.leaves((carry, logits))} == {
        jnp.dtype("float32")
    }
    exact, (_, exact_logits) = graded(params, "float32")
    near(logits, exact_logits, 0.05)
    assert not np.array_equal(logits, exact_logits)
    jax.tree.map(
        lambda g, e: np.testing.assert_allclose(g, e, atol=0.05 * np.abs(e).max()),
        gradients,
        exact,
    )
    assert gradients["layer_0"]["wh"].dtype == jnp.float32


@pytest.mark.parametrize("embedding", [0, 6])
def test_grow_keeps_what_is_known_and_adds_rows(embedding):
    small, params, ids = model_of(embedding=embedding)
    large = make_language_model(vocab_size=V + 2, features=H, embedding=embedding)
    places = [n + (n > 3) + (n > 7) for n in range(V)]
    grown = expand_vocab(params, draw_params(large, seed=1), places)
    _, want = unroll(small, params, ids)
    _, got = unroll(large, grown, jnp.asarray(np.asarray(places, np.int32)[ids]))
    near(np.asarray(got)[..., places], want)
    other = make_language_model(vocab_size=V + 2, features=H + 1, embedding=embedding)
    with pytest.raises(UserError, match="another shape"):
        expand_vocab(params, draw_params(other), places)


@pytest.mark.parametrize(
    "wrong",
    [
        {"dropout": 1.0},
        {"dropout": -0.1},
        {"dropout": math.nan},
        {"layers": 0},
        {"features": 0},
        {"embedding": -1},
        {"cell": "transformer"},
        {"initializer": "zeros"},
        {"dtype": "float8"},
        {"precision": "low"},
        {"forget_bias": math.inf},
    ],
)
def test_impossible_models(wrong):
    with pytest.raises(UserError, match=f"^{next(iter(wrong))} is "):
        make_language_model(vocab_size=V, **wrong)


def test_compile_time_does_not_grow_with_t():
    """The loop over time is compiled once: the program is as long for any t."""

    def size(t):
        lm, params, _ = model_of(layers=2)
        ids = jnp.zeros((t, B), jnp.int32)

        def loss(params):
            logits = lm.unroll(params, lm.initial_carry(B), ids)[1]
            return optax.softmax_cross_entropy_with_integer_labels(logits, ids).mean()

        return len(jax.jit(jax.grad(loss)).lower(params).as_text().splitlines())

    assert size(10) == size(1000)


@pytest.mark.parametrize("embedding", [0, 4])
@pytest.mark.parametrize("cell", MAKERS)
def test_shapes_are_those_of_the_parameters(cell, embedding):
    """By which a checkpoint is read, without Flax."""
    lm = model_of(cell=cell, layers=2, embedding=embedding)[0]
    expected = jax.eval_shape(lm.init, KEY)
    assert get_shapes(lm.config, get_cell(lm.config)) == expected
