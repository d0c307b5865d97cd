"""The Hopper kernels' arithmetic and exchange, emulated: they themselves never ran."""

import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from charlm.model.cells import LSTMState
from charlm.model.recurrence import unroll_lstm
from experiments.gpu import hopper_packing as packing
from experiments.gpu.hopper_compile import find_missing
from experiments.gpu.hopper_emulation import (
    Cluster,
    as_jax,
    emulate_backward,
    emulate_forward,
)
from experiments.gpu.hopper_lstm import make_unroll

KEY = jax.random.key(0)
T, B, D = 5, 19, 7


def make_layer(width, dtype):
    """Returns random parameters and a random state of an LSTM layer."""
    keys = jax.random.split(KEY, 5)
    wx = jax.random.normal(keys[0], (D, 4 * width)) / 2
    wh = jax.random.normal(keys[1], (width, 4 * width)) / width**0.5
    b = jax.random.normal(keys[2], (4 * width,))
    c = jax.random.normal(keys[3], (B, width))
    h = jnp.tanh(jax.random.normal(keys[4], (B, width)))
    params = {"wx": wx.astype(dtype), "wh": wh.astype(dtype), "b": b}
    return params, LSTMState(c, h)


def make_inputs(one_hot):
    """Returns a window of ids[t, b] or of vectors[t, b, d]."""
    if one_hot:
        return jax.random.randint(KEY, (T, B), 0, D)
    return jax.random.normal(KEY, (T, B, D))


def run(unroll, params, state, xs):
    """Returns last state and ys, and the gradients of a loss that reads all of them."""
    weights = jax.random.normal(KEY, (T, B, state.h.shape[-1]))

    def loss(params, state):
        last, ys = unroll(params, state, xs)
        total = (ys * weights).sum() + 2 * last.c.sum() + 3 * last.h.sum()
        return total, (last, ys)

    graded = jax.value_and_grad(loss, (0, 1), has_aux=True)
    (_, values), gradients = graded(params, state)
    return values, gradients


def emulated(seed=0, **options):
    forward, backward = (
        as_jax(function, seed=seed, **options)
        for function in (emulate_forward, emulate_backward)
    )
    return make_unroll(forward, backward)


def assert_near(a, b, tolerance):
    """Each array of a is that of b, but for `tolerance` of its largest entry."""

    def check(x, y):
        x, y = np.asarray(x, np.float32), np.asarray(y, np.float32)
        np.testing.assert_allclose(x, y, rtol=0, atol=tolerance * np.abs(y).max())

    jax.tree.map(check, a, b)


@pytest.mark.parametrize("width", [64, 128])
@pytest.mark.parametrize("one_hot", [False, True])
def test_the_emulated_kernels_are_the_scan_in_value_and_gradient(width, one_hot):
    """19 streams fill no tile of 16; products of both round to bfloat16."""
    layer, xs = make_layer(width, "bfloat16"), make_inputs(one_hot)
    values, gradients = run(emulated(), *layer, xs)
    wanted, wanted_gradients = run(unroll_lstm, *layer, xs)
    assert_near(values, wanted, 5e-3)
    assert_near(gradients, wanted_gradients, 2e-2)


def test_they_are_near_the_scan_in_float32():
    layer, xs = make_layer(64, "float32"), make_inputs(one_hot=True)
    values, gradients = run(emulated(), *layer, xs)
    wanted, wanted_gradients = run(unroll_lstm, *layer, xs)
    assert_near(values, wanted, 2e-2)
    assert_near(gradients, wanted_gradients, 5e-2)


def test_the_order_in_which_sms_run_and_messages_arrive_changes_nothing():
    layer, xs = make_layer(128, "bfloat16"), make_inputs(one_hot=True)
    first = run(emulated(seed=1), *layer, xs)
    for seed in range(2, 6):
        again = run(emulated(seed=seed), *layer, xs)
        jax.tree.map(np.testing.assert_array_equal, first, again)


def test_with_one_slot_what_is_exchanged_is_overwritten_before_it_is_read():
    """The emulation notices a wrong protocol; two slots are what makes it right."""
    layer, xs = make_layer(128, "bfloat16"), make_inputs(one_hot=True)
    (_, right), _ = run(emulated(), *layer, xs)
    wrong = []
    for seed in range(3):
        (_, ys), _ = run(emulated(seed=seed, slots=1), *layer, xs)
        wrong.append(not np.array_equal(ys, right))
    assert any(wrong)


def test_sms_that_wait_for_nothing_are_an_error_and_do_not_hang():
    def program():
        yield 0, 1

    with pytest.raises(RuntimeError, match="nothing is under way"):
        Cluster(2, seed=0, slots=2).run([program(), program()])


def test_packed_arrays_unpack_to_what_they_were():
    x = jax.random.normal(KEY, (T, B, 128))
    packed = packing.pack_state(x)
    assert packed.shape == (T, 2, 4, packing.UNITS, packing.STREAMS)
    np.testing.assert_array_equal(packing.unpack_state(packed, B), x)
    z = jax.random.normal(KEY, (T, B, 4 * 128))
    np.testing.assert_array_equal(packing.unpack_gates(packing.pack_gates(z), B), z)


@pytest.mark.parametrize("width", [64, 128, 256, 512])
def test_every_width_fits_in_the_shared_memory_of_an_sm(width):
    memory = packing.get_shared_memory(width)
    assert max(memory.values()) <= packing.SHARED_MEMORY
    with pytest.raises(ValueError, match="the kernel has 64, 128, 256 and 512"):
        packing.get_shared_memory(width + 32)


@pytest.mark.skipif(bool(find_missing()), reason=find_missing())
@pytest.mark.parametrize("name", ["forward", "backward"])
def test_the_kernels_compile_for_an_h100(name):
    """In another process: a plugin that is registered stays."""
    command = [sys.executable, "-m", "experiments.gpu.hopper_compile", name, "128"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
