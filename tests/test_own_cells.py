"""The cells of experiments/own_cells: their fast paths are their steps."""

import jax
import numpy as np
import pytest

import charlm
from experiments.own_cells.cells import make_janet, make_min_gru


@pytest.mark.parametrize("make", [make_min_gru, make_janet])
@pytest.mark.parametrize("embedding", [0, 3])
def test_a_window_is_a_scan_of_steps_in_value_and_gradient(make, embedding):
    lm = charlm.make_language_model(
        vocab_size=7, cell=make(), layers=2, features=5, embedding=embedding
    )
    params = lm.init(jax.random.key(0))
    ids = jax.random.randint(jax.random.key(1), (6, 3), 0, 7)
    start = jax.tree.map(lambda c: c + 0.3, lm.initial_carry(3))

    def unroll(params, carry):
        return lm.unroll(params, carry, ids)

    def scan(params, carry):
        return jax.lax.scan(lambda c, x: lm.step(params, c, x), carry, ids)

    def loss(path):
        return lambda params, carry: (path(params, carry)[1] ** 2).sum()

    near(unroll(params, start), scan(params, start))
    gradients = [jax.grad(loss(path), (0, 1))(params, start) for path in (unroll, scan)]
    near(*gradients)


def near(a, b):
    jax.tree.map(
        lambda x, y: np.testing.assert_allclose(x, y, rtol=1e-4, atol=1e-5), a, b
    )
