"""Bad steps, logs that changed, two runs at once: nothing that was had is lost."""

import functools
import os
import shutil
import signal
import threading

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from conftest import files, read_untimed
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


@functools.cache
def failing_at(*bad):
    """A model whose logits are no numbers in the windows of the steps `bad`."""
    lm = small()
    windows = np.stack([NOISY.read(i)[:-1] for i in bad])

    def unroll(params, carry, ids, key=None):
        carry, logits = lm.unroll(params, carry, ids, key)
        if ids.shape != windows.shape[1:]:  # scoring, sampling
            return carry, logits
        hit = (windows == ids).all(axis=(1, 2)).any()
        return carry, jnp.where(hit, jnp.nan, logits)

    return lm._replace(unroll=unroll)


@functools.cache
def take_good_step(bad_steps):
    """Returns a compiled step, and the state after the first one, which was good."""
    lm = small()
    train_step = make_train_step(lm, CALM)
    guarded_step = make_guarded_step(
        train_step, vocab_size=len(VOCAB), bad_steps=bad_steps
    )
    step = jax.jit(guarded_step)
    state, (_, accepted) = step(init_state(lm, CALM, batch_size=4), streams_of()[0])
    assert accepted
    return step, state


@pytest.mark.parametrize("bad_steps", ["stop", "skip"])
@pytest.mark.parametrize("harm", ["params", "carry", "loss"])
def test_a_bad_step_leaves_a_good_state(bad_steps, harm):
    step, state = take_good_step(bad_steps)
    if harm == "params":
        params = jax.tree.map(lambda p: np.asarray(p) * np.float32(1e30), state.params)
        state = state._replace(params=params)
    elif harm == "loss":  # finite, and far above that of a guess
        far = 1e4 * np.arange(len(set(IDS)), dtype=np.float32)
        head = {**state.params["head"], "b": far}
        state = state._replace(params={**state.params, "head": head})
    else:
        carry = jax.tree.map(np.array, state.carry)
        for layer in carry:
            layer.c[1] = np.inf
        state = state._replace(carry=carry)
    after, (metrics, accepted) = step(state, streams_of()[1])
    assert not accepted
    if harm == "loss":
        assert np.isfinite(metrics.nats_per_char)
    if bad_steps == "stop":
        return same_state(after, state)
    same_state(after._replace(step=0, carry=0), state._replace(step=0, carry=0))
    assert int(after.step) == int(state.step) + 1
    new_carry = jax.tree.map(np.asarray, after.carry)
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(new_carry))
    if harm == "carry":  # the streams that were well go on where they were
        assert not new_carry[0].c[1].any() and new_carry[0].c[0].all()


@pytest.fixture(scope="module")
def skipping(tmp_path_factory):
    """The folder of a run that skips two steps an epoch, its last state, its words."""
    folder, said = tmp_path_factory.mktemp("skipping"), []
    reporter = Reporter(say=said.append)
    bad = {"lm": failing_at(23, 24), "bad_steps": "skip"}
    return folder, run_fit(folder, streams=NOISY, reporter=reporter, **bad), said


@pytest.mark.parametrize("device_bytes", [1 << 28, 0])
def test_a_bad_step_is_named_and_the_state_before_it_is_saved(
    tmp_path, skipping, device_bytes
):
    """Whether the text is cut on the device or on the host, window by window."""
    options = {"streams": NOISY, "lm": failing_at(23, 24), "device_bytes": device_bytes}
    with pytest.raises(UserError, match="step 23 is not taken: loss nan.*saved"):
        run_fit(tmp_path, **options)
    assert list_steps(tmp_path / FOLDER)[-1] == 23
    assert all(r["step"] <= 23 for r in read_metrics(tmp_path))
    with pytest.raises(UserError, match="step 23 is not taken"):  # it is replayed
        run_fit(tmp_path, **options)
    went_on = run_fit(tmp_path, bad_steps="skip", **options)
    assert went_on.step == 60
    whole_dir, whole, _ = skipping
    same_state(went_on, whole)
    assert read_untimed(tmp_path) == read_untimed(whole_dir)


def test_skipped_steps_are_told(skipping):
    folder, _, said = skipping
    assert [line for line in said if line.startswith("step 24 is skipped: loss nan")]
    skipped = [r["step"] for r in read_metrics(folder) if r["split"] == "skipped"]
    assert skipped == [24, 25, 58, 59]  # in each epoch of 34
    trained = [r for r in read_metrics(folder) if r["split"] == "train"]
    assert len(trained) == 9 and all(r["nats_per_char"] for r in trained)


def test_bad_steps_takes_two_values():
    def train_step(state, batch):
        raise AssertionError("no step is taken")

    with pytest.raises(UserError, match="^bad_steps is 'ignore'; choose"):
        make_guarded_step(train_step, vocab_size=2, bad_steps="ignore")


@pytest.fixture(scope="module")
def begun_run(tmp_path_factory):
    """The folder of a run of 30 steps on a text whose SHA-256 is `a`."""
    folder = tmp_path_factory.mktemp("begun")
    run_fit(folder, steps=30, text_sha256="a")
    return folder


@pytest.fixture
def begun(begun_run, tmp_path):
    """A copy of that folder."""
    return shutil.copytree(begun_run, tmp_path / "begun")


LOGS = ("metrics.jsonl", "samples.txt")


def test_people_may_edit_logs_and_move_them_away(begun):
    """A resumed run keeps what they wrote before its step, and goes on."""
    note = b"# a note of mine\n"
    for name in LOGS:
        (begun / name).write_bytes(note + (begun / name).read_bytes())
    assert run_fit(begun, steps=40).step == 40
    for name in LOGS:
        assert (begun / name).read_bytes().startswith(note)
        assert b"40" in (begun / name).read_bytes()
    for name, steps in zip(LOGS, (50, 60), strict=True):  # one of them is missing
        (begun / name).rename(begun / f"{name}.mine")
        assert run_fit(begun, steps=steps).step == steps
        assert all((begun / name).exists() for name in LOGS)


def test_a_row_of_skipped_steps_is_counted_over_a_stop(tmp_path):
    """A run that only skips ends, after such a row, also if it was stopped in it."""
    always = failing_at(*range(NOISY.steps_per_epoch))
    options = dict(steps=1000, streams=NOISY, lm=always, bad_steps="skip")
    options["checkpoint_every"] = 10
    with pytest.raises(UserError, match="steps before it were skipped in a row"):
        run_fit(tmp_path / "whole", **options)
    stops = iter([False] * 5 + [True] * 100)
    stopped = run_fit(tmp_path / "parts", should_stop=lambda: next(stops), **options)
    assert 0 < int(stopped.step) < MAX_STEPS
    with pytest.raises(UserError, match=f"the {MAX_STEPS} steps before it|in a row"):
        run_fit(tmp_path / "parts", **options)
    ends = [list_steps(tmp_path / name / FOLDER)[-1] for name in ("whole", "parts")]
    assert MAX_STEPS <= ends[0] <= 3 * MAX_STEPS
    assert ends[1] <= ends[0] + 10


def test_the_sum_of_losses_does_not_grow_with_the_log_off():
    """What a run remembers between lines has a fixed size."""
    state = LogState.from_notes({"pending": [1.5, 2.5], "best": 2.0, "seconds": 3.0})
    assert state == LogState(4.0, 2, 2.0, 3.0, 0)
    assert LogState.from_notes({"log": state._asdict()}) == state
    for value in (float("inf"), "many", None):
        with pytest.raises(UserError, match="notes of the newest checkpoint"):
            LogState.from_notes({"log": {"loss_count": value}})


def test_another_text_when_it_is_asked_for(begun):
    ids = np.ascontiguousarray(IDS[::-1])
    streams = Streams(ids, batch_size=4, seq_length=10, reset_probability=0.1)
    other = {"text_sha256": "b", "streams": streams}
    with pytest.raises(UserError, match="the text has changed"):
        run_fit(begun, **other)
    assert run_fit(begun, steps=40, other_text=True, **other).step == 40
    assert run_fit(begun, **other).step == 60  # it is the run's text now
    with pytest.raises(UserError, match="the text has changed"):
        run_fit(begun, text_sha256="a")


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
            signal.SIGUSR1: signal.SIG_IGN,
            signal.SIGUSR2: signal.SIG_IGN,
        }
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def test_a_log_that_was_moved_away_is_not_missed_after_a_kill_either(begun, tmp_path):
    """It is begun again, and cut back with the rest."""
    workdir, whole_dir = begun, tmp_path / "whole"
    whole = run_fit(whole_dir)
    for name in LOGS:
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


def test_files_of_other_programs_are_no_damage(begun):
    for step in list_steps(begun / FOLDER):
        (begun / FOLDER / str(step) / ".DS_Store").write_bytes(b"\0")
    said = []
    assert run_fit(begun, reporter=Reporter(say=said.append)).step == 60
    assert "resumed from step 30" in said


def test_a_checkpoint_that_its_user_removed_stops_nothing(begun):
    """Nor one that the disk does not give back."""
    best = begun / FOLDER / "20"
    assert best.exists()

    def should_stop():
        shutil.rmtree(best, ignore_errors=True)
        return False

    assert run_fit(begun, should_stop=should_stop).step == 60


def test_a_disk_that_cannot_read_a_checkpoint_is_damage(begun, monkeypatch):
    kept = metadata.changed_files

    def broken(folder, **given):
        if folder.name == "30":
            raise OSError(5, "Input/output error")
        return kept(folder, **given)

    monkeypatch.setattr(metadata, "changed_files", broken)
    said = []
    assert run_fit(begun, reporter=Reporter(say=said.append)).step == 60
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
