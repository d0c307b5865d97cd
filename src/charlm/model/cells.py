"""rnn_step, gru_step, lstm_step: (params, state, x) -> (state, y).

Shapes: d input width, h hidden width, k blocks of width h side by side. A layer's
parameters are {"wx": [d, k h], "wh": [h, k h], "b": [k h]}. An input x is a vector of
width d, or an integer: the id of a one-hot vector, whose product with wx is a row of
it. Any axes may lead: states [h] or [b, h], inputs [d] or [b, d].

Products run in the type of the weights; gates, states and sums are float32.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Integer

from charlm.model.matmul import embedding_lookup, product

Params = dict[str, Array]
State = Any
Input = Float[Array, "*b d"] | Integer[Array | np.ndarray, "*b"]


class Cell(NamedTuple):
    """A recurrent cell: pure functions, and how wide its parameters are.

    step(params, state, x) is advance(params, state, project(params, x)); project knows
    no state, so that a layer can project a whole window in one product.

    Attributes:
      blocks: k, the blocks of width h in wx, wh and b.
      forget_block: the block of b that is a forget gate's, or None.
      initial_state: (shape of the leading axes, h) -> the zero state.
      project: (params, x) -> z[..., k h].
      advance: (params, state, z) -> (state, y[..., h]).
      step: (params, state, x) -> (state, y[..., h]).
      gates: (params, state, x) -> the gates of that step, for looking inside.
    """

    blocks: int
    forget_block: int | None
    initial_state: Callable[[tuple[int, ...], int], State]
    project: Callable[[Params, Input], Array]
    advance: Callable[[Params, State, Array], tuple[State, Array]]
    step: Callable[[Params, State, Input], tuple[State, Array]]
    gates: Callable[[Params, State, Input], NamedTuple]


class RNNState(NamedTuple):
    """h[..., h], the hidden state of an RNN or a GRU."""

    h: Float[Array, "*b h"]


class LSTMState(NamedTuple):
    """c[..., h], the cell, and h[..., h], what it shows of it."""

    c: Float[Array, "*b h"]
    h: Float[Array, "*b h"]


class RNNGates(NamedTuple):
    """An RNN has no gates; n[..., h] is its new hidden state."""

    n: Float[Array, "*b h"]


class GRUGates(NamedTuple):
    """r[..., h] reset, z[..., h] update, n[..., h] the candidate."""

    r: Float[Array, "*b h"]
    z: Float[Array, "*b h"]
    n: Float[Array, "*b h"]


class LSTMGates(NamedTuple):
    """i[..., h] input, f[..., h] forget, g[..., h] the candidate, o[..., h] output."""

    i: Float[Array, "*b h"]
    f: Float[Array, "*b h"]
    g: Float[Array, "*b h"]
    o: Float[Array, "*b h"]


def sigmoid(x: Float[Array, "*n"]) -> Float[Array, "*n"]:
    """1 / (1 + exp(-x)), by way of tanh, which vectorises better on a CPU."""
    return 0.5 + 0.5 * jnp.tanh(0.5 * x)


def project(params: Params, x: Input) -> Float[Array, "*b kh"]:
    """wx x + b, the part of a step that knows no state."""
    if jnp.issubdtype(x.dtype, jnp.integer):
        return embedding_lookup(params["wx"], x).astype(jnp.float32) + params["b"]
    return product(jnp.asarray(x), params["wx"]) + params["b"]


def rnn_initial_state(batch: tuple[int, ...], features: int) -> RNNState:
    """The zero state."""
    return RNNState(jnp.zeros((*batch, features)))


def lstm_initial_state(batch: tuple[int, ...], features: int) -> LSTMState:
    """The zero state, of two arrays: one used twice could not be donated."""
    return LSTMState(jnp.zeros((*batch, features)), jnp.zeros((*batch, features)))


def rnn_advance(params: Params, state: RNNState, z: Array) -> tuple[RNNState, Array]:
    """h' = tanh(wx x + wh h + b), the post's step."""
    h = jnp.tanh(z + product(state.h, params["wh"]))
    return RNNState(h), h


def rnn_gates(params: Params, state: RNNState, x: Input) -> RNNGates:
    """The new hidden state, which is all there is to see."""
    return RNNGates(rnn_advance(params, state, project(params, x))[1])


def _gru_gates(params: Params, state: RNNState, z: Array) -> GRUGates:
    width = state.h.shape[-1]
    w_gates, w_candidate = params["wh"][:, : 2 * width], params["wh"][:, 2 * width :]
    gates = sigmoid(z[..., : 2 * width] + product(state.h, w_gates))
    r, u = jnp.split(gates, 2, axis=-1)
    n = jnp.tanh(z[..., 2 * width :] + product(r * state.h, w_candidate))
    return GRUGates(r, u, n)


def gru_advance(params: Params, state: RNNState, z: Array) -> tuple[RNNState, Array]:
    """h' = (1 - u) h + u n, n = tanh(wx x + wh (r h) + b).

    char-rnn's: the reset gate stands before the recurrent product and u admits the new
    (Chung et al. 2014, arXiv:1412.3555, eq. 5-8). torch.nn.GRU resets after the product
    and its u keeps the old. Blocks: r, u, n.
    """
    _, u, n = _gru_gates(params, state, z)
    h = state.h + u * (n - state.h)
    return RNNState(h), h


def gru_gates(params: Params, state: RNNState, x: Input) -> GRUGates:
    """Reset, update and candidate of the step from `state` on x."""
    return _gru_gates(params, state, project(params, x))


def fused_gate_affine(width: int) -> tuple[np.ndarray, np.ndarray]:
    """(scale[4h], shift[4h]): the activations i f g o are tanh(z scale) scale + shift.

    sigmoid(z) = 1/2 + tanh(z / 2) / 2, so that one tanh serves all four blocks.
    """
    scale = np.repeat(np.asarray([0.5, 0.5, 1, 0.5], np.float32), width)
    return scale, 1 - scale


def _lstm_gates(params: Params, state: LSTMState, z: Array) -> LSTMGates:
    scale, shift = fused_gate_affine(state.h.shape[-1])
    z = z + product(state.h, params["wh"])
    return LSTMGates(*jnp.split(jnp.tanh(z * scale) * scale + shift, 4, axis=-1))


def lstm_advance(params: Params, state: LSTMState, z: Array) -> tuple[LSTMState, Array]:
    """c' = f c + i g, h' = o tanh(c') (Graves 2013, without peepholes).

    Blocks: i, f, g, o, as in torch.nn.LSTM and Flax.
    """
    i, f, g, o = _lstm_gates(params, state, z)
    c = f * state.c + i * g
    h = o * jnp.tanh(c)
    return LSTMState(c, h), h


def lstm_gates(params: Params, state: LSTMState, x: Input) -> LSTMGates:
    """Input, forget, candidate and output of the step from `state` on x."""
    return _lstm_gates(params, state, project(params, x))


def rnn_step(params: Params, state: RNNState, x: Input) -> tuple[RNNState, Array]:
    """One step of the plain RNN; see rnn_advance."""
    return rnn_advance(params, state, project(params, x))


def gru_step(params: Params, state: RNNState, x: Input) -> tuple[RNNState, Array]:
    """One step of char-rnn's GRU; see gru_advance."""
    return gru_advance(params, state, project(params, x))


def lstm_step(params: Params, state: LSTMState, x: Input) -> tuple[LSTMState, Array]:
    """One step of the LSTM; see lstm_advance."""
    return lstm_advance(params, state, project(params, x))


rnn = Cell(1, None, rnn_initial_state, project, rnn_advance, rnn_step, rnn_gates)
gru = Cell(3, None, rnn_initial_state, project, gru_advance, gru_step, gru_gates)
lstm = Cell(4, 1, lstm_initial_state, project, lstm_advance, lstm_step, lstm_gates)
CELLS = {"rnn": rnn, "gru": gru, "lstm": lstm}
