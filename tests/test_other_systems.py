"""What Windows and macOS lack or do otherwise, simulated on Linux."""

import asyncio
import errno
import io
import json
import ntpath
import os
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import MADE_TEXT, ROOT, door, files, refused, train, train_flags

from charlm import UserError
from charlm.cli import app, screen
from charlm.cli.configs import find_config
from charlm.cli.editor import Editor
from charlm.curve import expand_wildcards
from charlm.data.corpus import open_corpus
from charlm.files import (
    CHECKSUMS,
    atomic_write,
    changed_files,
    make_file_name,
    write_checksums,
)
from charlm.training.reporters import make_plain_reporter
from charlm.workdir.metadata import list_steps

if sys.platform != "linux":
    pytest.skip("other systems are simulated on Linux", allow_module_level=True)
import other_systems

RUN = """
import sys
sys.path.insert(0, sys.argv[1])
import other_systems
other_systems.become_{system}()
from charlm.cli.main import main
text = "漢 € text.txt"
with open(text, "wb") as file:
    file.write("€ 漢 the cat\\r\\nsat on a mat.\\n".encode() * 40)
run = "runs/漢 € text"
flags = "model.layers=1 model.features=4 model.embedding=0 train.batch_size=2"
flags += " train.seq_length=5 train.sample_length=20 optim.schedule=constant"
flags = [f"--config.{flag}" for flag in flags.split()]
for words in (
    ["train", text, *flags, "--config.train.steps=2"],
    ["train", text, *flags, "--config.train.steps=4"],
    ["score", run, text],
    ["look", run, "--search=0", "--output=漢.html"],
    ["configs", "hello"],
    ["corpora", "fetch", "hello"],
    ["sample", run, "€ 漢", "--length=20"],
):
    assert main(words) == 0, words
"""
# Of a checkpoint that is being written, and of the number of a later one.
TEMPORARY = len(".orbax-checkpoint-tmp" + "000000000")


@pytest.mark.parametrize("system", ["windows", "macos"])
def test_a_whole_run(tmp_path, system):
    """It trains, resumes, scores, makes a page and samples."""
    script = RUN.replace("{system}", system)
    words = [sys.executable, "-c", script, str(ROOT / "tests")]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True)
    assert done.returncode == 0, done.stderr.decode()
    assert b"resumed from step 2" in done.stderr
    encoding = "cp1252" if system == "windows" else "utf-8"
    name = "漢 € text.txt".encode(encoding, "backslashreplace")
    assert b"step 4, %b: " % name in done.stdout
    assert "€ 漢".encode() in done.stdout  # a sample is UTF-8 everywhere
    run = tmp_path / "runs" / "漢 € text"
    for path in [run / "config.json", run / "metrics.jsonl", tmp_path / "漢.html"]:
        assert path.read_bytes().endswith(b"\n") and b"\r" not in path.read_bytes()
    vocab = json.loads((run / "vocab.json").read_text(encoding="utf-8"))
    assert {"\r", "\n", "€", "漢"} <= {*vocab["symbols"]}
    steps = run / "checkpoints"
    assert list_steps(steps) == [2, 4] and not changed_files(steps / "4")
    assert b"\r" not in (steps / "4" / CHECKSUMS).read_bytes()
    names = [path.relative_to(run).as_posix() for path in run.rglob("*")]
    assert len({name.lower() for name in names}) == len(names)
    # Windows' 260, of which the README leaves a workdir 120.
    assert max(map(len, names)) + TEMPORARY < 260 - 120
    for path in tmp_path.rglob("*"):
        other_systems.check_name(path.relative_to(tmp_path))


def test_names_of_the_repository_are_possible_on_every_system():
    done = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True)
    names = done.stdout.decode().split("\0")[:-1]
    if not names:
        pytest.skip("this is no checkout of git")
    for name in names:
        other_systems.check_name(name)
    assert len({name.lower() for name in names}) == len(names)


@pytest.mark.parametrize("failures", [2, 99])
def test_a_file_that_another_program_has_open_is_replaced_when_it_is_not(
    tmp_path, monkeypatch, failures
):
    pauses, replace = [], os.replace

    def fail(*paths):
        if len(pauses) < failures:
            raise PermissionError(errno.EACCES, "Access is denied", str(paths[1]))
        return replace(*paths)

    (tmp_path / "x").write_text("old")
    monkeypatch.setattr("os.replace", fail)
    monkeypatch.setattr("time.sleep", pauses.append)
    if failures == 99:
        with pytest.raises(PermissionError):
            atomic_write(tmp_path / "x", "new")
        assert sum(pauses) < 1
    else:
        atomic_write(tmp_path / "x", "new\n")
        assert len(pauses) == 2
    expected = b"old" if failures == 99 else b"new\n"
    assert files(tmp_path) == {tmp_path / "x": expected}


def test_a_workdir_whose_config_stays_open_is_a_line(tmp_path, text_file, monkeypatch):
    def fail(*paths):
        raise PermissionError(errno.EACCES, "Access is denied", str(paths[1]))

    monkeypatch.setattr("os.replace", fail)
    done = door("train", *train_flags(text_file, tmp_path / "run"))
    assert done.returncode == 2 and "Access is denied" in done.stderr
    assert "Traceback" not in done.stderr


def test_folders_that_cannot_be_opened_are_not_synced_and_files_are(
    tmp_path, monkeypatch
):
    synced, open_descriptor = [], os.open

    def open_file(path, flags, *args):
        if os.path.isdir(path):
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        synced.append((Path(path).name, flags & os.O_RDWR))
        return open_descriptor(path, flags, *args)

    monkeypatch.setattr("os.open", open_file)
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "a").write_bytes(b"a")
    write_checksums(tmp_path / "folder")
    assert {("a", os.O_RDWR), (CHECKSUMS, os.O_RDWR)} <= {*synced}
    assert not changed_files(tmp_path / "folder")


def test_line_ends_are_read_as_they_are(tmp_path):
    (tmp_path / "a.txt").write_bytes(b"a\r\nb\rc\n")
    corpus = open_corpus(tmp_path / "a.txt")
    assert corpus.vocab.decode(corpus.ids) == "a\r\nb\rc\n"


@pytest.mark.parametrize(
    "text, name",
    [
        ("my text", "my text"),
        ("漢 €", "漢 €"),
        ("12:30", "12-30"),
        ("a.b. ", "a.b"),
        ("aux", "aux-"),
        ("Con.final", "Con-.final"),
        ("con text", "con text"),
        ("lpt1", "lpt1-"),
        ("a\\b/c?", "a-b-c-"),
        ("...", "-"),
    ],
)
def test_workdirs_have_names_that_windows_can_have(text, name):
    assert make_file_name(text) == name
    other_systems.check_name(name)


def test_a_text_of_a_reserved_name_has_a_workdir(tmp_path):
    (tmp_path / "aux.txt").write_text(MADE_TEXT)
    small = ["train.steps=1", "train.sample_length=0", "model.features=4"]
    small = [f"--config.{word}" for word in [*small, "model.layers=1"]]
    done = door("train", "aux.txt", *small, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert [path.name for path in (tmp_path / "runs").iterdir()] == ["aux-"]
    assert "charlm sample runs/aux-" in done.stderr


def test_a_config_s_path_may_begin_with_a_drive(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("os.path.splitdrive", ntpath.splitdrive)
    Path("C:\\own.py").write_text("")
    assert find_config("C:\\own.py:small") == (Path("C:\\own.py"), "small")
    assert find_config("C:\\own.py") == (Path("C:\\own.py"), "")
    assert find_config("linux:small")[1] == "small"


def test_a_run_from_another_system_continues(trained, tmp_path):
    """Its text is where this system has it; where it started from, it need not say."""
    text, run = trained / "text.txt", tmp_path / "run"
    start = {"train__steps": 2, "train__init_from": trained / "run"}
    assert train(text, run, **start).returncode == 0
    config = json.loads((run / "config.json").read_text())
    origin = config["train"]["init_from"] = "C:\\runs\\old"
    config["data"]["path"] = "C:\\texts\\my.txt"
    (run / "config.json").write_text(json.dumps(config))
    scored = door("score", str(run))
    assert scored.returncode == 2 and "Traceback" not in scored.stderr
    assert "my.txt', is not there; put it back, or name another" in scored.stderr
    again = {"train__steps": 4, "train__init_from": origin}
    done = train(text, run, **again)
    assert done.returncode == 0 and "resumed from step 2" in done.stderr, done.stderr
    done = train(text, run, **again | {"train__init_from": "D:\\"})
    refused(done, "give the value that it has")


@pytest.mark.parametrize("encoding", ["cp1252", "ascii", "utf-8"])
def test_a_console_s_encoding_ends_no_command(monkeypatch, encoding):
    streams = {}
    for name in ("stdout", "stderr"):
        streams[name] = io.BytesIO()
        stream = io.TextIOWrapper(streams[name], encoding, newline="\r\n")
        monkeypatch.setattr(f"sys.{name}", stream)

    def run(values):
        print("€ 漢")
        sys.stdout.flush()
        raise UserError("no 漢")

    assert app.run_app("", {}, run, []) == 2
    sys.stderr.flush()
    expected = "€ 漢\n".encode(encoding, "backslashreplace")
    assert streams["stdout"].getvalue() == expected
    expected = "error: no 漢\n".encode(encoding, "backslashreplace")
    assert streams["stderr"].getvalue() == expected


@pytest.mark.parametrize("code", [errno.EPIPE, errno.EINVAL, errno.ENOSPC])
def test_training_goes_on_without_a_reader_of_its_lines(monkeypatch, code):
    """Windows says EINVAL of a pipe that is closed."""

    class Closed(io.StringIO):
        def write(self, text):
            raise OSError(code, os.strerror(code))

    monkeypatch.setattr("sys.stderr", Closed())
    say = make_plain_reporter().say
    if code == errno.ENOSPC:
        with pytest.raises(OSError, match="space"):
            say("step 1")
    else:
        say("step 1")


def test_the_editor_opens_where_loops_have_no_signals(monkeypatch):
    opened = []

    class App:
        is_done = False

        def run(self, prepare, **_):
            async def start():
                loop = asyncio.get_running_loop()
                monkeypatch.setattr(loop, "add_signal_handler", fail, raising=False)
                prepare()

            asyncio.run(start())

    def fail(*_):
        raise NotImplementedError

    editor = object.__new__(Editor)
    editor.warm_up = lambda: opened.append("text")
    monkeypatch.setattr(screen, "make_app", lambda _: App())
    screen.run(editor)
    assert opened == ["text"]


def test_wildcards_that_a_shell_leaves(tmp_path):
    for name in ("b", "a", "[a]"):
        (tmp_path / name).mkdir()
    words = [f"{tmp_path}/?", f"{tmp_path}/[a]", f"{tmp_path}/none*"]
    found = [Path(path).name for path in expand_wildcards(words)]
    assert found == ["a", "b", "[a]", "none*"]
