"""Runs that are extended, branched and limited, and the checkpoints that they keep."""

import json
import shutil

import numpy as np
import pytest
from conftest import MADE_TEXT, door, read_untimed, refused, train, train_flags

import charlm
from charlm.cli import trained
from charlm.errors import UserError
from charlm.workdir.metadata import list_steps, read_metadata
from charlm.workdir.metrics import read_metrics

QUICK = {"train__sample_length": 0, "train__eval_every": 10, "train__log_every": 10}


def get_digests(workdir, step):
    return read_metadata(workdir / "checkpoints" / str(step))["sha256"]


def get_rates(workdir):
    return {
        record["step"]: record["learning_rate"]
        for record in read_metrics(workdir)
        if record["split"] == "train"
    }


def test_a_finished_cosine_is_extended_when_asked(tmp_path, text_file):
    cosine = {"optim__schedule": "cosine", "optim__warmup": 5, **QUICK}
    assert train(text_file, tmp_path / "run", train__steps=20, **cosine).returncode == 0
    longer = train_flags(text_file, tmp_path / "run", train__steps=40, **cosine)
    refused(door("train", *longer), "continue with --extend")
    done = door("train", *longer, "--extend")
    assert done.returncode == 0 and "resumed from step 20" in done.stderr
    assert door("train", *longer).returncode == 0  # it is that run now
    train(text_file, tmp_path / "long", train__steps=40, **cosine)
    here, there = get_rates(tmp_path / "run"), get_rates(tmp_path / "long")
    assert here[20] < there[20] and here[30] == there[30] > here[20]
    config = json.loads((tmp_path / "run" / "config.json").read_text())
    with pytest.raises(UserError, match="with extend"):
        charlm.fit(config, tmp_path / "run", steps=50, progress=False)
    charlm.fit(config, tmp_path / "run", steps=50, extend=True, progress=False)
    assert list_steps(tmp_path / "run" / "checkpoints")[-1] == 50


def branch(tmp_path, *flags, name="branch"):
    return door(
        "train",
        f"--workdir={tmp_path}/{name}",
        f"--config.train.branch_from={tmp_path}/run",
        *(f"--config.{flag}" for flag in flags),
        cwd=tmp_path,
    )


@pytest.fixture
def half(tmp_path, text_file):
    """A run with 20 of 40 steps, by Adam."""
    options = {"optim__name": "adam", "train__checkpoint_every": 20, **QUICK}
    done = train(text_file, tmp_path / "run", train__steps=20, **options)
    assert done.returncode == 0, done.stderr
    return tmp_path


def test_a_branch_is_the_run_that_it_comes_from(half):
    """With nothing changed but the last step, to the bit, its log included."""
    done = branch(half, "train.steps=40")
    assert done.returncode == 0, done.stderr
    shutil.copytree(half / "run", half / "whole")
    done = door(
        "train",
        f"--workdir={half}/whole",
        *train_flags(half / "text.txt", half / "whole", optim__name="adam", **QUICK),
    )
    assert done.returncode == 0, done.stderr
    assert get_digests(half / "branch", 40) == get_digests(half / "whole", 40)
    whole = [r for r in read_untimed(half / "whole") if r["step"] > 20]
    assert read_untimed(half / "branch") == whole


@pytest.mark.parametrize(
    "flag, same_moments, same_carry",
    [
        ("optim.learning_rate=1e-30", True, True),
        ("train.batch_size=8", True, False),
        ("model.dropout=0.1", True, True),
        ("optim.clip=0.0", True, True),
        ("optim.name=rmsprop", False, True),
    ],
)
def test_a_branch_may_change_what_shapes_no_parameter(
    half, flag, same_moments, same_carry, monkeypatch
):
    from charlm.training import loop

    states = {}

    def fake_train(run, workdir, *, start, **_):
        states[workdir.name] = start
        raise UserError("enough")

    monkeypatch.setattr(loop, "train", fake_train)
    assert branch(half, flag).stderr.endswith("error: enough\n")
    state = states["branch"]
    run = charlm.load_model(half / "run", checkpoint="latest")
    assert int(state.step) == 20
    assert np.array_equal(state.params["head"]["w"], run.params["head"]["w"])
    moments = [part for part in state.opt_state if hasattr(part, "nu")]
    assert any(np.any(part.nu["head"]["w"]) for part in moments) == same_moments
    carry = [np.asarray(leaf) for layer in state.carry for leaf in layer]
    assert all(np.any(leaf) == same_carry for leaf in carry)


def test_the_refusal_of_a_changed_option_names_the_branch(half, text_file):
    options = {"optim__name": "adam", **QUICK, "train__steps": 20}
    done = train(text_file, half / "run", **options, optim__learning_rate=1.0)
    refused(done, f"--config.train.branch_from={half}/run")
    refused(train(text_file, half / "run", **options, model__features=9), "features")


def test_mistakes_about_branches(half):
    refused(branch(half, "model.features=9"), "model.features is 16 in")
    refused(branch(half, "train.branch_from=/nowhere"), "no workdir /nowhere")
    (half / "other.txt").write_text(MADE_TEXT + "Zebra €!\n" * 20)
    refused(
        branch(half, f"data.path={half}/other.txt"), "with --config.train.init_from"
    )
    assert not (half / "branch").exists()


def test_init_from_takes_the_shape_of_its_origin_unless_told_otherwise(
    trained, tmp_path
):
    text, flags = trained / "text.txt", ["--config.train.steps=2"]
    flags += [f"--config.train.init_from={trained}/run", f"--workdir={tmp_path}/run"]
    done = door("train", text, *flags)
    assert done.returncode == 0, done.stderr
    config = json.loads((tmp_path / "run" / "config.json").read_text())
    assert config["model"]["features"] == 16 and config["model"]["layers"] == 1
    assert config["model"]["dropout"] == 0.2  # of the settings for texts
    told = door("train", text, *flags[:2], "--config.model.features=9", "--workdir=x")
    refused(told, "is a model of another shape")
    model = charlm.fit(
        text, tmp_path / "fit", init_from=str(trained / "run"), steps=1, progress=False
    )
    assert model.lm.config.features == 16


def test_a_run_goes_on_when_its_origin_is_gone(trained, tmp_path):
    shutil.copytree(trained / "run", tmp_path / "origin")
    flags = [trained / "text.txt", f"--config.train.init_from={tmp_path}/origin"]
    flags.append(f"--workdir={tmp_path}/run")
    assert door("train", *flags, "--config.train.steps=2").returncode == 0
    shutil.rmtree(tmp_path / "origin")
    config = json.loads((tmp_path / "run" / "config.json").read_text())
    assert config["train"]["steps"] == 2
    done = door("train", *flags, "--config.train.steps=3", "--extend")
    assert done.returncode == 0, done.stderr


def test_patience_ends_a_run_that_gets_no_better(tmp_path, text_file):
    still = {"optim__learning_rate": 1e-30, **QUICK, "train__steps": 60}
    done = train(text_file, tmp_path / "run", train__patience=2, **still)
    assert done.returncode == 0, done.stderr
    assert "done: 30 steps" in done.stderr and "2 validations no better" in done.stderr
    again = train(text_file, tmp_path / "run", train__patience=2, **still)
    assert "done: 30 steps" in again.stderr  # it is over
    more = train(text_file, tmp_path / "run", train__patience=3, **still)
    assert "done: 40 steps" in more.stderr
    train(text_file, tmp_path / "rest", **still)
    rest = [r for r in read_untimed(tmp_path / "rest") if r["step"] <= 40]
    assert read_untimed(tmp_path / "run") == rest


def test_minutes_limit_a_run_that_the_same_command_continues(tmp_path, text_file):
    done = train(text_file, tmp_path / "run", train__minutes=1e-6, **QUICK)
    assert done.returncode == 0, done.stderr
    assert "stopped after train.minutes at step" in done.stderr
    assert "the same command goes on" in done.stderr
    [step] = list_steps(tmp_path / "run" / "checkpoints")
    assert 0 < step < 40
    done = train(text_file, tmp_path / "run", **QUICK)
    assert "done: 40 steps" in done.stderr
    train(text_file, tmp_path / "whole", **QUICK)
    assert read_untimed(tmp_path / "run") == read_untimed(tmp_path / "whole")


@pytest.mark.parametrize(
    "keep, steps", [(0, [10, 20, 30, 40]), (1, [40]), (2, [30, 40])]
)
def test_as_many_checkpoints_are_kept_as_asked(tmp_path, text_file, keep, steps):
    options = {**QUICK, "train__checkpoint_every": 10, "data__split": "(1.0,0.0,0.0)"}
    done = train(text_file, tmp_path / "run", train__keep=keep, **options)
    assert done.returncode == 0, done.stderr
    assert list_steps(tmp_path / "run" / "checkpoints") == steps
    # Without the option, those that were kept on purpose stay.
    done = train(text_file, tmp_path / "run", **options | {"train__steps": 50})
    there = list_steps(tmp_path / "run" / "checkpoints")
    assert set(steps if keep == 0 else steps[-1:]) | {50} <= set(there)


def test_one_is_told_which_checkpoint_is_used_and_which_is_best(tmp_path, text_file):
    done = train(text_file, tmp_path / "run", **QUICK, train__checkpoint_every=10)
    assert (
        "; validation loss " in done.stderr and " at step 40, the best" in done.stderr
    )
    for name, flag in (("sample", "--length=3"), ("score", "--split=valid")):
        said = door(name, tmp_path / "run", flag).stderr
        assert f"{tmp_path}/run: checkpoint of step 40, validation loss " in said
        assert "there are 30 too" in said
        one = door(name, tmp_path / "run", flag, "--checkpoint=30").stderr
        assert "checkpoint of step 30" in one
    done = door("sample", tmp_path / "run", "--json", "--length=3")
    assert json.loads(done.stdout)["step"] == 40


def test_a_dry_run_says_what_a_run_would_take_and_writes_nothing(tmp_path, text_file):
    flags = train_flags(text_file, tmp_path / "run")
    done = door("train", *flags, "--dry_run", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    text = done.stdout
    config, _ = json.JSONDecoder().raw_decode(text)
    assert config["model"]["features"] == 16
    for what in (" parameters; ", " 40 steps of 4 x 10", "memory", "time: ", "workdir"):
        assert what in text
    assert [path.name for path in tmp_path.iterdir()] == ["text.txt"]
    assert door("train", *flags).returncode == 0
    text = door("train", *flags, "--config.train.steps=50", "--dry_run").stdout
    assert "which is at step 40" in text and "for 10 steps of" in text


def test_of_many_checkpoints_the_first_and_the_last_are_named(tmp_path, monkeypatch):
    for step in range(10, 90, 10):
        (tmp_path / "checkpoints" / str(step)).mkdir(parents=True)
    monkeypatch.setattr(trained, "read_loss", lambda folder: 1.5)
    line = trained.describe_checkpoint(str(tmp_path), 80)
    assert line.endswith(
        "checkpoint of step 80, validation loss 1.5000; there are 7 others, from 10 to"
        " 70 too, by --checkpoint"
    )
    for step in (50, 60):
        (tmp_path / "checkpoints" / str(step)).rmdir()
    line = trained.describe_checkpoint(str(tmp_path), 80)
    assert line.endswith("there are 10, 20, 30, 40, 70 too, by --checkpoint")
