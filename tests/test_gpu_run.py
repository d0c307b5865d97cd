"""The run for a GPU: deadlines, the fallback, the parcel and the output."""

import functools
import hashlib
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
import jax.numpy as jnp
import numpy as np
import pytest
from conftest import MADE_TEXT, ROOT, door, refused, train, train_flags

from charlm import generate, load_model, make_language_model
from charlm.model import lstm, matmul, recurrence
from charlm.workdir.model_files import read_config
from experiments.gpu import collect, correctness, pack, parcel, reference, run, weights
from experiments.gpu.plan import FINAL_STAGES, FULL, SMOKE, TOTAL_SECONDS, TrainingRun
from experiments.gpu.run import make_environment
from experiments.gpu.scores import score_run
from experiments.gpu.stage import Job, describe, read_results
from experiments.gpu.train_process import start_training, wait_until
from experiments.gpu.unpack import unpack

# Stages in another folder; experiments/gpu is no regular package.
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
    job.report(number=1)
    raise ValueError("a reason")
""",
    "reports": """
def run(job):
    job.report(number=2)
""",
}


@pytest.fixture
def job(tmp_path):
    return make_job(tmp_path)


def make_job(folder):
    """Returns a job with new folders and no results."""
    output, runs = folder / "output", folder / "runs"
    output.mkdir()
    runs.mkdir()
    (output / "results.jsonl").write_text("")
    return Job("parcel", str(output), str(runs), seconds=0, smoke=True)


def run_stages(tmp_path, job, seconds, total_seconds=60.0):
    """Runs stages of STAGES, each for so many seconds, and returns the results."""
    folder = tmp_path / "path" / "experiments" / "gpu"
    folder.mkdir(parents=True)
    for name, code in STAGES.items():
        (folder / f"{name}.py").write_text(code)
    environment = make_environment(os.environ, {"PYTHONPATH": str(tmp_path / "path")})
    plan, end = SMOKE._replace(seconds=seconds), time.monotonic() + total_seconds
    run.run_stages(job, list(seconds), plan, environment, end)
    return read_results(job.output)


def is_running(pid):
    """Returns whether a process exists and is no zombie."""
    stat = Path(f"/proc/{pid}/stat")
    return stat.exists() and stat.read_text().rpartition(")")[2].split()[0] != "Z"


def test_a_stage_that_hangs_is_ended_with_its_children_and_the_next_one_runs(
    tmp_path, job
):
    seconds = {"hangs": 3, "fails": 20, "reports": 20}
    results = run_stages(tmp_path, job, seconds)
    hangs, fails, reports = (
        [result for result in results if result["stage"] == name] for name in seconds
    )
    assert hangs[-1]["status"] == "deadline" and not is_running(hangs[0]["child"])
    assert fails[0]["number"] == 1 and fails[-1]["status"] == "failed"
    assert fails[-1]["error"] == "ValueError: a reason"
    assert reports[0]["number"] == 2 and reports[-1]["status"] == "done"


@pytest.mark.parametrize("verdict", [True, False, None])
def test_the_scan_is_used_unless_the_first_check_reports_that_cudnn_is_right(
    job, monkeypatch, verdict
):
    """None: the check ends before it reports anything."""
    switches = {}

    def run_stage(job, environment):
        switches[job.stage] = environment.get("CHARLM_CUDNN")
        if verdict is not None:  # other stages' reports do not count
            right = verdict if job.stage == "correctness" else True
            job.report(cudnn_right=right)

    monkeypatch.setattr(run, "run_stage", run_stage)
    names = ["machine", "correctness", "determinism", "bench"]
    run.run_stages(job, names, SMOKE, {}, time.monotonic() + 60)
    after = None if verdict else "0"
    assert switches == dict(zip(names, [None, None, after, after], strict=True))
    fallbacks = [r for r in read_results(job.output) if "fallback" in r]
    assert len(fallbacks) == (0 if verdict else 1)


def test_time_is_reserved_for_the_final_stages(tmp_path, job, monkeypatch):
    jobs = {}
    monkeypatch.setattr(run, "run_stage", lambda job, _: jobs.update({job.stage: job}))
    seconds = {"bench": 90, "train": float("inf"), "scores": 40, "collect": 8}
    plan, end = FULL._replace(seconds=seconds), time.monotonic() + 100
    run.run_stages(job, list(seconds), plan, {}, end)
    assert jobs["bench"].seconds == pytest.approx(52, abs=0.5)
    assert jobs["train"].seconds == pytest.approx(52, abs=0.5)  # none has passed
    assert jobs["scores"].seconds == 40 and jobs["collect"].seconds == 8
    late = run_stages(tmp_path, job, {"reports": 5}, total_seconds=0.0)
    assert late == [{"stage": "reports", "status": "no time left"}]


def test_the_plans_have_the_same_stages_and_leave_time_to_train():
    assert list(SMOKE.seconds) == list(FULL.seconds)
    assert tuple(FULL.seconds)[-2:] == FINAL_STAGES
    fixed = sum(s for name, s in FULL.seconds.items() if name != "train")
    assert fixed + 200 < TOTAL_SECONDS


@pytest.fixture(autouse=True, scope="module")
def remembered():
    """The reference computes each result once, however often a test asks for it."""
    make, results = functools.cache(reference.make_reference), {}

    def make_reference(layers, dropout):
        step = make(layers, dropout)

        def run(*args):
            seen = hashlib.sha256(str(jax.tree.structure(args)).encode())
            for leaf in jax.tree.leaves(args):
                seen.update(np.asarray(leaf).tobytes())
            key = (layers, dropout, seen.hexdigest())
            if key not in results:
                results[key] = step(*args)
            return results[key]

        return run

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reference, "make_reference", make_reference)
        yield


@functools.cache
def compare_exact(width):
    """The errors of the model as it is."""
    return correctness.compare(width, "tf32", correctness.DROPOUT)


def test_a_model_that_confuses_batch_and_time_is_wrong(monkeypatch):
    """As cuDNN would with XLA's layouts: it reads the same bytes in another order."""
    exact = compare_exact(64)
    assert exact["right"] and exact["gradient_error"] < 1e-5
    make_step = correctness.make_step

    def make_confused_step(lm):
        def unroll(params, carry, ids, key):
            rows = ids.T.reshape(ids.shape)
            return lm.unroll(params, carry, rows, key)

        return make_step(lm._replace(unroll=unroll))

    monkeypatch.setattr(correctness, "make_step", make_confused_step)
    confused = correctness.compare(64, "tf32", correctness.DROPOUT)
    assert not confused["right"] and confused["gradient_error"] > 0.1


def truncate(x):
    """Returns float32 with the 10 highest of its 23 bits of mantissa."""
    bits = jax.lax.bitcast_convert_type(x, jnp.uint32) & jnp.uint32(0xFFFFE000)
    return jax.lax.bitcast_convert_type(bits, jnp.float32)


def test_numbers_are_truncated_to_10_bits():
    numbers = np.array([1 + 2**-10, -3.0, 0.0], np.float32)
    np.testing.assert_array_equal(truncate(numbers), numbers)
    below = np.array([2**-11, 0, 0], np.float32)
    np.testing.assert_array_equal(truncate(numbers + below), numbers)


def simulate_tf32(monkeypatch):
    """Makes products truncate their inputs, among them those that look up rows."""
    exact_matmul, exact_gradient = matmul.matmul, matmul.weight_gradient
    exact_rows, exact_scatter = matmul._take_rows, matmul.row_gradient_by_scatter

    def truncated_matmul(x, w):
        return exact_matmul(truncate(x), truncate(w))

    def truncated_gradient(xs, gradients, dtype):
        return exact_gradient(truncate(xs), truncate(gradients), dtype)

    for module in (matmul, recurrence, lstm):
        monkeypatch.setattr(module, "matmul", truncated_matmul)
    for module in (matmul, recurrence):
        monkeypatch.setattr(module, "weight_gradient", truncated_gradient)
    monkeypatch.setattr(
        matmul, "_take_rows", lambda table, ids: exact_rows(truncate(table), ids)
    )
    monkeypatch.setattr(
        matmul,
        "row_gradient_by_scatter",
        lambda height, ids, gradient: exact_scatter(height, ids, truncate(gradient)),
    )


@pytest.mark.parametrize("width", FULL.widths)
def test_the_bound_of_tf32_is_above_the_error_of_truncated_products(monkeypatch, width):
    """Rounding, the other way to have 10 bits, has smaller errors."""
    exact = compare_exact(width)
    simulate_tf32(monkeypatch)
    truncated = correctness.compare(width, "tf32", correctness.DROPOUT)
    for error in ("value_error", "gradient_error"):
        assert 100 * exact[error] < truncated[error] < correctness.BOUNDS["tf32"]
    assert truncated["right"]


CALL = (
    "\n  %x = f32[6,9,5]{ORDER} parameter(0)\n  %h = f32[1,6,4]{2,1,0} copy(%y)\n"
    "  %rnn = (f32[6,9,4]{2,1,0}, f32[1,6,4]{2,1,0}) custom-call(%x, %h),"
    ' custom_call_target="cudnn_rnn_ffi"\n'
)
RIGHT, WRONG = CALL.replace("ORDER", "2,1,0"), CALL.replace("ORDER", "2,0,1")
# Calls whose arrays cannot be read: an unknown form, and an operand without a type.
UNREADABLE = '\n  %rnn = custom-call-start(%x), custom_call_target="cudnn_rnn_ffi"\n'
UNTYPED = CALL.replace("%x =", "%other =")
EXACT = {"value": (0.0, ""), "gradient": (0.0, "w")}


@pytest.mark.parametrize(
    "program, calls, wrong",
    [
        (RIGHT, 1, 0),
        (WRONG, 1, 1),
        (UNREADABLE, 1, 1),
        (UNTYPED, 1, 1),
        (RIGHT + UNREADABLE, 2, 1),
    ],
)
def test_wrong_layouts_are_wrong_at_any_error(program, calls, wrong):
    """A call whose arrays cannot be read counts as wrong."""
    verdict = correctness.judge(EXACT, program, "float32")
    assert verdict["by"] == "cuDNN" and verdict["cudnn_calls"] == calls
    assert verdict["wrong_layouts"] == wrong and verdict["right"] is (wrong == 0)


def test_a_program_without_cudnn_runs_by_the_scan():
    verdict = correctness.judge(EXACT, "", "tf32")
    assert verdict["by"] == "scan" and verdict["right"]


@pytest.mark.parametrize("dtype, error", [("float32", 2e-4), ("tf32", 2e-2)])
def test_an_error_beyond_the_bound_is_wrong(dtype, error):
    for part in ("value", "gradient"):
        errors = EXACT | {part: (error, "w")}
        assert not correctness.judge(errors, "", dtype)["right"]
        errors = EXACT | {part: (error / 10, "w")}
        verdict = correctness.judge(errors, "", dtype)
        assert verdict["right"] and not verdict["as_predicted"]


def test_a_run_is_stopped_by_sigint_and_saved(tmp_path, text_file):
    flags = train_flags(text_file, tmp_path / "run", train__steps=10**6)
    [config] = [f for f in flags if f.startswith("--config=")]
    others = [f for f in flags if f != config and not f.startswith("--workdir")]
    process = start_training("text.py", tmp_path / "run", tmp_path / "log", *others)
    metrics = tmp_path / "run" / "metrics.jsonl"
    ended = wait_until(process, lambda: metrics.exists() and metrics.stat().st_size > 0)
    assert ended == "stopped", (tmp_path / "log").read_text()
    load_model(tmp_path / "run")
    wrong = subprocess.Popen([sys.executable, "-c", "raise SystemExit(2)"])
    assert wait_until(wrong, lambda: False) == "failed"


DTYPES = ("float32", "bfloat16")


@pytest.fixture(scope="module")
def output(tmp_path_factory):
    """The output of a small run in both types of weights: (job, its text)."""
    folder = tmp_path_factory.mktemp("output")
    text, job = folder / "text.txt", make_job(folder)
    text.write_text(MADE_TEXT)
    runs = tuple(TrainingRun(dtype, "text.py", 1.0, dtype=dtype) for dtype in DTYPES)
    plan = SMOKE._replace(lanes=(runs,), sample_length=20)
    job.logs.mkdir()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CHARLM_CACHE", str(folder / "cache"))
        patch.setattr(Job, "plan", plan)
        done = train(text, job.run_folder / "float32")
        assert done.returncode == 0, done.stderr
        shutil.copytree(job.run_folder / "float32", job.run_folder / "bfloat16")
        for each in runs:
            score_run(job, each)
        collect.run(job)
    return job, text


def test_the_output_becomes_workdirs_that_can_be_used(output, tmp_path):
    job, _ = output
    home = tmp_path / "home"
    workdirs = unpack(job.output_folder, home)
    assert {path.name for path in workdirs} == set(DTYPES)
    for name, max_error in (("float32", 0.0), ("bfloat16", 2**-8)):
        there, here = (load_model(folder / name) for folder in (job.run_folder, home))
        pairs = zip(*map(jax.tree.leaves, (there.params, here.params)), strict=True)
        for before, after in pairs:
            assert after.dtype == np.float32
            assert np.all(np.abs(before - after) <= max_error * np.abs(before))
        assert len(generate(here, length=30)) == 30
        assert read_config(home / name) == read_config(job.run_folder / name)
        for file in ("metrics.jsonl", "samples.txt"):
            assert (home / name / file).read_bytes() == (
                job.run_folder / name / file
            ).read_bytes()
    evaluation = door("evaluate", f"--workdir={home / 'float32'}")
    assert evaluation.returncode == 0, evaluation.stderr
    assert "valid" in evaluation.stdout
    page = door("visualize", f"--workdir={home}/bfloat16", f"--output={home}/page.html")
    assert page.returncode == 0, page.stderr
    with pytest.raises(FileExistsError, match="bfloat16|float32"):
        unpack(job.output_folder, home)


def test_weights_alone_cannot_be_continued_but_another_run_can_start_from_them(
    output, tmp_path
):
    job, text_file = output
    home = tmp_path / "home"
    unpack(job.output_folder, home)
    before = sorted(home.rglob("*"))
    again = door("train", *train_flags(text_file, home / "bfloat16", train__steps=60))
    refused(again, "weights alone")
    assert sorted(home.rglob("*")) == before
    new = train(text_file, tmp_path / "new", train__init_from=home / "bfloat16")
    assert new.returncode == 0, new.stderr


def test_a_run_whose_weights_did_not_come_back_is_left_out(output, tmp_path, capsys):
    job, _ = output
    shutil.copytree(job.output_folder, tmp_path / "part")
    (tmp_path / "part" / "float32.npz").unlink()
    workdirs = unpack(tmp_path / "part", tmp_path / "home")
    assert [path.name for path in workdirs] == ["bfloat16"]
    assert "float32: no weights came back" in capsys.readouterr().out


def test_weights_are_divided_among_files_and_read_together(tmp_path):
    rng = np.random.default_rng(0)
    params = {
        f"layer_{n}": {"wx": rng.standard_normal((20, 30), np.float32)}
        for n in range(4)
    }
    files = weights.write_weights(tmp_path, "net", params, "float32", max_bytes=5000)
    assert [file.name for file in files] == ["net.npz", "net-2.npz"]
    back = weights.read_weights(tmp_path, "net")
    assert jax.tree.all(jax.tree.map(np.array_equal, params, back))


def get_sizes(run: TrainingRun, vocab_size: int) -> list[int]:
    """Returns the bytes of each array of a run's weights in the output."""
    name, _, variant = run.config.partition(":")
    config = importlib.import_module(f"configs.{name.removesuffix('.py')}")
    model = config.get_config(variant).model.to_dict()
    lm = make_language_model(vocab_size=vocab_size, **model)
    width = 2 if run.dtype == "bfloat16" else 4
    shapes = jax.eval_shape(lm.init, jax.random.key(0))
    return [width * leaf.size for leaf in jax.tree.leaves(shapes)]


def test_the_output_of_the_full_plan_is_within_the_limits():
    sizes = [get_sizes(run, 112) for run in FULL.runs]  # symbols of the largest text
    assert sum(map(sum, sizes)) < collect.MAX_BYTES - 1_000_000  # and the log
    files = [1 + sum(run_sizes) // weights.MAX_BYTES for run_sizes in sizes]
    assert sum(files) + 2 <= collect.MAX_FILES
    assert weights.MAX_BYTES < collect.MAX_FILE_BYTES


def test_runs_are_left_out_of_an_output_that_is_too_large(tmp_path):
    for name, size in {"a.npz": 900, "b.npz": 500, "b-2.npz": 300, "log": 300}.items():
        (tmp_path / name).write_bytes(b"x" * size)
    assert collect.remove_largest(tmp_path, max_bytes=2000) == []
    assert collect.remove_largest(tmp_path, max_bytes=1900) == ["a"]
    assert collect.remove_largest(tmp_path, max_file_bytes=400) == ["b"]
    assert [path.name for path in tmp_path.iterdir()] == ["log"]


def test_a_parcel_is_packed_and_opened(tmp_path, job):
    text = tmp_path / "essays.txt"
    text.write_text("words " * 1000)
    folder = tmp_path / "parcel"
    archive = folder / parcel.TEXTS / "some" / "essays.txt.xz"
    pack.pack_texts(folder / parcel.TEXTS, {"some/essays.txt": text})
    with zipfile.ZipFile(folder / "jax-0.0.1-py3-none-any.whl", "w") as old:
        old.writestr("old.py", "")
    with zipfile.ZipFile(folder / "notthere-1.0-py3-none-any.whl", "w") as new:
        new.writestr("notthere.py", "")
    variables = parcel.open_parcel(folder, job.run_folder, job)
    unpacked = Path(variables["CHARLM_DATA"]) / "some" / "essays.txt"
    assert unpacked.read_bytes() == text.read_bytes()
    site = Path(variables["PYTHONPATH"])
    assert [path.name for path in site.iterdir()] == ["notthere.py"]
    before = archive.stat().st_mtime_ns
    pack.pack_texts(folder / parcel.TEXTS, {"some/essays.txt": text})  # unchanged
    assert archive.stat().st_mtime_ns == before
    text.write_text("other words")
    pack.pack_texts(folder / parcel.TEXTS, {"some/essays.txt": text})
    assert lzma.decompress(archive.read_bytes()) == b"other words"


def test_a_parcel_that_is_too_large_is_an_error(tmp_path):
    pack.check_size(10, 20, max_bytes=30)
    with pytest.raises(SystemExit, match="10 bytes .* 21 "):
        pack.check_size(10, 21, max_bytes=30)
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    (tmp_path / ".gitignore").write_text("ignored\n")
    (tmp_path / "ignored").write_text("x" * 1000)
    (tmp_path / "new").write_text("x" * 100)
    assert pack.measure_tree(tmp_path) == 108


def test_versions_are_compared_by_their_numbers():
    assert parcel.parse_version("0.12.8") > parcel.parse_version("0.12.7")
    assert parcel.parse_version("0.9") < parcel.parse_version("0.12")
    assert parcel.parse_version("1.2rc1") == (1,)


def test_results_are_described_in_words():
    words = describe({"ms": 1.23456, "peer": "charlm", "turns": [1, 2]})
    assert words == "ms 1.235, peer charlm"


def test_an_unknown_stage_is_an_error(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "experiments.gpu.run", f"--output={tmp_path}"]
        + [f"--runs={tmp_path}", "--stages=machine,nothing"],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1 and "no stage nothing" in done.stderr


def test_each_result_is_a_line_of_json(job):
    job.report(a=1)
    job._replace(stage="other").report(b=[2.5])
    lines = (job.output_folder / "results.jsonl").read_text().splitlines()
    assert [json.loads(line) for line in lines] == [
        {"stage": "parcel", "a": 1},
        {"stage": "other", "b": [2.5]},
    ]
