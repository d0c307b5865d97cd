"""The command `charlm`: its list, its configs by name, curves, completion."""

import json
import os
import shutil
import subprocess
import sys

import pytest
from conftest import MADE_TEXT, door, refused

from charlm.cli import main as command
from charlm.cli.configs import list_configs
from charlm.completion import SCRIPTS, list_completions

SCRIPT = shutil.which("charlm", path=os.path.dirname(sys.executable))


def run(*words, capsys) -> tuple[int, str, str]:
    """Runs the command in this process; returns its status and output."""
    status = command.main([str(word) for word in words])
    output = capsys.readouterr()
    return status, output.out, output.err


def test_help_lists_every_command_and_each_has_help(capsys):
    status, listing, _ = run("--help", capsys=capsys)
    assert status == 0 and run(capsys=capsys)[1] == listing
    for name in command.COMMANDS:
        assert f"\n  {name} " in listing
        status, text, _ = run(name, "--help", capsys=capsys)
        assert status == 0 and text.startswith(f"charlm {name}")
    assert "--config.model.layers=2" in run("train", "--help", capsys=capsys)[1]


def test_an_unknown_command_is_one_line(capsys):
    status, _, error = run("smaple", "runs/x", capsys=capsys)
    assert status == 2 and "did you mean `charlm sample`?" in error
    assert len(error.splitlines()) == 1


def test_from_a_text_to_a_sample_and_a_score_without_a_flag_s_name(
    tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "my.txt").write_text(MADE_TEXT)
    small = ["--config=text:smoke", "--config.train.sample_length=10"]
    status, _, error = run("train", "my.txt", *small, capsys=capsys)
    assert status == 0, error
    assert (tmp_path / "runs" / "text-smoke").is_dir()
    status, text, _ = run(
        "sample", "runs/text-smoke", "the ", "--length=20", capsys=capsys
    )
    assert status == 0 and text.startswith("the ") and len(text) == 25
    status, text, _ = run("score", "runs/text-smoke", "my.txt", capsys=capsys)
    assert status == 0 and "my.txt: " in text
    status, _, error = run("score", "runs/text-smoke", "my.txt", "x", capsys=capsys)
    assert status == 2 and "[WORKDIR] [TEXT]" in error


def test_a_text_without_a_config_has_a_workdir_of_its_name(tmp_path):
    (tmp_path / "my.txt").write_text(MADE_TEXT)
    flags = ["--config.train.steps=2", "--config.model.features=8"]
    done = door("train", "my.txt", *flags, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    config = json.loads((tmp_path / "runs" / "my" / "config.json").read_text())
    assert config["data"]["path"] == str(tmp_path / "my.txt")


def test_the_name_of_a_corpus_stands_for_its_text(tmp_path):
    flags = ["--config=hello", "--config.train.steps=2", "--workdir=run"]
    done = door("train", "hello", *flags, cwd=tmp_path)
    assert done.returncode == 0, done.stderr


def test_configs_are_found_by_name_and_by_path_from_anywhere(tmp_path):
    (tmp_path / "text.txt").write_text(MADE_TEXT)
    for number, name in enumerate(("text", "configs/text.py", "text:smoke")):
        done = door(
            "train",
            f"--config={name}",
            "--config.data.path=text.txt",
            "--config.train.steps=1",
            "--config.model.features=8",
            f"--workdir=run{number}",
            cwd=tmp_path,
        )
        assert done.returncode == 0, done.stderr
    refused(door("train", "--config=txet"), "did you mean text?")


def test_what_a_config_of_ones_own_leaves_out_has_its_default(tmp_path):
    (tmp_path / "text.txt").write_text(MADE_TEXT)
    (tmp_path / "beside.py").write_text("FEATURES = 8\n")
    (tmp_path / "own.py").write_text(
        "import ml_collections\nfrom configs import default\nimport beside\n"
        "def get_config():\n    config = ml_collections.ConfigDict()\n"
        "    config.model = {'features': beside.FEATURES}\n"
        "    config.optim = {'learning_rate': 1}\n    return config\n"
    )
    done = door(
        "train",
        "text.txt",
        "--config=own.py",
        "--config.optim.learning_rate=1e-3",  # a number, though the config has 1
        "--config.train.steps=1",
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr
    config = json.loads((tmp_path / "runs" / "own" / "config.json").read_text())
    assert config["model"]["features"] == 8 and config["model"]["layers"] == 2
    assert config["optim"]["learning_rate"] == 1e-3


def test_a_flagfile_may_hold_everything(tmp_path):
    (tmp_path / "text.txt").write_text(MADE_TEXT)
    (tmp_path / "flags").write_text(
        "--config=text:smoke\n--config.train.steps=3\n--config.model.features=8\n"
        "--config.data.path=text.txt\n--workdir=run\n"
    )
    done = door("train", "--flagfile=flags", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    config = json.loads((tmp_path / "run" / "config.json").read_text())
    assert config["train"]["steps"] == 3 and config["model"]["features"] == 8


def test_configs_are_listed_with_what_was_measured():
    done = door("configs")
    for name in list_configs():
        assert f"\n{name}: " in f"\n{done.stdout}"
    assert "linux:small" in done.stdout and " nats in " in done.stdout
    one = door("configs", "linux")
    assert "`:small`" in one.stdout and "linux.py" in one.stdout
    refused(door("configs", "linx"), "did you mean linux?")


def test_curves_of_runs_are_drawn(tmp_path):
    for name in ("a", "b"):
        rows = [
            {"step": n, "split": split, "nats_per_char": 3.0 / n}
            for n in (1, 2)
            for split in ("train", "valid")
        ]
        (tmp_path / name).mkdir()
        text = "".join(json.dumps(row) + "\n" for row in rows)
        (tmp_path / name / "metrics.jsonl").write_text(text)
    assert door("curve", tmp_path / "a").returncode == 0
    done = door("curve", "a", "b", "none", "--output=two.png", cwd=tmp_path)
    assert done.returncode == 0 and "none has no losses" in done.stderr
    for path in (tmp_path / "a" / "loss.png", tmp_path / "two.png"):
        assert path.read_bytes().startswith(b"\x89PNG")
    refused(door("curve", tmp_path / "none"), "no losses to draw")
    refused(door("curve", tmp_path / "a", "--output=a.mov"), "a.mov cannot be drawn")


@pytest.mark.parametrize(
    "words, expected",
    [
        (["tr"], ["train"]),
        (["train", "--config=li"], ["--config=linux"]),
        (["train", "--config.model.dro"], ["--config.model.dropout="]),
        (["train", "--config.model.cell=g"], ["--config.model.cell=gru"]),
        (["train", "--config.optim.restart_at_decay=T"], None),
        (["sample", "--temp"], ["--temperature="]),
        (["configs", "shak"], ["shakespeare"]),
        (["sample", "runs/"], []),  # the shell completes files
        (["no", ""], []),
    ],
)
def test_words_are_completed(words, expected):
    expected = expected or ([f"{words[-1]}rue"] if expected is None else [])
    assert list_completions(words) == expected


COMPLETE = {
    "bash": (
        "COMP_LINE={0!r}; COMP_POINT=${{#COMP_LINE}}; _charlm;"
        " printf '%s\\n' \"${{COMPREPLY[@]}}\""
    ),
    "zsh": (
        "compadd() {{ print -l -- $reply }}; words=({0}); CURRENT=$#words; _charlm"
    ),
    "fish": "complete -C {0!r} | cut -f1",
}


@pytest.mark.parametrize("shell", SCRIPTS)
def test_a_shell_completes(shell, tmp_path):
    if not shutil.which(shell) or not SCRIPT:
        pytest.skip(f"{shell} or the script charlm is not installed")
    script = SCRIPTS[shell].replace("compdef _charlm charlm\n", "")
    line = "charlm train --config=tiny"
    code = f"{script}\n{COMPLETE[shell].format(line)}"
    done = subprocess.run(
        [shell, *(["-f"] if shell == "zsh" else []), "-c", code],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env=os.environ | {"PATH": f"{os.path.dirname(SCRIPT)}:{os.environ['PATH']}"},
    )
    assert "tiny_shakespeare" in done.stdout, (done.stdout, done.stderr)
    refused(door("completion", "sh"), "bash, zsh, fish")
