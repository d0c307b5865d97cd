"""A workdir of charlm 0.1.0 loads, samples, scores and resumes as it did then."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import jax
import pytest
from conftest import ROOT, files, released

from charlm.model.sharding import get_machine_name
from charlm.workdir.metrics import read_metrics

OLD = Path(__file__).parent / "data" / "workdir_0.1.0"
EXPECTED = json.loads((OLD / "expected.json").read_text())
FLAGS = [
    "--config=configs/text.py",
    f"--config.data.path={OLD / 'text.txt'}",
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
]
# Uses the workdir as it is, then goes on with the run.
SCRIPT = """
import json, sys
import charlm, charlm.train
from charlm.model.jax_setup import configure_jax
from charlm.workdir.checkpoints import tree_sha256
configure_jax()
used, continued, text, *flags = sys.argv[1:]
model = charlm.load_model(used)
texts = [
    model.generate("the ", length=60, seed=3),
    model.generate("the ", length=60, temperature=0.0),
    model.generate(length=60, temperature=0.7, top_k=5, top_p=0.9, seed=1),
]
ids = model.vocab.encode(open(text).read())
score = charlm.score(model.lm, model.params, ids, streams=4)
assert charlm.train.main([*flags, f"--workdir={continued}"]) == 0
params = charlm.load_model(continued, checkpoint="latest").params
print(json.dumps([texts, score.nats_per_char, tree_sha256(params)]))
"""


@pytest.fixture(scope="module")
def outcome(tmp_path_factory):
    """Two copies of the workdir, what the script printed, and what it said.

    The run was stopped after 20 steps.
    """
    folder = tmp_path_factory.mktemp("old")
    for name in ("used", "continued"):
        shutil.copytree(OLD / "run", folder / name)
    arguments = [folder / "used", folder / "continued", OLD / "text.txt", *FLAGS]
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, *map(str, arguments)],
        cwd=ROOT,
        env=released(),
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return folder, json.loads(done.stdout), done.stderr


def on_the_same_machine() -> bool:
    """Whether the last bits can be compared: other processors round otherwise."""
    return (get_machine_name(), jax.__version__) == (
        EXPECTED["machine"],
        EXPECTED["jax"],
    )


def test_it_writes_and_scores_as_it_did(outcome):
    folder, (texts, nats_per_char, _), _ = outcome
    assert nats_per_char == pytest.approx(EXPECTED["nats_per_char"], abs=1e-6)
    if on_the_same_machine():
        assert texts == EXPECTED["samples"]
        assert nats_per_char == EXPECTED["nats_per_char"]
    there, before = (
        {path.relative_to(root): data for path, data in files(root).items()}
        for root in (folder / "used", OLD / "run")
    )
    assert there == before


def test_it_goes_on_to_the_same_bits(outcome):
    folder, (*_, params_sha256), said = outcome
    assert "resumed from step 20" in said
    records = read_metrics(folder / "continued")
    losses = [[r["step"], r["split"], r["nats_per_char"]] for r in records]
    expected = EXPECTED["at_40"]
    assert [row[:2] for row in losses] == [row[:2] for row in expected["losses"]]
    nats = [row[2] for row in expected["losses"]]
    assert [row[2] for row in losses] == pytest.approx(nats, abs=1e-5)
    if on_the_same_machine():
        assert losses == expected["losses"]
        assert params_sha256 == expected["params_sha256"]
