"""The figure of a run's losses."""

import json
import runpy

import pytest
from conftest import ROOT


def draw_curve(monkeypatch, workdir):
    """Runs experiments.curve as a program, in this process."""
    monkeypatch.setattr("sys.argv", ["curve.py", str(workdir)])
    runpy.run_path(f"{ROOT}/experiments/curve.py", run_name="__main__")


def test_a_curve_is_drawn(tmp_path, monkeypatch):
    rows = [{"step": n, "split": "train", "nats_per_char": 3.0 / n} for n in (1, 2)]
    (tmp_path / "metrics.jsonl").write_text("".join(json.dumps(r) + "\n" for r in rows))
    draw_curve(monkeypatch, tmp_path)
    assert (tmp_path / "loss.png").read_bytes().startswith(b"\x89PNG")


def test_a_workdir_without_metrics_is_a_mistake(tmp_path, monkeypatch):
    with pytest.raises(SystemExit, match="^error: .*experiments.curve") as error:
        draw_curve(monkeypatch, tmp_path)
    # Text, which Python prints, with exit status 1: of one line.
    assert isinstance(error.value.code, str) and "\n" not in error.value.code
    assert not (tmp_path / "loss.png").exists()
