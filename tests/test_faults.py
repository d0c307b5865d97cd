"""The campaigns of experiments/faults in short; `make faults` runs them whole."""

import json
import subprocess
import sys

import pytest
from conftest import ROOT

# The tries of each campaign.
TRIES = {
    "training": 2,
    "saving": 3,
    "encoding": 1,
    "downloading": 4,
    "corruption": 8,
    "disk": 1,
    "clocks": 1,
    "concurrency": 1,
    "fuzz": 110,
    "flags": 10,
    "settings": 2,
}


@pytest.fixture(scope="module")
def rows(tmp_path_factory):
    """The results of all, by name: one process starts what the campaigns disturb."""
    path = tmp_path_factory.mktemp("faults") / "results.json"
    only = [f"{name}={tries}" for name, tries in TRIES.items()]
    module = "experiments.faults.run"
    command = [sys.executable, "-m", module, f"--results={path}", "--only", *only]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr[-2000:]
    return json.loads(path.read_text())


@pytest.mark.slow
@pytest.mark.parametrize("name", TRIES)
def test_nothing_is_lost(rows, name):
    row = rows[name]
    assert row["tries"] > 0 and row["lost"] == 0
    assert row["identical"] + row["one line"] == row["tries"]
