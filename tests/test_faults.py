"""The campaigns of experiments/faults in short; `make faults` runs them whole."""

import json
import subprocess
import sys

import pytest
from conftest import ROOT

# The scale of each campaign.
SCALES = {
    "training": 0.04,
    "saving": 0.04,
    "encoding": 0.03,
    "downloading": 0.1,
    "corruption": 0.03,
    "disk": 0.04,
    "clocks": 0.07,
    "concurrency": 0.07,
    "fuzz": 0.02,
    "flags": 0.03,
}


@pytest.mark.slow
@pytest.mark.parametrize("name", SCALES)
def test_nothing_is_lost(tmp_path, name):
    done = subprocess.run(
        [
            *(sys.executable, "-m", "experiments.faults.run", "--only", name),
            *(f"--scale={SCALES[name]}", f"--results={tmp_path}/results.json"),
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr[-2000:]
    row = json.loads((tmp_path / "results.json").read_text())[name]
    assert row["tries"] > 0 and row["lost"] == 0
    assert row["identical"] + row["one line"] == row["tries"]
