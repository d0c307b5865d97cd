"""Flax modules under charlm, and charlm's models as Flax modules."""

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from draws import draw, draw_ids, draw_params
from flax import nnx
from test_training import IDS, VOCAB, run_fit

import charlm
from charlm.model.cells import make_lstm
from charlm.workdir.metrics import read_metrics

B, T, D, H, V = 3, 6, 5, 4, 7
KEY = jax.random.key(0)


def as_charlm(params):
    """Returns the parameters of linen's OptimizedLSTMCell in the layout of ours."""

    def join(prefix, name):
        return np.concatenate([params[f"{prefix}{gate}"][name] for gate in "ifgo"], -1)

    return {
        "wx": join("i", "kernel"),
        "wh": join("h", "kernel"),
        "b": join("h", "bias"),
    }


def run(cell, params, xs):
    """Returns the last state and the outputs, from the initial state."""

    @jax.jit
    def scan(params, xs):
        state = cell.initial_state(B, H)
        return jax.lax.scan(lambda s, x: cell.step(params, s, x), state, xs)

    return scan(params, xs)


def draw_cell(cell):
    """Normal parameters of a cell."""
    shapes = jax.eval_shape(lambda: cell.init(KEY, D, H))
    leaves, form = jax.tree.flatten(shapes)
    drawn = [draw(*leaf.shape, seed=n) for n, leaf in enumerate(leaves)]
    return jax.tree.unflatten(form, drawn)


def near(a, b, tolerance=1e-6):
    jax.tree.map(lambda x, y: np.testing.assert_allclose(x, y, atol=tolerance), a, b)


def test_flaxs_lstm_is_ours():
    theirs = charlm.from_linen(nn.OptimizedLSTMCell)
    params, xs = draw_cell(theirs), draw(T, B, D)
    state, ys = run(theirs, params, xs)
    same_state, same_ys = run(charlm.lstm, as_charlm(params), xs)
    near(ys, same_ys)
    near(state, tuple(same_state))  # (c, h), as Flax has them


@pytest.mark.parametrize("diagonal", [True, False])
def test_flaxs_gru_is_ours_where_the_place_of_the_reset_makes_no_difference(diagonal):
    """Flax resets after the recurrent product, as torch does; char-rnn before it.

    With a diagonal matrix the two are one. Flax's z keeps the old state, ours admits
    the new.
    """
    theirs = charlm.from_linen(nn.GRUCell)
    params = jax.tree.map(np.asarray, draw_cell(theirs))
    if diagonal:
        params["hn"]["kernel"] = np.diag(np.diag(params["hn"]["kernel"]))
    signs = {"r": 1, "z": -1, "n": 1}  # sigmoid(-x) = 1 - sigmoid(x)
    ours = {
        "wx": np.concatenate(
            [s * params[f"i{g}"]["kernel"] for g, s in signs.items()], 1
        ),
        "wh": np.concatenate(
            [s * params[f"h{g}"]["kernel"] for g, s in signs.items()], 1
        ),
        "b": np.concatenate([s * params[f"i{g}"]["bias"] for g, s in signs.items()]),
    }
    # The new state has a bias within the reset in Flax, where ours has none.
    params["hn"]["bias"] = np.zeros_like(params["hn"]["bias"])
    xs = draw(T, B, D)
    _, ys = run(theirs, params, xs)
    _, same_ys = run(charlm.gru, ours, xs)
    assert np.allclose(ys, same_ys, atol=1e-5) == diagonal


def test_flaxs_lstm_trains_to_our_loss(tmp_path):
    """From the same weights, with resets, clipping and the guard."""
    cell = charlm.from_linen(nn.OptimizedLSTMCell)
    sizes: dict[str, Any] = {"vocab_size": len(VOCAB), "layers": 2, "features": 12}
    lm = charlm.make_language_model(cell=cell, **sizes)
    params = draw_params(lm)
    same = {**params} | {f"layer_{n}": as_charlm(params[f"layer_{n}"]) for n in (0, 1)}
    options = {"steps": 40, "log_every": 10, "sample_length": 0}
    run_fit(tmp_path / "flax", lm=lm, params=params, **options)
    ours = charlm.make_language_model(cell="lstm", **sizes)
    run_fit(tmp_path / "ours", lm=ours, params=same, **options)
    losses = [
        [r["nats_per_char"] for r in read_metrics(tmp_path / name)]
        for name in ("flax", "ours")
    ]
    np.testing.assert_allclose(losses[0], losses[1], rtol=1e-4)
    assert losses[0][-1] < losses[0][0] - 0.1


@pytest.mark.parametrize(
    "cell", [charlm.from_linen(nn.GRUCell), charlm.from_nnx(nnx.OptimizedLSTMCell)]
)
def test_a_flax_cell_trains_samples_and_scores(tmp_path, text_file, cell):
    options: dict[str, Any] = dict(
        cell=cell, layers=1, features=8, batch_size=4, seq_length=10
    )
    model = charlm.fit(text_file, tmp_path / "run", steps=30, progress=False, **options)
    assert len(model.generate("the ", length=9)) == 9
    assert np.isfinite(model.score("the cat"))
    loaded = charlm.load_model(tmp_path / "run", cell=cell)
    assert loaded.score("the cat") == model.score("the cat")


class Net(nnx.Module):
    """A language model in nnx, as a user has it."""

    def __init__(self, *, rngs: nnx.Rngs):
        self.embed = nnx.Embed(len(VOCAB), 6, rngs=rngs)
        self.cell = nnx.GRUCell(6, 12, rngs=rngs)
        self.head = nnx.Linear(12, len(VOCAB), rngs=rngs)

    def initialize_carry(self, batch_size):
        return jnp.zeros((batch_size, 12))

    def __call__(self, carry, ids):
        carry, h = self.cell(carry, self.embed(ids))
        return carry, self.head(h)


def test_an_nnx_model_trains_samples_scores_and_is_loaded(tmp_path, text_file):
    lm = charlm.from_nnx(Net, vocab_size=len(VOCAB))
    ids = jnp.asarray(np.asarray(IDS[:T], np.int32)[:, None])

    @jax.jit
    def init_and_unroll(key):
        """Parameters, and logits by charlm's model and by the user's."""
        params, net = lm.init(key), Net(rngs=nnx.Rngs(key))
        _, expected = jax.lax.scan(net, net.initialize_carry(1), ids)
        return params, lm.unroll(params, lm.initial_carry(1), ids)[1], expected

    params, found, expected = init_and_unroll(KEY)
    near(found, expected)
    text = tmp_path / "text.txt"
    text.write_text(VOCAB.decode(IDS))
    options: dict[str, Any] = dict(
        batch_size=4, seq_length=10, steps=60, log_every=7, progress=False
    )
    model = charlm.fit(text, tmp_path / "run", lm=lm, learning_rate=1e-2, **options)
    records = [r for r in read_metrics(tmp_path / "run") if r["split"] == "train"]
    assert records[-1]["nats_per_char"] < records[0]["nats_per_char"] - 0.1
    again = charlm.load_model(tmp_path / "run", lm=lm)
    assert again.generate("the ", length=9) == model.generate("the ", length=9)
    _, _, shown = charlm.observe(lm, params, lm.initial_carry(1), ids[0])
    assert list(shown) == ["carry/"]


def test_our_model_as_a_linen_module():
    lm = charlm.make_language_model(
        vocab_size=V, features=H, layers=2, embedding=3, cell="gru"
    )
    module = charlm.to_linen(lm)
    ids, params = draw_ids(V, T, B), draw_params(lm)

    @jax.jit
    def compute(params):
        initial = module.init(KEY, ids)["params"]
        carry, logits = lm.unroll(params, lm.initial_carry(B), ids)
        expected = (carry, logits), lm.unroll(params, carry, ids)[1]
        found = module.apply({"params": params}, ids)
        _, after = module.apply({"params": params}, ids, carry)
        return initial, (found, after), expected

    initial, found, expected = compute(params)
    assert jax.tree.map(jnp.shape, initial) == jax.tree.map(jnp.shape, params)
    near(found, expected)


def test_a_bias_of_the_forget_gate_is_set():
    init = jax.jit(make_lstm("torch_rnn", 3.0).init, static_argnums=(1, 2))
    bias = np.asarray(init(KEY, D, H)["b"])
    assert (bias[H : 2 * H] == 3).all() and not bias[:H].any()
