"""Trackers: what they are given, what their failures do, and trackio itself."""

import json
import os
import subprocess
import sys
import types
from typing import Any

import pytest
from conftest import (
    SMALL,
    door,
    door_process,
    files,
    read_untimed,
    refused,
    train_flags,
)

import charlm
from charlm.errors import UserError
from charlm.training.reporters import Reporter
from charlm.training.trackers import MODULES
from charlm.workdir.checkpoints import tree_sha256
from charlm.workdir.metrics import read_metrics

OPTIONS = {name.rpartition(".")[2]: value for name, value in SMALL.items()}


def fit(text, workdir, progress: bool | Reporter = False, **options):
    return charlm.fit(text, workdir, progress=progress, **OPTIONS | options)


class StandIn(types.ModuleType):
    """A tracker that keeps what it is given; a module as wandb and trackio are."""

    def __init__(self):
        super().__init__("tracker")
        self.started: dict[str, Any] = {}
        self.logged: list[tuple[int, dict[str, float]]] = []
        self.ends: list[int] = []  # what was logged before each `finish`

    def init(self, **options):
        self.started = options

    def log(self, values, step):
        self.logged.append((step, values))

    def finish(self):
        self.ends.append(len(self.logged))


def expected(workdir):
    """What a tracker must have been given, by metrics.jsonl."""
    return [
        (
            record["step"],
            {
                f"{record['split']}/{name}": value
                for name, value in record.items()
                if name not in ("step", "split")
            },
        )
        for record in read_metrics(workdir)
    ]


def test_it_is_given_the_metrics_also_of_a_resumed_run(tmp_path, text_file):
    tracker, shown = StandIn(), []
    for steps in (20, 40):
        progress = Reporter(record=shown.append)
        options = {"progress": progress, "tracker": tracker, "steps": steps}
        fit(text_file, tmp_path / "run", **options)
    assert tracker.logged == expected(tmp_path / "run")
    names = [(step, next(iter(values))) for step, values in tracker.logged]
    assert (20, "valid/epoch") in names and (40, "train/epoch") in names
    assert not tracker.ends and not tracker.started  # they are their owner's
    assert len(shown) == len(tracker.logged)


def test_one_that_fails_is_named_once_and_the_run_goes_on(tmp_path, text_file, trained):
    said, calls = [], []

    def log(values, step):
        calls.append(step)
        raise ConnectionError("the server\nis gone")

    tracker, progress = types.SimpleNamespace(log=log), Reporter(say=said.append)
    model = fit(text_file, tmp_path / "run", progress=progress, tracker=tracker)
    other = charlm.load_model(trained / "run")
    assert tree_sha256(model.params) == tree_sha256(other.params)
    assert read_untimed(tmp_path / "run") == read_untimed(trained / "run")
    failures = [line for line in said if "tracker" in line]
    line = "the tracker fails: ConnectionError: the server is gone; the run goes on"
    assert failures == [line] and len(calls) == len(read_metrics(tmp_path / "run"))


def test_an_interrupt_is_no_failure(tmp_path, text_file):
    def log(values, step):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fit(text_file, tmp_path / "run", tracker=types.SimpleNamespace(log=log))


def test_an_object_without_log_is_refused(tmp_path, text_file):
    before = files(tmp_path)
    with pytest.raises(UserError, match="tracker is 'wandb', which has no log"):
        fit(text_file, tmp_path / "run", tracker="wandb")
    assert files(tmp_path) == before


@pytest.mark.parametrize("name", MODULES)
def test_the_command_starts_logs_and_finishes(tmp_path, text_file, monkeypatch, name):
    ends = []
    for steps, resume in ((20, "never"), (40, "allow")):
        tracker = StandIn()
        monkeypatch.setitem(sys.modules, name, tracker)
        flags = train_flags(text_file, tmp_path / "mine", train__steps=steps)
        done = door("train", *flags, f"--tracker={name}")
        assert done.returncode == 0, done.stderr
        options = tracker.started.pop("config")
        assert tracker.started == {
            "project": "charlm",
            "name": "mine",
            "resume": resume,
        }
        assert options["model.features"] == 16 and options["train.steps"] == steps
        assert tracker.ends == [len(tracker.logged)]
        ends += tracker.logged
    assert ends == expected(tmp_path / "mine")


def test_a_run_that_ends_in_a_mistake_is_finished(tmp_path, text_file, monkeypatch):
    tracker = StandIn()
    monkeypatch.setitem(sys.modules, "trackio", tracker)
    flags = train_flags(text_file, tmp_path / "mine", data__path="absent.txt")
    refused(door("train", *flags, "--tracker=trackio"), "there is no file")
    assert tracker.ends == [0]


def fail_to_start(**options):
    raise PermissionError("no key\nis set")


@pytest.mark.parametrize(
    "name, module, message",
    [
        ("wandb", None, "wandb is not installed: pip install wandb"),
        # A folder of its logs, which Python takes for a package.
        ("wandb", types.ModuleType("wandb"), "wandb is not installed"),
        (
            "trackio",
            types.SimpleNamespace(init=fail_to_start),
            "trackio does not start: PermissionError: no key is set",
        ),
        ("wndb", None, "tracker is 'wndb'; choose one of trackio, wandb"),
    ],
)
def test_one_that_cannot_start_is_one_line(
    tmp_path, text_file, monkeypatch, name, module, message
):
    monkeypatch.setitem(sys.modules, name, module)
    flags = train_flags(text_file, tmp_path / "run")
    refused(door("train", *flags, f"--tracker={name}"), message)
    assert not (tmp_path / "run").exists()


# Python imports it at its start; it stands in the way of every connection.
SITE = """
import socket

def refuse(*_):
    with open("connections", "a") as file:
        file.write("one\\n")
    raise OSError("there is no network here")

socket.socket.connect = socket.socket.connect_ex = refuse
"""
READ = """
import json, sitecustomize, trackio
assert sitecustomize.refuse  # so it was in the way
from trackio.sqlite_storage import SQLiteStorage
[run] = trackio.Api().runs("charlm")
logs = SQLiteStorage.get_logs("charlm", run.name)
print(json.dumps([run.name, dict(run.config), logs]))
"""


def test_trackio_itself_offline(tmp_path, text_file):
    """A run and its continuation are one run there, with all that metrics.jsonl has."""
    pytest.importorskip("trackio", reason="trackio, of the dev extra, is not installed")
    (tmp_path / "sitecustomize.py").write_text(SITE)
    environment = os.environ | {
        "TRACKIO_DIR": str(tmp_path / "trackio"),
        "PYTHONPATH": os.pathsep.join(
            [str(tmp_path), os.environ.get("PYTHONPATH", "")]
        ),
    }
    for steps in (20, 40):
        flags = train_flags(text_file, tmp_path / "mine", train__steps=steps)
        done = door_process(
            "train", *flags, "--tracker=trackio", cwd=tmp_path, env=environment
        )
        assert done.returncode == 0, done.stderr
        assert "tracker fails" not in done.stderr
    read = subprocess.run(
        [sys.executable, "-c", READ],
        env=environment,
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert read.returncode == 0, read.stderr
    name, options, logs = json.loads(read.stdout.splitlines()[-1])
    assert name == "mine" and options["model.features"] == 16
    stored = [(log.pop("step"), log) for log in logs]
    for _, log in stored:
        del log["timestamp"]
    assert stored == expected(tmp_path / "mine")
    assert not (tmp_path / "connections").exists()
