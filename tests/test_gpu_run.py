"""The run for a GPU: deadlines, the fallback, what travels and what comes back."""

import importlib
import json
import lzma
import os
import shutil
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import jax
import numpy as np
import pytest
from conftest import MADE_TEXT, ROOT, door, refused, train, train_flags

from charlm import load_model, make_language_model, sample
from charlm.workdir.model_files import read_config
from experiments.gpu import collect, correct, pack, parcel, run, weights
from experiments.gpu.plan import FULL, LAST, SMOKE, TOTAL, Run
from experiments.gpu.run import get_environment
from experiments.gpu.scores import score_run
from experiments.gpu.stage import Job, describe, read_results
from experiments.gpu.training import start_training, wait_until
from experiments.gpu.unpack import unpack

# Stages that stand beside those of experiments/gpu, which is no regular package.
STAGES = {
    "hangs": """
import subprocess, sys, time

def run(job):
    sleep = [sys.executable, "-c", "import time; time.sleep(60)"]
    job.report(child=subprocess.Popen(sleep).pid)
    time.sleep(60)
""",
    "fails": """
def run(job):
    job.report(found=1)
    raise ValueError("a reason")
""",
    "tells": """
def run(job):
    job.report(found=2)
""",
}


@pytest.fixture
def job(tmp_path):
    return make_job(tmp_path)


def make_job(folder):
    """Returns a job whose folders are made, with no results so far."""
    output, runs = folder / "output", folder / "runs"
    for made in (output, runs):
        made.mkdir()
    (output / "results.jsonl").write_text("")
    return Job("parcel", str(output), str(runs), seconds=0, smoke=True)


def run_made(tmp_path, job, seconds, left=60.0):
    """Runs stages of STAGES, each for so many seconds, and returns the findings."""
    folder = tmp_path / "path" / "experiments" / "gpu"
    folder.mkdir(parents=True)
    for name, code in STAGES.items():
        (folder / f"{name}.py").write_text(code)
    environment = get_environment(os.environ, {"PYTHONPATH": str(tmp_path / "path")})
    plan, end = SMOKE._replace(seconds=seconds), time.monotonic() + left
    run.run_stages(job, list(seconds), plan, environment, end)
    return read_results(job.output)


def is_running(pid):
    """Whether a process is there and not only waiting to be buried."""
    stat = Path(f"/proc/{pid}/stat")
    return stat.exists() and stat.read_text().rpartition(")")[2].split()[0] != "Z"


def test_a_stage_that_hangs_is_ended_with_its_children_and_the_next_one_runs(
    tmp_path, job
):
    began = time.monotonic()
    seconds = {"hangs": 3, "fails": 20, "tells": 20}
    found = run_made(tmp_path, job, seconds)
    assert time.monotonic() - began < 30
    hangs, fails, tells = ([f for f in found if f["stage"] == name] for name in seconds)
    assert hangs[-1]["status"] == "deadline" and not is_running(hangs[0]["child"])
    assert fails[0]["found"] == 1 and fails[-1]["status"] == "failed"
    assert fails[-1]["error"] == "ValueError: a reason"
    assert tells[0]["found"] == 2 and tells[-1]["status"] == "done"


@pytest.mark.parametrize("found", [True, False, None])
def test_the_scan_is_used_unless_the_first_check_finds_cudnn_right(
    job, monkeypatch, found
):
    """None: the check ends before it has found anything."""
    switches = {}

    def run_stage(job, environment):
        switches[job.stage] = environment.get("CHARLM_CUDNN")
        if found is not None:  # whichever stage says so, the check alone is heard
            right = found if job.stage == "correct" else True
            job.report(cudnn_right=right)

    monkeypatch.setattr(run, "run_stage", run_stage)
    names = ["machine", "correct", "same", "bench"]
    run.run_stages(job, names, SMOKE, {}, time.monotonic() + 60)
    after = None if found else "0"
    assert switches == dict(zip(names, [None, None, after, after], strict=True))
    said = [f for f in read_results(job.output) if "fallback" in f]
    assert len(said) == (0 if found else 1)


def test_time_is_set_aside_for_the_last_stages(tmp_path, job, monkeypatch):
    given = {}
    monkeypatch.setattr(run, "run_stage", lambda job, _: given.update({job.stage: job}))
    seconds = {"bench": 90, "train": float("inf"), "scores": 40, "collect": 8}
    plan, end = FULL._replace(seconds=seconds), time.monotonic() + 100
    run.run_stages(job, list(seconds), plan, {}, end)
    assert given["bench"].seconds == pytest.approx(52, abs=0.5)
    assert given["train"].seconds == pytest.approx(52, abs=0.5)  # none was taken
    assert given["scores"].seconds == 40 and given["collect"].seconds == 8
    late = run_made(tmp_path, job, {"tells": 5}, left=0.0)
    assert late == [{"stage": "tells", "status": "no time left"}]


def test_the_plans_have_the_same_stages_and_leave_time_to_train():
    assert list(SMOKE.seconds) == list(FULL.seconds)
    assert tuple(FULL.seconds)[-2:] == LAST
    fixed = sum(s for name, s in FULL.seconds.items() if name != "train")
    assert fixed + 200 < TOTAL


def test_a_net_with_batch_and_time_confused_is_found_wrong(monkeypatch):
    """As XLA's layouts would have cuDNN read it: the same bytes, in another order."""
    honest = correct.compare(16, "tf32", correct.DROPOUT)
    assert honest["right"] and honest["gradient_error"] < 1e-5
    make = correct.make_step

    def make_confused(lm):
        def unroll(params, carry, ids, key):
            rows = ids.T.reshape(ids.shape)
            return lm.unroll(params, carry, rows, key)

        return make(lm._replace(unroll=unroll))

    monkeypatch.setattr(correct, "make_step", make_confused)
    confused = correct.compare(16, "tf32", correct.DROPOUT)
    assert not confused["right"] and confused["gradient_error"] > 0.1


def test_wrong_layouts_are_wrong_whatever_the_errors_are(monkeypatch):
    call = 'custom_call_target="cudnn_rnn"'
    worst = {"value": (0.0, ""), "gradient": (0.0, "w")}
    for found, right in (("right", True), ("not checked", True), ("WRONG", False)):
        monkeypatch.setattr(correct, "check_layouts", lambda _, found=found: found)
        judged = correct.judge(worst, call, "float32")
        assert judged["right"] is right and judged["by"] == "cuDNN"
    assert correct.judge(worst, "", "tf32")["by"] == "scan"


@pytest.mark.parametrize("dtype, error", [("float32", 2e-4), ("tf32", 2e-2)])
def test_an_error_beyond_the_bound_is_wrong(dtype, error):
    for part in ("value", "gradient"):
        worst = {"value": (0.0, ""), "gradient": (0.0, "w"), part: (error, "w")}
        assert not correct.judge(worst, "", dtype)["right"]
        worst[part] = (error / 10, "w")
        judged = correct.judge(worst, "", dtype)
        assert judged["right"] and not judged["as_predicted"]


def test_a_run_is_stopped_by_sigint_and_saved(tmp_path, text_file):
    flags = train_flags(text_file, tmp_path / "run", train__steps=10**6)
    [config] = [f for f in flags if f.startswith("--config=")]
    more = [f for f in flags if f != config and not f.startswith("--workdir")]
    process = start_training("text.py", tmp_path / "run", tmp_path / "log", *more)
    metrics = tmp_path / "run" / "metrics.jsonl"
    ended = wait_until(process, lambda: metrics.exists() and metrics.stat().st_size > 0)
    assert ended == "stopped", (tmp_path / "log").read_text()
    load_model(tmp_path / "run")
    wrong = start_training("none.py", tmp_path / "none", tmp_path / "log")
    assert wait_until(wrong, lambda: False) == "failed"


@pytest.fixture(scope="module")
def came_back(tmp_path_factory):
    """A small run in both types of weights, sent back: (job, its text)."""
    folder = tmp_path_factory.mktemp("came back")
    text, job = folder / "text.txt", make_job(folder)
    text.write_text(MADE_TEXT)
    runs = [Run(name, "text.py", 1.0, weights=name) for name in weights_types()]
    plan = SMOKE._replace(lanes=(tuple(runs),), length=20)
    job.logs.mkdir()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CHARLM_CACHE", str(folder / "cache"))
        patch.setattr(Job, "plan", plan)
        done = train(text, job.folder / "float32")
        assert done.returncode == 0, done.stderr
        shutil.copytree(job.folder / "float32", job.folder / "bfloat16")
        for each in runs:
            score_run(job, each)
        collect.run(job)
    return job, text


def weights_types():
    return ("float32", "bfloat16")


def test_what_comes_back_becomes_workdirs_that_write(came_back, tmp_path):
    job, _ = came_back
    home = tmp_path / "home"
    made = unpack(job.output_folder, home)
    assert {path.name for path in made} == set(weights_types())
    for name, most in (("float32", 0.0), ("bfloat16", 2**-8)):
        there, here = (load_model(folder / name) for folder in (job.folder, home))
        pairs = zip(*map(jax.tree.leaves, (there.params, here.params)), strict=True)
        for before, after in pairs:
            assert after.dtype == np.float32
            assert np.all(np.abs(before - after) <= most * np.abs(before))
        assert len(sample(*here, length=30)[0]) == 30
        assert read_config(home / name) == read_config(job.folder / name)
        for file in ("metrics.jsonl", "samples.txt"):
            assert (home / name / file).read_bytes() == (
                job.folder / name / file
            ).read_bytes()
    scored = door("evaluate", f"--workdir={home / 'float32'}")
    assert scored.returncode == 0 and "valid" in scored.stdout, scored.stderr
    shown = door(
        "visualize", f"--workdir={home}/bfloat16", f"--output={home}/page.html"
    )
    assert shown.returncode == 0, shown.stderr
    with pytest.raises(FileExistsError, match="is there already"):
        unpack(job.output_folder, home)


def test_weights_alone_are_no_run_to_go_on_with_but_one_to_begin_from(
    came_back, tmp_path
):
    job, text_file = came_back
    home = tmp_path / "home"
    unpack(job.output_folder, home)
    before = sorted(home.rglob("*"))
    again = door("train", *train_flags(text_file, home / "bfloat16", train__steps=60))
    refused(again, "holds weights alone")
    assert sorted(home.rglob("*")) == before
    begun = train(text_file, tmp_path / "new", train__init_from=home / "bfloat16")
    assert begun.returncode == 0, begun.stderr


def test_a_run_whose_weights_did_not_come_back_is_left_out(came_back, tmp_path, capsys):
    job, _ = came_back
    shutil.copytree(job.output_folder, tmp_path / "part")
    (tmp_path / "part" / "float32.npz").unlink()
    made = unpack(tmp_path / "part", tmp_path / "home")
    assert [path.name for path in made] == ["bfloat16"]
    assert "float32: no weights came back" in capsys.readouterr().out


def test_weights_are_cut_into_parts_and_put_together(tmp_path):
    rng = np.random.default_rng(0)
    params = {
        f"layer_{n}": {"wx": rng.standard_normal((20, 30), np.float32)}
        for n in range(4)
    }
    files = weights.write_weights(tmp_path, "net", params, "float32", part=5000)
    assert [file.name for file in files] == ["net.npz", "net-2.npz"]
    back = weights.read_weights(tmp_path, "net")
    assert jax.tree.all(jax.tree.map(np.array_equal, params, back))


def get_leaves(each: Run, vocab_size: int) -> list[int]:
    """Returns the bytes of each array of a run's weights as they come back."""
    name, _, variant = each.config.partition(":")
    config = importlib.import_module(f"configs.{name.removesuffix('.py')}")
    model = config.get_config(variant).model.to_dict()
    lm = make_language_model(vocab_size=vocab_size, **model)
    width = 2 if each.weights == "bfloat16" else 4
    shapes = jax.eval_shape(lm.init, jax.random.key(0))
    return [width * leaf.size for leaf in jax.tree.leaves(shapes)]


def test_what_the_full_plan_sends_back_is_within_the_limits():
    runs = [each for lane in FULL.lanes for each in lane]
    leaves = [get_leaves(each, 112) for each in runs]  # the most that a text has
    assert sum(map(sum, leaves)) < collect.ALL_BYTES - 1_000_000  # and the log
    parts = [1 + sum(of_run) // weights.PART for of_run in leaves]
    assert sum(parts) + 2 <= collect.FILES
    assert weights.PART < collect.FILE_BYTES


def test_runs_are_left_out_of_what_is_too_much(tmp_path):
    for name, size in {"a.npz": 900, "b.npz": 500, "b-2.npz": 300, "log": 300}.items():
        (tmp_path / name).write_bytes(b"x" * size)
    assert collect.limit(tmp_path, all_bytes=2000) == []
    assert collect.limit(tmp_path, all_bytes=1900) == ["a"]
    assert collect.limit(tmp_path, file_bytes=400) == ["b"]
    assert [path.name for path in tmp_path.iterdir()] == ["log"]


def test_a_parcel_is_packed_and_opened(tmp_path, job, monkeypatch):
    text = tmp_path / "essays.txt"
    text.write_text("words " * 1000)
    packed = tmp_path / "parcel"
    pack.pack_texts(packed / parcel.TEXTS, {"some/essays.txt": text})
    with zipfile.ZipFile(packed / "jax-0.0.1-py3-none-any.whl", "w") as old:
        old.writestr("old.py", "")
    with zipfile.ZipFile(packed / "notthere-1.0-py3-none-any.whl", "w") as new:
        new.writestr("notthere.py", "")
    found = parcel.open_parcel(packed, job.folder, job)
    unpacked = Path(found["CHARLM_DATA"]) / "some" / "essays.txt"
    assert unpacked.read_bytes() == text.read_bytes()
    site = Path(found["PYTHONPATH"])
    assert [path.name for path in site.iterdir()] == ["notthere.py"]
    before = (packed / parcel.TEXTS / "some" / "essays.txt.xz").stat().st_mtime_ns
    pack.pack_texts(packed / parcel.TEXTS, {"some/essays.txt": text})  # is there
    after = (packed / parcel.TEXTS / "some" / "essays.txt.xz").stat().st_mtime_ns
    assert before == after
    text.write_text("other words")
    pack.pack_texts(packed / parcel.TEXTS, {"some/essays.txt": text})
    changed = (packed / parcel.TEXTS / "some" / "essays.txt.xz").read_bytes()
    assert lzma.decompress(changed) == b"other words"


def test_a_parcel_that_is_too_large_is_refused(tmp_path):
    pack.check(10, 20, most=30)
    with pytest.raises(SystemExit, match="10 bytes and the parcel's 21 are more"):
        pack.check(10, 21, most=30)
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    (tmp_path / ".gitignore").write_text("ignored\n")
    (tmp_path / "ignored").write_text("x" * 1000)
    (tmp_path / "new").write_text("x" * 100)
    assert pack.measure_tree(tmp_path) == 108


def test_versions_are_compared_by_their_numbers():
    assert parcel.parse_version("0.12.8") > parcel.parse_version("0.12.7")
    assert parcel.parse_version("0.9") < parcel.parse_version("0.12")
    assert parcel.parse_version("1.2rc1") == (1,)


def test_findings_are_told_in_words():
    told = describe({"ms": 1.23456, "who": "charlm", "turns": [1, 2]})
    assert told == "ms 1.235, who charlm"


def test_an_unknown_stage_is_an_error(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "experiments.gpu.run", f"--output={tmp_path}"]
        + [f"--runs={tmp_path}", "--stages=machine,nothing"],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1 and "there is no stage nothing" in done.stderr


def test_each_finding_is_a_line_of_json(job):
    job.report(a=1)
    job._replace(stage="other").report(b=[2.5])
    lines = (job.output_folder / "results.jsonl").read_text().splitlines()
    assert [json.loads(line) for line in lines] == [
        {"stage": "parcel", "a": 1},
        {"stage": "other", "b": [2.5]},
    ]
