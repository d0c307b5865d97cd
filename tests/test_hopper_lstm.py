"""The Hopper kernels' arithmetic and exchange in emulation; no GPU has run them."""

import subprocess
import sys

import jax
import numpy as np
import pytest
from draws import draw
from lstm_layers import T, assert_near, make_inputs, make_layer, run

from charlm.model.recurrence import unroll_lstm
from experiments.gpu import hopper_packing as packing
from experiments.gpu.hopper_compile import KERNELS, find_missing
from experiments.gpu.hopper_emulation import (
    Cluster,
    as_jax,
    emulate_backward,
    emulate_forward,
)
from experiments.gpu.hopper_lstm import make_unroll

B = 19  # streams, which do not fill a tile of 16


EMULATION = make_unroll(as_jax(emulate_forward), as_jax(emulate_backward))


def emulate(**options):
    """Returns the results of the forward kernel and of the backward kernel, packed."""
    tiles, size, width = 2, 4, 4 * packing.UNITS
    block = (packing.UNITS, packing.STREAMS)
    rows = 4 * packing.UNITS
    z, d_hs = draw(T, tiles, size, 4, *block), draw(T, tiles, size, *block)
    weights = draw(size, size, rows, packing.UNITS), draw(size, width, rows)
    forward_w, backward_w = (np.asarray(w) / width**0.5 for w in weights)
    h, c, d_h, d_c = (draw(tiles, size, *block, seed=n) for n in range(4))
    arrays = map(np.asarray, (z, forward_w, h, c))
    forward = emulate_forward(*arrays, **options)
    arrays = map(np.asarray, (forward[-1], d_hs, backward_w, d_h, d_c))
    return forward, emulate_backward(*arrays, **options)


# Widths of 2 and 4 SMs; the kernels see no inputs, only their products.
@pytest.mark.parametrize("width, one_hot", [(64, True), (128, False)])
def test_the_emulated_kernels_are_the_scan_in_value_and_gradient(width, one_hot):
    """The products of both round to bfloat16."""
    layer, xs = make_layer(width, "bfloat16", batch=B), make_inputs(one_hot, batch=B)
    values, gradients = run(EMULATION, *layer, xs)
    expected, expected_gradients = run(unroll_lstm, *layer, xs)
    assert_near(values, expected, 5e-3)
    assert_near(gradients, expected_gradients, 2e-2)


def test_they_are_near_the_scan_in_float32():
    layer, xs = make_layer(64, batch=B), make_inputs(one_hot=True, batch=B)
    values, gradients = run(EMULATION, *layer, xs)
    expected, expected_gradients = run(unroll_lstm, *layer, xs)
    assert_near(values, expected, 2e-2)
    assert_near(gradients, expected_gradients, 5e-2)


def test_the_order_in_which_sms_run_and_messages_arrive_changes_nothing():
    first = emulate(seed=1)
    assert all(map(np.all, map(np.isfinite, jax.tree.leaves(first))))
    for seed in range(2, 6):
        jax.tree.map(np.testing.assert_array_equal, first, emulate(seed=seed))


def test_with_one_slot_messages_are_overwritten_before_they_are_read():
    """The emulation detects a wrong protocol; the second slot makes it right."""
    expected = emulate()[0][0]
    found = [emulate(seed=seed, slots=1)[0][0] for seed in range(3)]
    assert not all(np.array_equal(hs, expected) for hs in found)


def test_sms_that_wait_for_nothing_are_an_error_and_do_not_hang():
    def program():
        yield 0, 1

    with pytest.raises(RuntimeError, match="no message is in flight"):
        Cluster(2, seed=0, slots=2).run([program(), program()])


def test_packed_arrays_unpack_to_what_they_were():
    x = draw(T, B, 128)
    packed = packing.pack_state(x)
    assert packed.shape == (T, 2, 4, packing.UNITS, packing.STREAMS)
    np.testing.assert_array_equal(packing.unpack_state(packed, B), x)
    z = draw(T, B, 4 * 128)
    np.testing.assert_array_equal(packing.unpack_gates(packing.pack_gates(z), B), z)


@pytest.mark.parametrize("width", [64, 128, 256, 512])
def test_every_width_fits_in_the_shared_memory_of_an_sm(width):
    memory = packing.get_shared_memory(width)
    assert max(memory.values()) <= packing.SHARED_MEMORY
    with pytest.raises(ValueError, match="the kernel has 64, 128, 256 and 512"):
        packing.get_shared_memory(width + 32)


@pytest.mark.skipif(bool(find_missing()), reason=find_missing())
@pytest.mark.parametrize("kernel", KERNELS)
def test_the_kernels_compile_for_an_h100(kernel):
    """In another process, since a registered plugin stays."""
    command = [sys.executable, "-m", "experiments.gpu.hopper_compile"]
    command.append(f"--kernel={kernel}")
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
