"""Bad steps, logs that changed, two runs at once: nothing that was had is lost."""

import os
import signal
import subprocess
import time

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from conftest import command, files, refused, train, train_flags
from test_training import IDS, lines, run_fit, same_state, small, streams_of

from charlm.errors import UserError
from charlm.text.streams import Streams
from charlm.training.optimizer import make_optimizer
from charlm.training.progress import Reporter
from charlm.training.step import DISPATCH, init_state, make_train_step
from charlm.workdir.lock import FILE, hold
from charlm.workdir.metrics import read_metrics
from charlm.workdir.shelf import FOLDER, steps_in

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
    step = jax.jit(make_train_step(lm, CALM, bad_steps=bad_steps))
    state, metrics = step(state, streams[0])
    assert metrics.good
    if harm == "params":
        state = state._replace(params=jax.tree.map(lambda p: p * 1e30, state.params))
    elif harm == "loss":  # finite, and far above that of a guess
        far = {**state.params["head"], "b": 1e4 * jnp.arange(float(len(set(IDS))))}
        state = state._replace(params={**state.params, "head": far})
    else:
        carry = [layer._replace(c=layer.c.at[1].set(jnp.inf)) for layer in state.carry]
        state = state._replace(carry=tuple(carry))
    after, metrics = step(state, streams[1])
    assert not metrics.good
    if harm == "loss":
        assert np.isfinite(metrics.nats_per_char)
    if bad_steps == "stop":
        return same_state(after, state)
    same_state(after._replace(step=0, carry=0), state._replace(step=0, carry=0))
    assert after.step == state.step + 1
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(after.carry))
    if harm == "carry":  # the streams that were well go on where they were
        assert not after.carry[0].c[1].any() and after.carry[0].c[0].all()


def test_a_bad_step_is_named_and_the_state_before_it_is_saved(tmp_path):
    with pytest.raises(UserError, match="step 23 cannot be taken: loss nan.*saved"):
        run_fit(tmp_path, streams=NOISY, lm=failing_at(23))
    assert steps_in(tmp_path / FOLDER)[-1] == 23
    assert all(r["step"] <= 23 for r in read_metrics(tmp_path))
    with pytest.raises(UserError, match="step 23 cannot be taken"):  # it is replayed
        run_fit(tmp_path, streams=NOISY, lm=failing_at(23))
    went_on = run_fit(tmp_path, streams=NOISY, lm=failing_at(23), bad_steps="skip")
    assert went_on.step == 60
    whole = run_fit(
        tmp_path / "skip", streams=NOISY, lm=failing_at(23), bad_steps="skip"
    )
    same_state(went_on, whole)
    assert lines(tmp_path) == lines(tmp_path / "skip")


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
    always = failing_at(*range(NOISY.windows))
    with pytest.raises(UserError, match="steps in a row were skipped"):
        run_fit(tmp_path, steps=1000, streams=NOISY, lm=always, bad_steps="skip")
    assert DISPATCH <= steps_in(tmp_path / FOLDER)[-1] <= 3 * DISPATCH


def test_bad_steps_takes_two_values():
    with pytest.raises(UserError, match="train.bad_steps is 'ignore'; choose"):
        make_train_step(small(), CALM, bad_steps="ignore")


@pytest.mark.parametrize("name", ["metrics.jsonl", "samples.txt"])
def test_a_log_that_changed_is_refused_and_one_moved_away_is_not_missed(tmp_path, name):
    run_fit(tmp_path, steps=40)
    path = tmp_path / name
    changed = path.read_bytes().replace(b"1", b"2", 1)
    for data in (changed, path.read_bytes()[:-1]):
        path.write_bytes(data)
        before = files(tmp_path)
        with pytest.raises(UserError, match=f"{name} is not as it was when the run"):
            run_fit(tmp_path)
        assert files(tmp_path) == before
    path.rename(tmp_path / "elsewhere")
    assert run_fit(tmp_path).step == 60
    assert path.exists()


def test_another_text_when_it_is_asked_for(tmp_path):
    run_fit(tmp_path, steps=20, text_sha256="a")
    other = {"text_sha256": "b", "streams": streams_of(seed=1)}
    assert run_fit(tmp_path, steps=40, other_text=True, **other).step == 40
    assert run_fit(tmp_path, **other).step == 60  # it is the run's text now
    with pytest.raises(UserError, match="the text has changed"):
        run_fit(tmp_path, text_sha256="a")


def test_a_workdir_is_held_by_one_at_a_time(tmp_path):
    workdir = tmp_path / "run"
    with hold(workdir), pytest.raises(UserError, match=f"process {os.getpid()} on "):
        with hold(workdir):
            pass
    assert not workdir.exists()  # nothing came of it
    workdir.mkdir()
    (workdir / FILE).write_text("process 1 on a machine that died\n")
    with hold(workdir):
        pass
    assert files(workdir) == {}


def test_two_runs_at_once_in_one_workdir(tmp_path, text_file):
    flags = train_flags(text_file, tmp_path / "run", train__steps=100_000)
    first = subprocess.Popen(command("train", *flags), stderr=subprocess.PIPE)
    try:
        while not steps_in(tmp_path / "run" / FOLDER):
            assert first.poll() is None
            time.sleep(0.05)
        second = train(text_file, tmp_path / "run", train__steps=100_000)
        refused(second, f"is in use by process {first.pid} on")
    finally:
        first.send_signal(signal.SIGHUP)
        said = first.communicate(timeout=60)[1]
    assert first.returncode == 128 + signal.SIGHUP, said
    assert b"and saved; the same command goes on" in said


def test_a_second_signal_stops_at_once():
    """As the system does it: whatever the run waits for, it is over."""
    from charlm.train import STOP_SIGNALS, stop_soon

    before = {number: signal.getsignal(number) for number in STOP_SIGNALS}
    try:
        stopped = []
        stop_soon(signal.SIGINT, stopped)
        assert stopped == [signal.SIGINT]
        assert {signal.getsignal(number) for number in STOP_SIGNALS} == {signal.SIG_DFL}
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def test_a_text_with_new_symbols_is_another_run(tmp_path, text_file):
    assert train(text_file, tmp_path / "run").returncode == 0
    text_file.write_text(text_file.read_text() + "é")
    done = train(text_file, tmp_path / "run", train__steps=60)
    refused(done, "has symbols that the run in")
