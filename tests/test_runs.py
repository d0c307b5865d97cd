"""Whole runs through the front doors, as a user starts and stops them."""

import contextlib
import json
import os
import pty
import re
import shlex
import shutil
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
from conftest import (
    ROOT,
    command,
    door,
    files,
    read_untimed,
    refused,
    train,
    train_flags,
)

import charlm.train
from charlm.api import load_model
from charlm.workdir.metadata import FOLDER, list_steps
from charlm.workdir.metrics import read_metrics


def digests(workdir):
    """The SHA-256 of params, carry, optimizer state and key at the last step."""
    last = list_steps(workdir / FOLDER)[-1]
    path = workdir / FOLDER / str(last) / "_CHECKPOINT_METADATA"
    return last, json.loads(path.read_text())["custom_metadata"]["sha256"]


def test_a_run_leaves_a_workdir(trained):
    run = trained / "run"
    assert {p.name for p in run.iterdir()} >= {
        "config.json", "vocab.json", "metrics.jsonl", "samples.txt", "checkpoints",
    }  # fmt: skip
    splits = [(r["step"], r["split"]) for r in read_metrics(run)]
    assert splits == [
        (10, "train"), (20, "train"), (20, "valid"),
        (30, "train"), (40, "train"), (40, "valid"),
    ]  # fmt: skip
    keys = set(read_metrics(run)[0])
    assert keys >= {"step", "epoch", "split", "nats_per_char", "bits_per_char",
                    "seconds", "grad_norm", "learning_rate"}  # fmt: skip
    samples = (run / "samples.txt").read_text()
    assert samples.count("=== step ") == 2 and "valid" in samples


def test_sampling_is_text_on_standard_output(trained):
    run = f"--workdir={trained}/run"
    one = door("sample", run, "--prompt=the ", "--length=30", "--seed=3")
    assert one.returncode == 0 and "checkpoint of step 40" in one.stderr
    assert one.stdout.startswith("the ") and len(one.stdout) == 4 + 30 + 1
    lm, params, vocab = load_model(trained / "run")
    assert set(one.stdout) <= {*vocab.symbols, "\n"}
    flags = (run, "--prompt=the ", "--length=30", "--seed=3", "--samples=2", "--json")
    many = json.loads(door("sample", *flags).stdout)
    assert many["prompt"] == "the " and len(many["samples"]) == 2
    assert "the " + many["samples"][0] + "\n" == one.stdout
    two = door("sample", run, "--length=5", "--samples=2").stdout
    assert "--- sample 1 ---" in two and "--- sample 2 ---" in two


def test_a_prompt_from_a_file_and_an_endless_text(trained, tmp_path):
    path = tmp_path / "prompt.txt"
    path.write_bytes(b"\xef\xbb\xbfthe\nsea")
    done = door("sample", f"--workdir={trained}/run", f"--prompt_file={path}",
                "--length=3")  # fmt: skip
    assert done.stdout.startswith("the\nsea") and len(done.stdout) == 7 + 3 + 1
    flags = (f"--workdir={trained}/run", "--endless")
    with subprocess.Popen(command("sample", *flags), stdout=subprocess.PIPE) as process:
        assert process.stdout and len(process.stdout.read(5000)) == 5000
        process.send_signal(signal.SIGINT)
    assert process.returncode == 130


def test_scores(trained):
    run = f"--workdir={trained}/run"
    logged = [r for r in read_metrics(trained / "run") if r["split"] == "valid"]
    score = json.loads(door("evaluate", run, "--json").stdout)
    best = min(r["nats_per_char"] for r in logged)
    assert score["nats_per_char"] == best
    assert score["characters"] == 1999 and score["streams"] == 4
    assert abs(score["bits_per_char"] - best / np.log(2)) < 1e-12
    one = json.loads(door("evaluate", run, "--streams=1", "--json").stdout)
    assert one["streams"] == 1 and one["characters"] == 1999
    windows = door("evaluate", run, "--window=100")
    assert "in 20 windows of 100" in windows.stdout
    whole = door("evaluate", run, f"--text={trained}/text.txt", "--json")
    assert json.loads(whole.stdout)["characters"] == 19_999


def test_signals_save_and_the_same_command_goes_on(tmp_path, text_file):
    """Warnings come twice, as from a closing terminal. A second run is refused."""
    options = {"train__steps": 3000, "train__log_every": 50, "train__eval_every": 1000,
             "train__checkpoint_every": 1000, "train__sample_every": 1000}  # fmt: skip
    run = tmp_path / "stopped"
    flags = train_flags(text_file, run, **options)
    twice = [signal.SIGHUP, signal.SIGHUP], [signal.SIGUSR1, signal.SIGUSR2]
    for numbers in ([signal.SIGTERM], [signal.SIGINT], *twice):
        # As in a terminal, also where nohup started the tests.
        before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
        process = subprocess.Popen(
            command("train", *flags), cwd=ROOT, stderr=subprocess.PIPE
        )
        signal.signal(signal.SIGHUP, before)
        wait_for_lines(run, len(read_metrics(run)) + 2, process)
        if signal.SIGTERM in numbers:
            process.send_signal(signal.SIGSTOP)
            refused(door("train", *flags), f"is in use by process {process.pid} on")
            process.send_signal(signal.SIGCONT)
        for number in numbers:
            process.send_signal(number)
        said = process.communicate(timeout=60)[1].decode()
        assert process.returncode == 128 + numbers[0], said
        assert "and saved; the same command goes on" in said
    resumed = door("train", *flags)
    assert resumed.returncode == 0 and "resumed from step" in resumed.stderr
    whole = train(text_file, tmp_path / "whole", **options)
    assert whole.returncode == 0
    assert digests(run) == digests(tmp_path / "whole")
    assert read_untimed(run) == read_untimed(tmp_path / "whole")


def wait_for_lines(workdir, count, process):
    until = time.monotonic() + 120
    while len(read_metrics(workdir)) < count:
        assert process.poll() is None and time.monotonic() < until
        time.sleep(0.02)


def test_more_steps_for_a_finished_run(trained, tmp_path, text_file):
    """`epochs` schedules know nothing of the end, so that it may be moved."""
    options = {"optim__schedule": "epochs"}
    train(text_file, tmp_path / "run", **options)
    longer = train(text_file, tmp_path / "run", train__steps=60, **options)
    assert longer.returncode == 0, longer.stderr
    cosine = shutil.copytree(trained / "run", tmp_path / "cosine")
    config = json.loads((cosine / "config.json").read_text())
    config["optim"]["schedule"] = "cosine"
    (cosine / "config.json").write_text(json.dumps(config))
    moved = train(text_file, cosine, train__steps=60, optim__schedule="cosine")
    refused(moved, "train.steps is 40 there and 60 here")
    train(text_file, tmp_path / "whole", train__steps=60, **options)
    assert digests(tmp_path / "run") == digests(tmp_path / "whole")


def test_init_from_takes_weights_alone_and_a_larger_vocabulary(trained, tmp_path):
    """The first loss is that of a trained net, and the new symbols have places."""
    text = tmp_path / "more.txt"
    text.write_text((trained / "text.txt").read_text() + "Zebra €!\n" * 20)
    start = f"--config.train.init_from={trained}/run"
    options = {"train__steps": 1, "train__log_every": 1, "train__sample_length": 0}
    tuned = door("train", *train_flags(text, tmp_path / "tuned", **options), start)
    assert tuned.returncode == 0, tuned.stderr
    new = read_metrics(tmp_path / "tuned")
    known = load_model(trained / "run").vocab
    assert set(load_model(tmp_path / "tuned").vocab.codes) == {
        *known.codes, *map(ord, "Zebra €!\n"),
    }  # fmt: skip
    knows_nothing = np.log(len(load_model(tmp_path / "tuned").vocab))
    assert new[0]["step"] == 1 and new[0]["nats_per_char"] < knows_nothing - 0.2


def test_a_tuned_run_on_fewer_symbols_resumes(trained, tmp_path):
    """Its vocabulary is its own, not that of the text alone."""
    text = tmp_path / "less.txt"
    text.write_text(("the cat sat\n" * 2000)[:20_000])
    start = f"--config.train.init_from={trained}/run"
    flags = [*train_flags(text, tmp_path / "run", train__steps=5), start]
    assert door("train", *flags).returncode == 0
    before = (tmp_path / "run" / "vocab.json").read_bytes()
    again = door("train", *flags, "--config.train.steps=10")
    assert again.returncode == 0 and "resumed from step 5" in again.stderr
    assert (tmp_path / "run" / "vocab.json").read_bytes() == before


def test_a_run_killed_at_its_very_start_is_begun_again(trained, tmp_path, text_file):
    """Nothing was trained, so nobody has to clear anything away by hand."""
    whole, run = trained / "run", tmp_path / "run"
    for left in (["config.json.tmp"], ["config.json"], ["config.json", "vocab.json"]):
        run.mkdir()
        for name in left:
            (run / name).write_bytes((whole / name.removesuffix(".tmp")).read_bytes())
        done = train(text_file, run, data__encoding="ascii", train__steps=1)
        assert done.returncode == 0, (left, done.stderr)
        shutil.rmtree(run)
    run.mkdir()
    (run / "config.json").write_text('{"model_type": "of somebody else"}')
    before = files(run)
    refused(train(text_file, run), "choose another --workdir")
    assert files(run) == before


def test_a_terminal_sees_a_line_that_moves(tmp_path, text_file):
    """Loss, bits, speed and time left, over and over, on one line."""
    reader, terminal = pty.openpty()
    seen = []

    def read():
        with contextlib.suppress(OSError):  # so Linux says the other end is closed
            while piece := os.read(reader, 4096):
                seen.append(piece)

    thread = threading.Thread(target=read)
    thread.start()
    flags = train_flags(text_file, tmp_path / "run", train__steps=300)
    with open(terminal, "w") as stderr, contextlib.redirect_stderr(stderr):
        status = charlm.train.main(flags)
    thread.join()
    os.close(reader)
    assert status == 0
    text = b"".join(seen).decode()
    lines = re.findall(r"step (\d+)/300.*?([\d.]+)k chars/s +\S+ left", text)
    assert lines[-1][0] == "300" and len({step for step, _ in lines}) > 1
    assert "nats/char" in text and "bits/char" in text


BOTH_DOORS = """
import json, sys
from charlm.sample import main as sample
from charlm.train import main as train
sys.exit(train(json.loads(sys.argv[1])) or sample(json.loads(sys.argv[2])))
"""


@pytest.mark.parametrize("closed", ["2>&-", ">&-", ">&- 2>&-"])
def test_nobody_listens(tmp_path, text_file, closed):
    """Standard output and error may be closed; the work is done all the same."""
    doors = (
        train_flags(text_file, tmp_path / "run"),
        [f"--workdir={tmp_path}/run", "--length=20"],
    )
    words = [sys.executable, "-c", BOTH_DOORS, *map(json.dumps, doors)]
    line = f"{shlex.join(words)} {closed}"
    assert subprocess.run(line, shell=True, cwd=ROOT).returncode == 0
    assert list_steps(tmp_path / "run" / FOLDER) == [20, 40]


def test_corpora(tmp_path):
    listed = door("corpora", "list")
    assert "tiny_shakespeare" in listed.stdout and "python_stdlib" in listed.stdout
    refused(door("corpora", "path", "hello"), "corpora fetch hello")
    fetched = door("corpora", "fetch", "hello").stdout.strip()
    assert door("corpora", "path", "hello").stdout.strip() == fetched
    refused(door("corpora", "fetch", "klingon"), "there is no corpus 'klingon'")
    refused(door("corpora"), "say what to do")
