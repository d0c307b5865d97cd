"""The campaigns of experiments/faults in short; `make faults` runs them whole."""

import json
import subprocess
import sys

import pytest
from conftest import ROOT

# The tries of each campaign.
TRIES = {
    "training": 1,
    "saving": 2,
    "encoding": 1,
    "downloading": 2,
    "corruption": 4,
    "disk": 1,
    "clocks": 1,
    "concurrency": 1,
    "fuzz": 60,
    "flags": 5,
    "settings": 1,
}


@pytest.mark.slow
@pytest.mark.parametrize("name", TRIES)
def test_nothing_is_lost(name, tmp_path):
    """A process of its own starts what the campaign disturbs."""
    path, only = tmp_path / "results.json", f"{name}={TRIES[name]}"
    module = "experiments.faults.run"
    command = [sys.executable, "-m", module, f"--results={path}", "--only", only]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr[-2000:]
    row = json.loads(path.read_text())[name]
    assert row["tries"] > 0 and row["lost"] == 0
    assert row["identical"] + row["one line"] == row["tries"]
