"""The equations of the LSTM, on which its cell and its fast paths stand."""

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from charlm.model.cell import Edit, no_edit
from charlm.model.matmul import matmul

Params = dict[str, Array]


class LSTMState(NamedTuple):
    """c[b, h], the cell state, and h[b, h], the hidden state, which is the output."""

    c: Float[Array, "*b h"]
    h: Float[Array, "*b h"]


def fused_gate_affine(width: int) -> tuple[np.ndarray, np.ndarray]:
    """Returns (scale[4h], shift[4h]): gates i f g o are tanh(z scale) scale + shift.

    sigmoid(z) = 1/2 + tanh(z / 2) / 2, so that one tanh serves all four blocks.
    """
    scale = np.repeat(np.asarray([0.5, 0.5, 1, 0.5], np.float32), width)
    return scale, 1 - scale


def lstm_activations(
    params: Params, state: LSTMState, z: Float[Array, "*b k"], edit: Edit = no_edit
) -> tuple[LSTMState, Array, dict[str, Array]]:
    """Runs c' = f c + i g, h' = o tanh(c'), from a projected input z = wx x + b.

    (Graves 2013, without peepholes.) The blocks of wx, wh and b are i, f, g, o, as in
    torch.nn.LSTM and Flax. Returns the new state, h' and the values by name.
    """
    scale, shift = fused_gate_affine(state.h.shape[-1])
    z = z + matmul(state.h, params["wh"])
    gates = jnp.split(jnp.tanh(z * scale) * scale + shift, 4, axis=-1)
    i, f, g, o = (edit(name, gate) for name, gate in zip("ifgo", gates, strict=True))
    c = edit("c", f * state.c + i * g)
    tanh_c = jnp.tanh(c)
    h = edit("h", o * tanh_c)
    named = {"h": h, "c": c, "tanh_c": tanh_c, "i": i, "f": f, "g": g, "o": o}
    return LSTMState(c, h), h, named
