"""Two cells that charlm does not have, each some twenty lines."""

import math

import jax
import jax.numpy as jnp

import charlm


def make_min_gru() -> charlm.Cell:
    """Returns minGRU, whose gate and candidate do not read the state.

    h' = (1 - z) h + z n, z = sigmoid(wz x + bz), n = wn x + bn (Feng et al. 2024,
    arXiv:2410.01201, section 3.1.1). So a window takes one associative scan.
    """

    def init(key, d, h):
        w = jax.random.normal(key, (d, 2 * h)) / math.sqrt(d)
        return {"w": w, "b": jnp.zeros(2 * h)}

    def project(params, x):
        z, n = jnp.split(x @ params["w"] + params["b"], 2, axis=-1)
        return jax.nn.sigmoid(z), n

    def step_from_projection(params, h, projection):
        z, n = projection
        h = (1 - z) * h + z * n
        return h, h

    def step(params, h, x):
        return step_from_projection(params, h, project(params, x))

    def unroll(params, h, xs):
        z, n = project(params, xs)
        values = (z * n).at[0].add((1 - z[0]) * h)
        _, hs = jax.lax.associative_scan(
            lambda a, b: (a[0] * b[0], b[0] * a[1] + b[1]), (1 - z, values)
        )
        return hs[-1], hs

    return charlm.Cell(
        init=init,
        initial_state=lambda batch_size, h: jnp.zeros((batch_size, h)),
        step=step,
        project=project,
        step_from_projection=step_from_projection,
        unroll=unroll,
    )


def make_janet() -> charlm.Cell:
    """Returns JANET, an LSTM with a forget gate only.

    c' = f c + (1 - sigmoid(s - 1)) g, s = wf x + uf h + bf, f = sigmoid(s), g = tanh(wg
    x + ug h + bg), h' = c' (van der Westhuizen and Lasenby 2018, arXiv:1804.04849).
    """

    def init(key, d, h):
        wx, wh = jax.random.split(key)
        std = 1 / math.sqrt(d + h)
        return {
            "wx": std * jax.random.normal(wx, (d, 2 * h)),
            "wh": std * jax.random.normal(wh, (h, 2 * h)),
            "b": jnp.concatenate([jnp.ones(h), jnp.zeros(h)]),
        }

    def project(params, x):
        return x @ params["wx"] + params["b"]

    def step_from_projection(params, c, projection):
        s, g = jnp.split(projection + c @ params["wh"], 2, axis=-1)
        c = jax.nn.sigmoid(s) * c + (1 - jax.nn.sigmoid(s - 1)) * jnp.tanh(g)
        return c, c

    return charlm.Cell(
        init=init,
        initial_state=lambda batch_size, h: jnp.zeros((batch_size, h)),
        step=lambda params, c, x: step_from_projection(params, c, project(params, x)),
        project=project,
        step_from_projection=step_from_projection,
    )
