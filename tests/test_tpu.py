"""The paths of a TPU, on a CPU: kernels are interpreted, or only lowered."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from draws import draw, draw_params
from lstm_layers import D, T, assert_near, make_inputs, make_layer, run

from charlm.model import recurrence, tpu
from charlm.model.lm import make_language_model
from charlm.model.matmul import embedding_lookup, take_rows_by_matmul
from charlm.training.step import nats_per_char
from experiments.accelerators import schedules
from experiments.accelerators.targets import V5E_VMEM
from experiments.arithmetic import get_arithmetic

B = 3  # streams
KEY = jax.random.key(0)
LAYERS = [  # (h, dtype, whether the layer reads ids); LANES needs no padding
    (20, "float32", True),
    (tpu.LANES, "float32", False),
    (200, "bfloat16", True),
    (200, "bfloat16", False),
]


@pytest.fixture(autouse=True)
def v5e(monkeypatch):
    """There is no TPU to ask for its memory."""
    monkeypatch.setattr(tpu, "get_vmem", lambda: V5E_VMEM)


@pytest.mark.parametrize("width, dtype, one_hot", LAYERS)
def test_the_kernels_are_the_scan_in_value_and_gradient(width, dtype, one_hot):
    layer, xs = make_layer(width, dtype, batch=B), make_inputs(one_hot, batch=B)

    def unroll(params, state, xs):
        loop = tpu.unroll_lstm_in_vmem
        return tpu.unroll_lstm_on_tpu(loop, params, state, xs)

    values, gradients = run(unroll, *layer, xs)
    expected, expected_gradients = run(recurrence.unroll_lstm, *layer, xs)
    assert_near(values, expected, 2e-6)
    # The kernels store what the backward loop reads in the type of the weights.
    assert_near(gradients, expected_gradients, 2e-6 if dtype == "float32" else 1e-2)


@pytest.mark.parametrize("one_hot", [False, True])
def test_a_padded_layer_computes_the_same_and_its_new_units_stay_zero(
    monkeypatch, one_hot
):
    (params, state), xs = make_layer(20, batch=B), make_inputs(one_hot, batch=B)
    monkeypatch.setenv("CHARLM_PALLAS", "0")  # the scan, not the kernels
    monkeypatch.delattr(tpu, "unroll_lstm_in_vmem")

    def unroll_padded(params, state, xs):
        return tpu.unroll_lstm_on_tpu(recurrence.unroll_lstm, params, state, xs)

    @jax.jit
    def compute_padded(params, state):
        padded, start = tpu.pad_lstm(params, state)
        assert padded["wh"].shape == (tpu.LANES, 4 * tpu.LANES)
        return recurrence.unroll_lstm(padded, start, xs)

    last, ys = compute_padded(params, state)
    for x in map(np.asarray, (last.c, last.h, ys)):
        assert x[..., :20].any() and not x[..., 20:].any()
    assert_near(
        run(unroll_padded, params, state, xs),
        run(recurrence.unroll_lstm, params, state, xs),
        2e-6,
    )


def test_padding_leaves_a_layer_of_whole_registers_alone():
    layer = make_layer(tpu.LANES, batch=B)
    jax.tree.map(np.testing.assert_array_equal, tpu.pad_lstm(*layer), layer)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_rows_taken_by_a_product_are_those_rows_to_the_bit(dtype):
    table = np.asarray(draw(D, 300)).astype(dtype)
    ids = make_inputs(one_hot=True, batch=B)
    rows = jax.jit(take_rows_by_matmul)(table, ids)
    assert rows.dtype == table.dtype
    np.testing.assert_array_equal(rows, table[np.asarray(ids)])


@pytest.mark.parametrize(
    "height, dtype, gathers",
    [
        (128, "float32", False),
        (129, "float32", True),
        (512, "bfloat16", False),
        (513, "bfloat16", True),
    ],
)
def test_a_tpu_gathers_from_large_tables(monkeypatch, height, dtype, gathers):
    table, ids = jnp.zeros((height, 3), dtype), make_inputs(one_hot=True, batch=B)
    assert "gather" in str(
        jax.make_jaxpr(embedding_lookup)(table, ids)
    )  # as a CPU does
    monkeypatch.setattr(jax, "default_backend", lambda: "tpu")
    assert (
        "gather" in str(jax.make_jaxpr(lambda *a: embedding_lookup(*a))(table, ids))
    ) == gathers


def test_a_model_on_a_tpu_has_the_loss_and_gradient_of_one_on_a_cpu(monkeypatch):
    lm = make_language_model(vocab_size=D, layers=2, features=20, dropout=0.5)
    params = draw_params(lm)
    ids = make_inputs(one_hot=True, batch=B)
    calls = []

    def loss(params):
        _, logits = lm.unroll(params, lm.initial_carry(B), ids, KEY)
        return nats_per_char(logits, ids)

    def unroll(params, state, xs):
        calls.append(xs.shape)
        return by_kernels(params, state, xs)

    on_cpu = jax.jit(jax.value_and_grad(loss))(params)
    by_kernels = tpu.unroll_lstm_in_vmem
    monkeypatch.setattr(recurrence, "get_platform", lambda: "tpu")
    monkeypatch.setattr(tpu, "unroll_lstm_in_vmem", unroll)
    on_tpu = jax.jit(jax.value_and_grad(lambda params: loss(params)))(params)
    assert_near(on_tpu, on_cpu, 1e-5)
    assert calls == [(T, B), (T, B, 20)]


def test_a_layer_too_large_for_vmem_is_left_to_the_scan():
    assert tpu.fits_in_vmem(100, 680, "float32")
    assert tpu.fits_in_vmem(100, 1500, "bfloat16")
    assert not tpu.fits_in_vmem(100, 4096, "bfloat16")
    assert not tpu.fits_in_vmem(10_000, 512, "bfloat16")


@pytest.mark.parametrize("dtype", ["float32", "tf32", "bfloat16"])
def test_a_model_lowers_for_a_tpu_with_two_kernels_a_layer(monkeypatch, dtype):
    """As far as a machine without a TPU's compiler gets."""
    monkeypatch.setattr(jax, "default_backend", lambda: "tpu")
    arithmetic = get_arithmetic(dtype)
    lm = make_language_model(vocab_size=D, layers=2, features=200, **arithmetic)
    params = jax.eval_shape(lm.init, KEY)

    def loss(params):
        _, logits = lm.unroll(
            params, lm.initial_carry(B), make_inputs(one_hot=True, batch=B)
        )
        return logits.sum()

    lowered = jax.jit(jax.grad(loss)).trace(params).lower(lowering_platforms=("tpu",))
    text = lowered.as_text()
    assert text.count("tpu_custom_call") == 4
    assert "gather" not in text


MOVE = "{ %4 = dma.hbm_to_vmem [thread:$0]  /*hbm=*/%s10, /*size_in_granules=*/1000, }"
ONE_PASS = f"""
     0   :  {{ %3 = vsyncpa [#allocation4], 0 }}
   0x1   :  {MOVE}
   0x2   :  {{ %5 = dma.done.wait [#allocation4], 1000 }}
"""
LOOP = f"""
     0   :  {{ %3 = vsyncpa [#allocation4], 0 }}
   0x1 LB: > {MOVE}
   0x2   : > {{ %p7 = scmp.ge.s32.totalorder %s21, 102 /* loop exit test */ }}
   0x3   :  {{ %35 = sbr.rel (!%p33_p7) target = $region173 }}
"""


def test_a_schedule_costs_its_bundles_and_what_it_waits_for():
    waits = 32_000 / schedules.BYTES_PER_CYCLE
    assert schedules.read_schedule(ONE_PASS) == (3 + waits, 3, 32_000, 1)
    assert schedules.read_schedule(LOOP) == (100 * waits, 202, 3_200_000, 1)
