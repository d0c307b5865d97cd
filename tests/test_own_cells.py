"""The cells of experiments/own_cells: their fast paths are their steps."""

import jax
import numpy as np
import pytest
from draws import draw_ids, draw_params

import charlm
from experiments.own_cells.cells import make_janet, make_min_gru


@pytest.mark.parametrize("make", [make_min_gru, make_janet])
@pytest.mark.parametrize("embedding", [0, 3])
def test_a_window_is_a_scan_of_steps_in_value_and_gradient(make, embedding):
    lm = charlm.make_language_model(
        vocab_size=7, cell=make(), layers=2, features=5, embedding=embedding
    )
    params, ids = draw_params(lm, scale=0.5), draw_ids(7, 6, 3)
    start = jax.tree.map(lambda c: c + 0.3, lm.initial_carry(3))

    def unroll(params, carry):
        return lm.unroll(params, carry, ids)

    def scan(params, carry):
        return jax.lax.scan(lambda c, x: lm.step(params, c, x), carry, ids)

    def loss(path, params, carry):
        carry, logits = path(params, carry)
        return (logits**2).sum(), (carry, logits)

    graded = jax.value_and_grad(loss, (1, 2), has_aux=True)
    graded = jax.jit(graded, static_argnums=0)
    near(graded(unroll, params, start), graded(scan, params, start))


def near(a, b):
    jax.tree.map(
        lambda x, y: np.testing.assert_allclose(x, y, rtol=1e-4, atol=1e-5), a, b
    )
