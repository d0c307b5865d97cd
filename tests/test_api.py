"""charlm.fit, charlm.load_model and the methods of a Model."""

import json
import math
import os
import signal
import sys
import types
from typing import Any

import jax
import numpy as np
import optax
import pytest
from conftest import SMALL, files, read_untimed, train

import charlm
from charlm.errors import UserError
from charlm.presets import default_config
from charlm.training import reporters
from charlm.training.reporters import Reporter
from charlm.workdir.checkpoints import tree_sha256

OPTIONS = {name.rpartition(".")[2]: value for name, value in SMALL.items()}


def fit(text, workdir, progress: bool | Reporter = False, **options):
    return charlm.fit(text, workdir, progress=progress, **OPTIONS | options)


@pytest.fixture(scope="module")
def fitted(trained):
    """The model of the small run, trained by `fit`, and its folder."""
    return fit(trained / "text.txt", trained / "python"), trained / "python"


def test_it_does_what_the_command_does(trained, fitted):
    (model, run), command = fitted, trained / "run"
    other = charlm.load_model(command)
    assert tree_sha256(model.params) == tree_sha256(other.params)
    assert read_untimed(run) == read_untimed(command)
    for name in ("config.json", "vocab.json", "samples.txt"):
        texts = [(folder / name).read_text() for folder in (run, command)]
        assert texts[0] == texts[1]


def test_a_model_is_three_things_with_methods(fitted):
    model, _ = fitted
    lm, params, vocab = model
    assert (lm, params, vocab) == (model.lm, model.params, model.vocab)
    assert lm.config.features == 16 and lm.config.vocab_size == len(vocab)
    text = model.generate("the ", length=30, temperature=0.7, seed=3)
    assert len(text) == 30 and text == model.generate(
        "the ", length=30, temperature=0.7, seed=3
    )
    nats = model.score(["the cat sat", "tac eht tas"])
    assert nats[0] < nats[1] and model.score("the cat sat") == nats[0]
    ids = vocab.encode("the cat sat")
    assert nats[0] == pytest.approx(charlm.score(lm, params, ids).nats_per_char * 10)
    page = model.show("the cat sat on a mat", search=0)
    assert page._repr_html_().startswith("<iframe")


def test_it_resumes_and_refuses_other_options_as_the_command_does(
    fitted, tmp_path, text_file
):
    fit(str(text_file), str(tmp_path / "run"), steps=20)
    said = []
    fit(text_file, tmp_path / "run", progress=Reporter(say=said.append))
    assert "resumed from step 20" in said
    again = charlm.load_model(tmp_path / "run")
    assert tree_sha256(fitted[0].params) == tree_sha256(again.params)
    before = files(tmp_path / "run")
    with pytest.raises(UserError) as error:
        fit(text_file, tmp_path / "run", features=17)
    done = train(text_file, tmp_path / "run", model__features=17)
    line = done.stderr.strip().removeprefix("error: ").replace("--config.", "")
    assert str(error.value) == line.replace("another --workdir", "another workdir")
    assert "\n" not in str(error.value) and files(tmp_path / "run") == before


def test_an_interrupt_saves_and_returns_the_model(tmp_path, text_file):
    sent, said, before = [], [], signal.getsignal(signal.SIGINT)

    def tick(step, *_):
        if step >= 30 and not sent:
            sent.append(step)
            os.kill(os.getpid(), signal.SIGINT)

    # As in a terminal, also where a shell started the tests in the background.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        model = fit(
            text_file,
            tmp_path / "run",
            Reporter(tick=tick, say=said.append),
            **{"steps": 200_000, "checkpoint": "latest", "checkpoint_every": 0},
            **{"eval_every": 0, "sample_every": 0},
        )
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    except KeyboardInterrupt:
        pytest.fail("the interrupt ended the call")
    finally:
        signal.signal(signal.SIGINT, before)
    assert "the same call goes on" in said[-1], said
    assert len(model.generate(length=5)) == 5
    assert len(os.listdir(tmp_path / "run" / "checkpoints")) == 1


def test_configs_of_each_kind(tmp_path, text_file):
    config: Any = default_config()
    config.data.path = str(text_file)
    by_config = charlm.api.make_config(config, **OPTIONS)
    by_mapping = charlm.api.make_config(config.to_dict(), **OPTIONS)
    by_run = charlm.api.make_config(by_config, steps=7)
    assert by_config == by_mapping and by_run.train.steps == 7
    assert charlm.api.make_config("hello").data.corpus == "hello"
    with pytest.raises(UserError, match="did you mean optim.learning_rate"):
        charlm.fit(text_file, tmp_path / "run", lr=1)
    with pytest.raises(UserError, match="there is no file"):
        charlm.fit(tmp_path / "absent.txt", tmp_path / "run", progress=False)
    assert not (tmp_path / "run").exists()


def test_an_optimizer_of_ones_own(tmp_path, text_file):
    """Another one is named, and nothing is called damaged."""
    run = tmp_path / "run"
    model = fit(text_file, run, optimizer=optax.sgd(0.5))
    records = [r for r in read_untimed(run) if r["split"] == "train"]
    assert records[-1]["nats_per_char"] < records[0]["nats_per_char"]
    assert "learning_rate" not in records[0]
    assert model.generate(length=3)
    before = files(run)
    with pytest.raises(UserError, match="optim.name is 'custom' there"):
        fit(text_file, run)
    with pytest.raises(UserError, match="whole, but of another model or optimizer"):
        fit(text_file, run, optimizer=optax.adam(0.1))
    with pytest.raises(UserError, match="has an optimizer of its own"):
        charlm.make_optimizer(learning_rate=0.1, name="custom")
    assert files(run) == before


def make_min_gru() -> charlm.Cell:
    """minGRU (Feng et al. 2024), whose gates do not read the state."""

    def init(key, d, h):
        gate, candidate = jax.random.split(key)
        return {
            "gate": jax.random.normal(gate, (d, h)) / math.sqrt(d),
            "candidate": jax.random.normal(candidate, (d, h)) / math.sqrt(d),
        }

    def initial_state(batch_size, h):
        return jax.numpy.zeros((batch_size, h))

    def step(params, state, x):
        gate = jax.nn.sigmoid(x @ params["gate"])
        state = (1 - gate) * state + gate * (x @ params["candidate"])
        return state, state

    return charlm.Cell(init, initial_state, step)


@pytest.mark.parametrize("embedding", [0, 5])
def test_a_cell_of_ones_own_goes_everywhere(tmp_path, text_file, embedding):
    """Training, resume, samples, scores, activations; the page says why not.

    Another cell is named, and nothing is called damaged.
    """
    cell, run = make_min_gru(), tmp_path / "run"
    options = {"cell": cell, "layers": 2, "embedding": embedding, "dropout": 0.1}
    if embedding:  # the parameters have all that those without an embedding have
        fit(text_file, run, steps=20, **options)
    model = fit(text_file, run, **options)
    if embedding:
        whole = fit(text_file, tmp_path / "whole", **options)
        assert tree_sha256(model.params) == tree_sha256(whole.params)
    records = [r for r in read_untimed(run) if r["split"] == "train"]
    assert records[-1]["nats_per_char"] < records[0]["nats_per_char"]
    assert json.loads((run / "config.json").read_text())["model"]["cell"] == "custom"
    with pytest.raises(UserError, match="cell=my_cell"):
        charlm.load_model(run)
    before = files(run)
    for other in (charlm.lstm, charlm.rnn):
        with pytest.raises(UserError, match="whole, but of another model"):
            charlm.load_model(run, cell=other)
    assert files(run) == before
    loaded = charlm.load_model(run, cell=cell)
    assert loaded.generate("the ", length=9) == model.generate("the ", length=9)
    assert loaded.score("the cat") == model.score("the cat")
    recorded = charlm.record_activations(loaded, "the cat sat")
    assert set(recorded.signals) == {
        f"layer_{n}/{name}" for n in (0, 1) for name in ("state", "y")
    }
    assert np.isfinite(recorded.nats[1:]).all()
    with pytest.raises(UserError, match="record_activations"):
        loaded.show("the cat sat", search=0)


def test_only_a_cell_of_a_notebook_has_its_display(monkeypatch):
    """A program may import ipykernel, or run in IPython's terminal."""
    monkeypatch.setitem(sys.modules, "ipykernel", types.ModuleType("ipykernel"))
    assert not reporters.is_notebook()
    ipython: Any = types.ModuleType("IPython")
    monkeypatch.setitem(sys.modules, "IPython", ipython)
    for shell, expected in (
        (None, False),
        (types.SimpleNamespace(), False),
        (types.SimpleNamespace(kernel=object()), True),
    ):
        ipython.get_ipython = lambda shell=shell: shell
        assert reporters.is_notebook() == expected
