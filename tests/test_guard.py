"""Bad steps, logs that changed, two runs at once: nothing that was had is lost."""

import functools
import json
import os
import shutil
import signal
import subprocess
import threading
import time

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import test_training
from conftest import (
    command,
    door,
    files,
    read_untimed,
    refused,
    train,
    train_flags,
)
from test_training import IDS, VOCAB, run_fit, same_state, small, streams_of

from charlm.data.streams import Streams
from charlm.errors import UserError
from charlm.files import lock_file
from charlm.training.multi_step import MAX_STEPS
from charlm.training.optimizer import make_optimizer
from charlm.training.reporters import Reporter
from charlm.training.run_logger import LogState
from charlm.training.step import init_state, make_guarded_step, make_train_step
from charlm.workdir import metadata
from charlm.workdir.lock import FILE, lock_workdir
from charlm.workdir.metadata import FOLDER, list_steps
from charlm.workdir.metrics import read_metrics

CALM = make_optimizer(learning_rate=1e-2)
# No window of it is like another; an epoch has 34.
NOISE = np.random.default_rng(0).integers(0, IDS.max(), len(IDS), IDS.dtype)
NOISY = Streams(NOISE, batch_size=4, seq_length=10)


def failing_at(*bad):
    """A model whose logits are no numbers in the windows of the steps `bad`."""
    lm = small()
    windows = jnp.stack([NOISY[i].inputs for i in bad])

    def unroll(params, carry, ids, key=None):
        carry, logits = lm.unroll(params, carry, ids, key)
        if ids.shape != windows.shape[1:]:  # scoring, sampling
            return carry, logits
        hit = (windows == ids).all(axis=(1, 2)).any()
        return carry, jnp.where(hit, jnp.nan, logits)

    return lm._replace(unroll=unroll)


@pytest.mark.parametrize("bad_steps", ["stop", "skip"])
@pytest.mark.parametrize("harm", ["params", "carry", "loss"])
def test_a_bad_step_leaves_a_good_state(bad_steps, harm):
    lm, streams = small(), streams_of()
    state = init_state(lm, CALM, batch_size=4)
    guarded_step = make_guarded_step(
        make_train_step(lm, CALM), vocab_size=len(VOCAB), bad_steps=bad_steps
    )
    step = jax.jit(guarded_step)
    state, (_, accepted) = step(state, streams[0])
    assert accepted
    if harm == "params":
        state = state._replace(params=jax.tree.map(lambda p: p * 1e30, state.params))
    elif harm == "loss":  # finite, and far above that of a guess
        far = {**state.params["head"], "b": 1e4 * jnp.arange(float(len(set(IDS))))}
        state = state._replace(params={**state.params, "head": far})
    else:
        carry = [layer._replace(c=layer.c.at[1].set(jnp.inf)) for layer in state.carry]
        state = state._replace(carry=tuple(carry))
    after, (metrics, accepted) = step(state, streams[1])
    assert not accepted
    if harm == "loss":
        assert np.isfinite(metrics.nats_per_char)
    if bad_steps == "stop":
        return same_state(after, state)
    same_state(after._replace(step=0, carry=0), state._replace(step=0, carry=0))
    assert after.step == state.step + 1
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(after.carry))
    if harm == "carry":  # the streams that were well go on where they were
        assert not after.carry[0].c[1].any() and after.carry[0].c[0].all()


@pytest.mark.parametrize("device_bytes", [1 << 28, 0])
def test_a_bad_step_is_named_and_the_state_before_it_is_saved(tmp_path, device_bytes):
    """Whether the text is cut on the device or on the host, window by window."""
    run_fit = functools.partial(test_training.run_fit, device_bytes=device_bytes)
    with pytest.raises(UserError, match="step 23 is not taken: loss nan.*saved"):
        run_fit(tmp_path, streams=NOISY, lm=failing_at(23))
    assert list_steps(tmp_path / FOLDER)[-1] == 23
    assert all(r["step"] <= 23 for r in read_metrics(tmp_path))
    with pytest.raises(UserError, match="step 23 is not taken"):  # it is replayed
        run_fit(tmp_path, streams=NOISY, lm=failing_at(23))
    went_on = run_fit(tmp_path, streams=NOISY, lm=failing_at(23), bad_steps="skip")
    assert went_on.step == 60
    whole = run_fit(
        tmp_path / "skip", streams=NOISY, lm=failing_at(23), bad_steps="skip"
    )
    same_state(went_on, whole)
    assert read_untimed(tmp_path) == read_untimed(tmp_path / "skip")


def test_skipped_steps_are_told(tmp_path):
    said = []
    run_fit(
        tmp_path,
        streams=NOISY,
        lm=failing_at(9, 10),
        bad_steps="skip",
        reporter=Reporter(say=said.append),
    )
    assert [line for line in said if line.startswith("step 10 is skipped: loss nan")]
    skipped = [r["step"] for r in read_metrics(tmp_path) if r["split"] == "skipped"]
    assert skipped == [10, 11, 44, 45]  # in each epoch of 34
    trained = [r for r in read_metrics(tmp_path) if r["split"] == "train"]
    assert len(trained) == 9 and all(r["nats_per_char"] for r in trained)


def test_a_run_that_only_skips_is_stopped(tmp_path):
    always = failing_at(*range(NOISY.steps_per_epoch))
    with pytest.raises(UserError, match="steps before it were skipped in a row"):
        run_fit(tmp_path, steps=1000, streams=NOISY, lm=always, bad_steps="skip")
    assert MAX_STEPS <= list_steps(tmp_path / FOLDER)[-1] <= 3 * MAX_STEPS


def test_bad_steps_takes_two_values():
    def train_step(state, batch):
        raise AssertionError("no step is taken")

    with pytest.raises(UserError, match="^bad_steps is 'ignore'; choose"):
        make_guarded_step(train_step, vocab_size=2, bad_steps="ignore")


@pytest.mark.parametrize("name", ["metrics.jsonl", "samples.txt"])
def test_people_may_edit_logs_and_move_them_away(tmp_path, name):
    """A resumed run keeps what they wrote before its step, and goes on."""
    run_fit(tmp_path, steps=40)
    path = tmp_path / name
    note = b"# a note of mine\n"
    path.write_bytes(note + path.read_bytes())
    assert run_fit(tmp_path, steps=50).step == 50
    assert path.read_bytes().startswith(note)
    assert b"50" in path.read_bytes()
    path.rename(tmp_path / "elsewhere")
    assert run_fit(tmp_path).step == 60
    assert path.exists()


def test_a_row_of_skipped_steps_is_counted_over_a_stop(tmp_path):
    """The run that was stopped in such a row ends where one that was not ends."""
    always = failing_at(*range(NOISY.steps_per_epoch))
    options = dict(steps=1000, streams=NOISY, lm=always, bad_steps="skip")
    with pytest.raises(UserError, match="were skipped in a row"):
        run_fit(tmp_path / "whole", checkpoint_every=10, **options)
    stops = iter([False] * 5 + [True] * 100)
    options["checkpoint_every"] = 10
    stopped = run_fit(tmp_path / "parts", should_stop=lambda: next(stops), **options)
    assert 0 < int(stopped.step) < MAX_STEPS
    with pytest.raises(UserError, match=f"the {MAX_STEPS} steps before it|in a row"):
        run_fit(tmp_path / "parts", **options)
    ends = [list_steps(tmp_path / name / FOLDER)[-1] for name in ("whole", "parts")]
    assert ends[1] <= ends[0] + 10


def test_the_sum_of_losses_does_not_grow_with_the_log_off():
    """What a run remembers between lines has a fixed size."""
    state = LogState.from_notes({"pending": [1.5, 2.5], "best": 2.0, "seconds": 3.0})
    assert state == LogState(4.0, 2, 2.0, 3.0, 0)
    assert LogState.from_notes({"log": state._asdict()}) == state
    for value in (float("inf"), "many", None):
        with pytest.raises(UserError, match="notes of the newest checkpoint"):
            LogState.from_notes({"log": {"loss_count": value}})


def test_another_text_when_it_is_asked_for(tmp_path):
    run_fit(tmp_path, steps=20, text_sha256="a")
    other = {"text_sha256": "b", "streams": streams_of(seed=1)}
    assert run_fit(tmp_path, steps=40, other_text=True, **other).step == 40
    assert run_fit(tmp_path, **other).step == 60  # it is the run's text now
    with pytest.raises(UserError, match="the text has changed"):
        run_fit(tmp_path, text_sha256="a")


def test_a_workdir_is_held_by_one_at_a_time(tmp_path):
    workdir = tmp_path / "run"
    with (
        lock_workdir(workdir),
        pytest.raises(UserError, match=f"process {os.getpid()} on "),
    ):
        with lock_workdir(workdir):
            pass
    assert not workdir.exists()  # nothing came of it
    workdir.mkdir()
    (workdir / FILE).write_text("process 1 on a machine that died\n")
    with lock_workdir(workdir):
        pass
    assert files(workdir) == {}


def test_a_run_that_asks_before_the_owner_has_named_itself(tmp_path, monkeypatch):
    path = tmp_path / FILE
    path.write_text("")
    owner = threading.Timer(0.2, path.write_text, ["process 7 on earth\n"])
    with lock_file(path):
        owner.start()
        with pytest.raises(UserError, match="in use by process 7 on earth;"):
            lock_workdir(tmp_path).__enter__()
        path.write_text("")
        monkeypatch.setattr("charlm.workdir.lock.MAX_WAIT_SECONDS", 0)
        with pytest.raises(UserError, match="in use by another process;"):
            lock_workdir(tmp_path).__enter__()


def test_two_runs_at_once_in_one_workdir(tmp_path, text_file):
    flags = train_flags(text_file, tmp_path / "run", train__steps=100_000)
    first = subprocess.Popen(command("train", *flags), stderr=subprocess.PIPE)
    try:
        while not list_steps(tmp_path / "run" / FOLDER):
            assert first.poll() is None
            time.sleep(0.05)
        second = train(text_file, tmp_path / "run", train__steps=100_000)
        refused(second, f"is in use by process {first.pid} on")
    finally:
        first.send_signal(signal.SIGTERM)
        said = first.communicate(timeout=60)[1]
    assert first.returncode == 128 + signal.SIGTERM, said
    assert b"and saved; the same command goes on" in said


def test_a_second_signal_stops_at_once():
    """As the system does it: whatever the run waits for, it is over."""
    from charlm.train import STOP_SIGNALS, stop_soon

    before = {number: signal.getsignal(number) for number in STOP_SIGNALS}
    try:
        stops = []
        stop_soon(signal.SIGINT, stops)
        assert stops == [signal.SIGINT]
        again = {number: signal.getsignal(number) for number in STOP_SIGNALS}
        assert again == {
            signal.SIGINT: signal.SIG_DFL,
            signal.SIGTERM: signal.SIG_DFL,
            signal.SIGHUP: signal.SIG_IGN,
        }
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def test_a_text_with_new_symbols_is_another_run(tmp_path, text_file):
    assert train(text_file, tmp_path / "run").returncode == 0
    text_file.write_text(text_file.read_text() + "é")
    done = train(text_file, tmp_path / "run", train__steps=60)
    refused(done, "has symbols that the run in")


def test_a_log_that_was_moved_away_is_not_missed_after_a_kill_either(tmp_path):
    """It is begun again, and cut back with the rest."""
    workdir, whole_dir = tmp_path / "killed", tmp_path / "whole"
    whole = run_fit(whole_dir)
    run_fit(workdir, steps=30)
    for name in ("metrics.jsonl", "samples.txt"):
        (workdir / name).rename(workdir / f"{name}.mine")

    def killed_at_42():
        if any(r["step"] >= 42 for r in read_metrics(workdir)):
            raise KeyboardInterrupt
        return False

    with pytest.raises(KeyboardInterrupt):
        run_fit(workdir, should_stop=killed_at_42)
    assert read_metrics(workdir)[0]["step"] == 35
    same_state(run_fit(workdir), whole)
    # The line of step 35 is of the steps since 30, where the first part ended.
    new, old = (
        [r for r in read_untimed(d) if r["step"] > 35] for d in (workdir, whole_dir)
    )
    assert new == old and read_untimed(workdir)[0]["step"] == 35


def test_files_of_other_programs_are_no_damage(tmp_path):
    run_fit(tmp_path, steps=30)
    for step in list_steps(tmp_path / FOLDER):
        (tmp_path / FOLDER / str(step) / ".DS_Store").write_bytes(b"\0")
    said = []
    assert run_fit(tmp_path, reporter=Reporter(say=said.append)).step == 60
    assert "resumed from step 30" in said


def test_a_checkpoint_that_its_user_removed_stops_nothing(tmp_path):
    """Nor one that the disk does not give back."""
    run_fit(tmp_path, steps=15)

    def should_stop():
        if 30 in list_steps(tmp_path / FOLDER):
            shutil.rmtree(tmp_path / FOLDER / "15", ignore_errors=True)
        return False

    assert run_fit(tmp_path, should_stop=should_stop).step == 60


def test_a_disk_that_cannot_read_a_checkpoint_is_damage(tmp_path, monkeypatch):
    run_fit(tmp_path, steps=30)
    kept = metadata.changed_files

    def broken(folder, **given):
        if folder.name == "30":
            raise OSError(5, "Input/output error")
        return kept(folder, **given)

    monkeypatch.setattr(metadata, "changed_files", broken)
    said = []
    assert run_fit(tmp_path, reporter=Reporter(say=said.append)).step == 60
    assert "checkpoint 30" in said[0] and "Input/output error" in said[0]
    assert said[1].startswith("resumed from step")


def test_a_workdir_with_links_is_not_written_to(tmp_path):
    (tmp_path / "run").mkdir()
    victim = tmp_path / "victim"
    victim.write_text("mine")
    (tmp_path / "run" / FILE).symlink_to(victim)
    with (
        pytest.raises(UserError, match="is not a plain file"),
        lock_workdir(tmp_path / "run"),
    ):
        pass
    assert victim.read_text() == "mine"


def test_a_closing_terminal_hangs_up_twice(tmp_path, text_file):
    flags = train_flags(text_file, tmp_path / "run", train__steps=100_000)
    # As in a terminal, also where nohup started the tests.
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    run = subprocess.Popen(command("train", *flags), stderr=subprocess.PIPE)
    signal.signal(signal.SIGHUP, before)
    while not list_steps(tmp_path / "run" / FOLDER):
        assert run.poll() is None
        time.sleep(0.05)
    for _ in range(2):
        run.send_signal(signal.SIGHUP)
    said = run.communicate(timeout=60)[1]
    assert run.returncode == 128 + signal.SIGHUP, said
    assert b"and saved" in said


@pytest.mark.parametrize(
    "section, value",
    [
        ("train", {"batch_size": "x"}),
        ("data", {"encoding": 5}),
        ("data", {"path": 5}),
        ("model", {"forget_bias": 10**400}),
    ],
)
def test_configs_of_strangers(trained, tmp_path, section, value):
    run = shutil.copytree(trained / "run", tmp_path / "run")
    config = json.loads((run / "config.json").read_text())
    config[section] |= value
    (run / "config.json").write_text(json.dumps(config))
    refused(door("evaluate", f"--workdir={run}"), "config.json")
