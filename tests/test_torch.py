"""The LSTM and the RNN against torch.nn, with the same weights.

The same cells are held against a NumPy transcription in test_model.py, everywhere.
"""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from draws import draw_params

from charlm.data.streams import Streams
from charlm.model.lm import make_language_model
from charlm.training.optimizer import make_optimizer
from charlm.training.step import init_state, make_train_step

torch = pytest.importorskip(
    "torch",
    reason="PyTorch, the torch extra, is not installed: no reference to compare",
)

T, B, V, H = 30, 5, 11, 16


def pair(cell, embedding=7):
    """Our model and torch's, with the same weights."""
    lm = make_language_model(
        vocab_size=V, cell=cell, layers=2, features=H, embedding=embedding
    )
    params = draw_params(lm, scale=0.4)
    kind = {"lstm": torch.nn.LSTM, "rnn": torch.nn.RNN}[cell]
    theirs = torch.nn.ModuleDict(
        {
            "embed": torch.nn.Embedding(V, embedding),
            "rnn": kind(embedding, H, 2),
            "head": torch.nn.Linear(H, V),
        }
    )
    with torch.no_grad():
        theirs["embed"].weight.copy_(tensor(params["embed"]))
        theirs["head"].weight.copy_(tensor(params["head"]["w"].T))
        theirs["head"].bias.copy_(tensor(params["head"]["b"]))
        for n in range(2):
            layer, rnn = params[f"layer_{n}"], theirs["rnn"]
            getattr(rnn, f"weight_ih_l{n}").copy_(tensor(layer["wx"].T))
            getattr(rnn, f"weight_hh_l{n}").copy_(tensor(layer["wh"].T))
            getattr(rnn, f"bias_ih_l{n}").copy_(tensor(layer["b"]))
            getattr(rnn, f"bias_hh_l{n}").zero_()
    return lm, params, theirs


def tensor(array):
    return torch.from_numpy(np.array(array))


@pytest.mark.parametrize("cell", ["lstm", "rnn"])
def test_logits_and_gradients_are_torchs(cell):
    lm, params, theirs = pair(cell)
    ids = np.random.default_rng(0).integers(0, V, (T + 1, B))

    def loss(params):
        logits = lm.unroll(params, lm.initial_carry(B), jnp.asarray(ids[:-1]))[1]
        log_p = jax.nn.log_softmax(logits)
        picked = jnp.take_along_axis(log_p, jnp.asarray(ids[1:])[..., None], axis=-1)
        return -picked.mean(), logits

    graded = jax.jit(jax.value_and_grad(loss, has_aux=True))
    (nats, logits), gradient = graded(params)
    their_logits = theirs["head"](theirs["rnn"](theirs["embed"](tensor(ids[:-1])))[0])
    their_loss = torch.nn.functional.cross_entropy(
        their_logits.view(-1, V), tensor(ids[1:]).view(-1)
    )
    their_loss.backward()
    near(logits, their_logits)
    near(nats, their_loss)
    near(gradient["embed"], theirs["embed"].weight.grad)
    near(gradient["head"]["w"].T, theirs["head"].weight.grad)
    near(gradient["head"]["b"], theirs["head"].bias.grad)
    for n in range(2):
        ours, rnn = gradient[f"layer_{n}"], theirs["rnn"]
        near(ours["wx"].T, getattr(rnn, f"weight_ih_l{n}").grad)
        near(ours["wh"].T, getattr(rnn, f"weight_hh_l{n}").grad)
        near(ours["b"], getattr(rnn, f"bias_ih_l{n}").grad)


def test_thirty_steps_of_training_are_torchs():
    """Truncated BPTT, the carry handed on, clipping and Adam: the whole step."""
    lm, params, theirs = pair("lstm")
    ids = np.random.default_rng(0).integers(0, V, 4 * B * T + 1).astype(np.uint8)
    streams = Streams(ids, batch_size=B, seq_length=T)
    optimizer = make_optimizer(learning_rate=1e-2, name="adam", clip=1e-3)
    state = init_state(lm, optimizer, batch_size=B, params=params)
    train_step = jax.jit(make_train_step(lm, optimizer))
    adam = torch.optim.Adam(theirs.parameters(), lr=1e-2)
    for n in range(2):  # torch's second bias is one too many
        getattr(theirs["rnn"], f"bias_hh_l{n}").requires_grad_(False)
    ours, others, carry = [], [], ()
    for i in range(30):
        batch = streams[i]
        state, metrics = train_step(state, batch)
        ours.append(float(metrics.nats_per_char))
        before = None if batch.reset.all() else tuple(c.detach() for c in carry)
        hidden, carry = theirs["rnn"](theirs["embed"](tensor(batch.inputs)), before)
        loss = torch.nn.functional.cross_entropy(
            theirs["head"](hidden).view(-1, V), tensor(batch.targets).long().view(-1)
        )
        adam.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_value_(theirs.parameters(), 1e-3)
        adam.step()
        others.append(float(loss.detach()))
    np.testing.assert_allclose(ours, others, rtol=1e-4)
    assert ours[-1] < ours[0] - 0.05


def near(ours, theirs):
    np.testing.assert_allclose(ours, theirs.detach(), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", ["rmsprop", "adam", "adamw"])
def test_optimizers_are_torchs(name):
    x = np.random.default_rng(1).normal(size=(3, 2)).astype(np.float32)
    weight = torch.nn.Parameter(torch.from_numpy(x.copy()))
    theirs = {
        "rmsprop": lambda w: torch.optim.RMSprop(w, lr=0.01, alpha=0.95, eps=1e-8),
        "adam": lambda w: torch.optim.Adam(w, lr=0.01),
        "adamw": lambda w: torch.optim.AdamW(w, lr=0.01, weight_decay=0.1),
    }[name]([weight])
    ours = make_optimizer(
        learning_rate=0.01, name=name, clip=0.0, rms_decay=0.95, weight_decay=0.1
    )
    params = jnp.asarray(x)
    state = ours.init(params)
    for seed in range(20):
        g = np.random.default_rng(seed).normal(size=x.shape).astype(np.float32)
        weight.grad = torch.from_numpy(g)
        theirs.step()
        updates, state = ours.update(jnp.asarray(g), state, params)
        params = optax.apply_updates(params, updates)
    near(params, weight)
