"""Each mistake that a user can make: one line, exit status 2, nothing touched."""

import json
import os
import shutil

import pytest
from conftest import door, files, refused, train, train_flags

MISTAKES = {
    "empty file": "is empty",
    "one character": "has only 1 character",
    "shorter than a batch": "lower batch_size or seq_length",
    "a folder": "is a folder",
    "no such file": "there is no file",
    "undecodable": "byte 3 cannot be decoded",
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_texts_that_cannot_be_trained_on(tmp_path, mistake):
    text = tmp_path / "text.txt"
    made = {
        "empty file": b"",
        "one character": b"a",
        "shorter than a batch": b"abcabc",
        "undecodable": b"abc\xff" * 100,
    }
    if mistake in made:
        text.write_bytes(made[mistake])
    elif mistake == "a folder":
        text.mkdir()
    refused(train(text, tmp_path / "run"), MISTAKES[mistake])
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    "flags, message",
    [
        (["--config.nothing=1"], "the config has no nothing"),
        (
            ["--config.modle.layers=3"],
            "no modle.layers; did you mean --config.model.layers",
        ),
        (
            ["--config.model.layer=3"],
            "no model.layer; did you mean --config.model.layers",
        ),
        (["--config.lr=1"], "did you mean --config.optim.learning_rate?"),
        (["--config.model.rnn_size=1"], "did you mean --config.model.features?"),
        (["--config.train.bptt=1"], "did you mean --config.train.seq_length?"),
        (["--config.model.layers=two"], "layers"),
        (["--config.model.layers=0"], "model.layers is 0"),
        (["--config.model.dropout=1"], "model.dropout is 1"),
        (["--config.optim.name=sgd"], "optim.name"),
        (["--config.data.split=(0.5,0.9)"], "data.split"),
        (["--config.data.unit=word"], "data.unit"),
        (["--config.data.encoding=klingon"], "data.encoding"),
        (["--config.train.steps=-1"], "train.steps is -1"),
        (["--config.train.seq_length=100000"], "lower batch_size"),
        (["--config.train.init_from=/nowhere"], "there is no workdir /nowhere"),
        (["--config.seed=-1"], "seed is -1"),
        (["--config.optim.warmup=10000000000"], "optim.warmup is 10000000000"),
        (["--config.optim.schedule=linear"], "optim.schedule is 'linear'"),
        (["--config.model.forget_bias=nan"], "model.forget_bias is nan"),
        (["--confg=x"], "confg"),
        (["stray", "text"], "is no flag"),
    ],
)
def test_mistakes_in_the_command_are_one_line(tmp_path, text_file, flags, message):
    done = door("train", *train_flags(text_file, tmp_path / "run"), *flags)
    refused(done, message)
    assert not (tmp_path / "run").exists()


def test_a_model_too_large_for_the_machine(tmp_path, text_file):
    """It is refused when it is made, and the same workdir takes a smaller one."""
    large = train(text_file, tmp_path / "run", model__features=3_000_000)
    assert large.returncode == 2, large.stderr
    *_, error = large.stderr.splitlines()
    assert error.startswith("error: there is not enough memory")
    assert train(text_file, tmp_path / "run").returncode == 0


@pytest.mark.parametrize(
    "flags, message",
    [
        ([], "there is no text to read"),
        (["--config=configs/absent.py"], "absent.py"),
        (["--config=configs/absent.py", "--config.seed=1"], "absent.py"),
        (["--config=configs/text.py"], "give a text file as --config.data.path"),
        (["--config=configs/text.py:huge"], "no variant 'huge'"),
        (["--config=configs/default.py:huge"], "no variant 'huge'"),
        (["--config=configs/text.py", "--config.data.corpus=klingon"], "no corpus"),
    ],
)
def test_mistakes_about_configs(flags, message):
    refused(door("train", *flags), message)


@pytest.mark.parametrize(
    "body, message",
    [
        (
            "config.model.feautres = 3",
            "no model.feautres; did you mean --config.model.features?",
        ),
        ("config.model.layers = 'two'", "layers"),
        ("1 / 0", "own.py, line 4: ZeroDivisionError: division by zero"),
        ("import nothing", "own.py, line 4: ModuleNotFoundError"),
        ("x = = 3", "own.py, line 4"),
        ("return None", "get_config returns None; it must be a config"),
    ],
)
def test_mistakes_in_a_config_file(tmp_path, body, message):
    (tmp_path / "own.py").write_text(
        "from configs import default\ndef get_config():\n"
        f"    config = default.get_config()\n    {body}\n    return config\n"
    )
    refused(door("train", f"--config={tmp_path}/own.py"), message)


def test_other_peoples_folders_are_left_alone(trained, tmp_path, text_file):
    run = trained / "run"
    before = files(run)
    other = train(trained / "text.txt", run, model__features=17)
    refused(other, "model.features is 16 there and 17 here")
    shorter = trained / "text.txt"
    text = shorter.read_text()
    try:
        shorter.write_text(text.replace("cat", "dog"))
        refused(train(shorter, run, train__steps=50), "the text has changed")
    finally:
        shorter.write_text(text)
    assert files(run) == before
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "samples.txt").write_text("my own")
    refused(train(text_file, mine), "not the workdir of a run")
    assert files(mine) == {mine / "samples.txt": b"my own"}


def test_a_text_with_new_symbols_is_another_run(trained, tmp_path, text_file):
    run = shutil.copytree(trained / "run", tmp_path / "run")
    text_file.write_text(text_file.read_text() + "é")
    done = train(text_file, run, train__steps=60)
    refused(done, "has symbols that the run in")


@pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write anywhere"
)
def test_a_workdir_that_cannot_be_written(tmp_path, text_file):
    (tmp_path / "locked").mkdir(mode=0o500)
    refused(train(text_file, tmp_path / "locked" / "run"), "cannot be written")


def test_a_workdir_under_a_file_cannot_be_made(tmp_path, text_file):
    (tmp_path / "file").write_text("")
    refused(train(text_file, tmp_path / "file"), "is a file; choose another --workdir")
    refused(train(text_file, tmp_path / "file" / "run"), "cannot be written")


@pytest.mark.parametrize("name", ["sample", "evaluate"])
def test_workdirs_without_a_model(trained, tmp_path, name):
    refused(door(name), "--workdir is required")
    refused(door(name, f"--workdir={tmp_path}/absent"), "there is no workdir")
    refused(door(name, f"--workdir={tmp_path}"), "is it the workdir of a run")
    flags = (f"--workdir={trained}/run", "--checkpoint=7")
    refused(door(name, *flags), "it has 20, 40")
    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize(
    "flags, message",
    [
        (["--prompt=the é"], "'é' (U+00E9) at line 1, column 5"),
        (["--prompt_file=/nowhere"], "/nowhere cannot be read"),
        (["--temperature=-1"], "temperature"),
        (["--temperature=1e300"], "temperature"),
        (["--length=many"], "--length"),
        (["--seed=99999999999999999999"], "seed"),
        ([f"--prompt_file={__file__}"], "has never seen"),
        (["--samples=0"], "samples"),
        (["--endless", "--json"], "--endless"),
    ],
)
def test_mistakes_in_sampling(trained, flags, message):
    refused(door("sample", f"--workdir={trained}/run", *flags), message)


@pytest.mark.parametrize(
    "flags, message",
    [
        (["--split=vald"], "--split=vald"),
        (["--split=test"], "test part has 0 characters"),
        (["--text=/nowhere"], "there is no file /nowhere"),
        (["--window=-1"], "--window"),
    ],
)
def test_mistakes_in_scoring(trained, flags, message):
    refused(door("evaluate", f"--workdir={trained}/run", *flags), message)


@pytest.mark.parametrize(
    "section, value",
    [
        ("train", {"batch_size": "x"}),
        ("data", {"encoding": 5}),
        ("data", {"path": 5}),
        ("model", {"forget_bias": 10**400}),
    ],
)
def test_configs_of_strangers(trained, tmp_path, section, value):
    run = shutil.copytree(trained / "run", tmp_path / "run")
    config = json.loads((run / "config.json").read_text())
    config[section] |= value
    (run / "config.json").write_text(json.dumps(config))
    refused(door("evaluate", f"--workdir={run}"), "config.json")
