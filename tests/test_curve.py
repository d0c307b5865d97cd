"""The figure of a run's losses."""

import json
import subprocess
import sys

from conftest import ROOT

CURVE = [sys.executable, "-m", "experiments.curve"]


def test_a_curve_is_drawn(tmp_path):
    rows = [{"step": n, "split": "train", "nats_per_char": 3.0 / n} for n in (1, 2)]
    (tmp_path / "metrics.jsonl").write_text("".join(json.dumps(r) + "\n" for r in rows))
    subprocess.run([*CURVE, str(tmp_path)], check=True, capture_output=True, cwd=ROOT)
    assert (tmp_path / "loss.png").read_bytes().startswith(b"\x89PNG")


def test_a_workdir_without_metrics_is_a_mistake(tmp_path):
    command = [*CURVE, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    [line] = done.stderr.splitlines()
    assert done.returncode == 1 and line.startswith("error: ")
    assert "experiments.curve" in line and not (tmp_path / "loss.png").exists()
