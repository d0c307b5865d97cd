"""Runs every config from end to end, as small as possible."""

import importlib

import jax
import numpy as np
import pytest
from conftest import ROOT, SMALL, door

from charlm.api import load_model
from charlm.config import RunConfig
from charlm.corpora.registry import SOURCES
from charlm.errors import UserError
from charlm.workdir.metrics import read_metrics

CONFIGS = sorted(
    path.stem for path in (ROOT / "configs").glob("*.py") if path.stem != "default"
)


@pytest.fixture
def shakespeare(tmp_path):
    """Returns the path of a short text that stands in for Tiny Shakespeare."""
    path = tmp_path / "short.txt"
    path.write_text("ROMEO:\nWherefore art thou?\n\nJULIET:\nHere I am.\n\n" * 300)
    return path


# hello's run is below.
@pytest.mark.parametrize("name", [name for name in CONFIGS if name != "hello"])
def test_a_smoke_run_can_be_sampled_from(name, tmp_path, shakespeare):
    run, text = f"--workdir={tmp_path}/run", f"--config.data.path={shakespeare}"
    config = f"--config={ROOT}/configs/{name}.py:smoke"
    done = door("train", config, run, text, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    records = read_metrics(tmp_path / "run")
    assert records[-1]["nats_per_char"] < records[0]["nats_per_char"]
    if name == "tiny_shakespeare":
        last = [r for r in records if r["split"] == "train"][-1]
        assert last["learning_rate"] == pytest.approx(2e-3)
    sample = door("sample", run, "--length=20")
    assert sample.returncode == 0 and len(sample.stdout) == 21


@pytest.mark.parametrize("name", CONFIGS)
def test_every_variant_has_valid_options_and_a_corpus_that_exists(name):
    module = importlib.import_module(f"configs.{name}")
    with pytest.raises(UserError, match="there are") as error:
        module.get_config("no such")
    variants = str(error.value).partition("there are ")[2].split(", ")
    assert "smoke" in variants
    for variant in ["", *variants]:
        run = RunConfig.from_dict(module.get_config(variant))
        assert run.data.corpus in SOURCES or name == "text"
        if variant not in ("", "smoke"):
            assert f"`:{variant}`" in (module.__doc__ or "")


def test_hello_distinguishes_its_two_ls(tmp_path):
    """After "he" comes l, after "hel" comes l, after "hell" comes o."""
    done = door("train", "--config=configs/hello.py:smoke", f"--workdir={tmp_path}/run")
    assert done.returncode == 0, done.stderr
    lm, params, vocab = load_model(tmp_path / "run")
    ids = vocab.encode("hell").astype(np.int32)[:, None]
    _, logits = lm.unroll(params, lm.initial_carry(1), ids)
    p = jax.nn.softmax(logits[:, 0])
    for row, after in enumerate("ello"):
        assert p[row, vocab.encode(after)[0]] > 0.95
    sample = door("sample", f"--workdir={tmp_path}/run", "--prompt=h", "--length=9")
    assert sample.stdout == "hellohello\n"


@pytest.mark.parametrize(
    "variant, options, rate",
    [
        # Nine windows an epoch: in 40 steps its rate decays, and its moments restart.
        (
            ":torch_rnn",
            {"data.split": "(400,50)", "optim.decay_after": 2, "optim.decay_every": 1},
            2e-3 / 2**3,
        ),
        (":cpu", {"data.split": "(0.9,0.1)"}, 1.5e-2 * 39 / 200),
    ],
)
def test_every_other_variant_of_tiny_shakespeare_trains(
    tmp_path, shakespeare, variant, options, rate
):
    options = {**SMALL, "data.path": shakespeare, **options}
    del options["optim.schedule"]
    done = door(
        "train",
        f"--config=configs/tiny_shakespeare.py{variant}",
        f"--workdir={tmp_path}/run",
        *(f"--config.{name}={value}" for name, value in options.items()),
    )
    assert done.returncode == 0, done.stderr
    last = [r for r in read_metrics(tmp_path / "run") if r["split"] == "train"][-1]
    assert last["learning_rate"] == pytest.approx(rate)
