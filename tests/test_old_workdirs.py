"""A workdir of charlm 0.1.0 loads, samples, scores and resumes as it did then."""

import json
import shutil
from pathlib import Path

import jax
import pytest
from conftest import door, files

import charlm
from charlm.model.sharding import get_machine_name
from charlm.workdir.checkpoints import tree_sha256
from charlm.workdir.metrics import read_metrics

OLD = Path(__file__).parent / "data" / "workdir_0.1.0"
EXPECTED = json.loads((OLD / "expected.json").read_text())


@pytest.fixture
def old(tmp_path):
    """A copy of the workdir; it was stopped after 20 steps."""
    shutil.copytree(OLD / "run", tmp_path / "run")
    return tmp_path / "run"


def on_the_same_machine() -> bool:
    """Whether the last bits can be compared: other processors round otherwise."""
    return (get_machine_name(), jax.__version__) == (
        EXPECTED["machine"],
        EXPECTED["jax"],
    )


def test_it_writes_and_scores_as_it_did(old):
    before = files(old)
    model = charlm.load_model(old)
    texts = [
        model.generate("the ", length=60, seed=3),
        model.generate("the ", length=60, temperature=0.0),
        model.generate(length=60, temperature=0.7, top_k=5, top_p=0.9, seed=1),
    ]
    ids = model.vocab.encode((OLD / "text.txt").read_text())
    score = charlm.score(model.lm, model.params, ids, streams=4)
    assert score.nats_per_char == pytest.approx(EXPECTED["nats_per_char"], abs=1e-6)
    if on_the_same_machine():
        assert texts == EXPECTED["samples"]
        assert score.nats_per_char == EXPECTED["nats_per_char"]
    assert files(old) == before


def test_it_goes_on_to_the_same_bits(old):
    done = door(
        "train",
        "--config=configs/text.py",
        f"--config.data.path={OLD / 'text.txt'}",
        f"--workdir={old}",
        "--config.model.features=8",
        "--config.model.embedding=4",
        "--config.optim.schedule=constant",
        "--config.optim.warmup=5",
        "--config.train.batch_size=4",
        "--config.train.seq_length=10",
        "--config.train.steps=40",
        "--config.train.log_every=10",
        "--config.train.eval_every=20",
        "--config.train.checkpoint_every=20",
        "--config.train.sample_every=20",
        "--config.train.sample_length=20",
    )
    assert done.returncode == 0, done.stderr
    assert "resumed from step 20" in done.stderr
    losses = [[r["step"], r["split"], r["nats_per_char"]] for r in read_metrics(old)]
    expected = EXPECTED["at_40"]
    assert [row[:2] for row in losses] == [row[:2] for row in expected["losses"]]
    nats = [row[2] for row in expected["losses"]]
    assert [row[2] for row in losses] == pytest.approx(nats, abs=1e-5)
    if on_the_same_machine():
        assert losses == expected["losses"]
        _, params, _ = charlm.load_model(old, checkpoint="latest")
        assert tree_sha256(params) == expected["params_sha256"]
