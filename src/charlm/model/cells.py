"""The built-in cells: lstm, gru (char-rnn's) and rnn.

A layer's parameters are {"wx": [d, k h], "wh": [h, k h], "b": [k h]}: k blocks of width
h side by side. An input x is a vector of width d, or an integer: the id of a one-hot
vector, whose product with wx is a row of it. Products run in the type of the weights;
gates, states and sums are float32.
"""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Float

from charlm.model.cell import Cell, Edit, no_edit
from charlm.model.init import draw_layer
from charlm.model.lstm import LSTMState, Params, lstm_activations
from charlm.model.matmul import Input, matmul, project_inputs
from charlm.model.recurrence import unroll_lstm


class RNNState(NamedTuple):
    """h[b, h], the hidden state of an RNN or a GRU, which is its output."""

    h: Float[Array, "*b h"]


def sigmoid(x: Float[Array, "*n"]) -> Float[Array, "*n"]:
    """Returns 1 / (1 + exp(-x)) by way of tanh, which vectorizes better on a CPU."""
    return 0.5 + 0.5 * jnp.tanh(0.5 * x)


def project(params: Params, x: Input) -> Float[Array, "*b kh"]:
    """Returns wx x + b, the part of a step that does not read the state."""
    return project_inputs(params["wx"], x).astype(jnp.float32) + params["b"]


def rnn_activations(
    params: Params, state: RNNState, z: Array, edit: Edit = no_edit
) -> tuple[RNNState, Array, dict[str, Array]]:
    """Runs h' = tanh(wx x + wh h + b), the post's step, from z = wx x + b."""
    h = edit("h", jnp.tanh(z + matmul(state.h, params["wh"])))
    return RNNState(h), h, {"h": h}


def gru_activations(
    params: Params, state: RNNState, z: Array, edit: Edit = no_edit
) -> tuple[RNNState, Array, dict[str, Array]]:
    """Runs h' = (1 - u) h + u n, n = tanh(wx x + wh (r h) + b), from z = wx x + b.

    char-rnn's: the reset gate stands before the recurrent product and u admits the new
    (Chung et al. 2014, arXiv:1412.3555, eq. 5-8). torch.nn.GRU resets after the product
    and its u keeps the old. Blocks: r, u, n; u is named "z", as in the paper.
    """
    width = state.h.shape[-1]
    w_gates, w_candidate = params["wh"][:, : 2 * width], params["wh"][:, 2 * width :]
    gates = sigmoid(z[..., : 2 * width] + matmul(state.h, w_gates))
    r, u = jnp.split(gates, 2, axis=-1)
    r, u = edit("r", r), edit("z", u)
    n = edit("n", jnp.tanh(z[..., 2 * width :] + matmul(r * state.h, w_candidate)))
    h = edit("h", state.h + u * (n - state.h))
    return RNNState(h), h, {"h": h, "r": r, "z": u, "n": n}


def make_cell(
    activations: Callable[..., tuple[Any, Array, dict[str, Array]]],
    state_type: Any,
    num_gates: int,
    unroll: Callable[..., tuple[Any, Array]] | None,
    initializer: str = "char_rnn",
    forget_bias: float = 1.0,
) -> Cell:
    """Returns the Cell of equations that start from a projected input.

    `activations` is (params, state, z, edit) -> (state, y, {name: array}), and
    `state_type` a NamedTuple of arrays [b, h]; the rest is as in `draw_layer`.
    """

    def initial_state(batch_size, features):
        # An array for each: one used twice could not be donated.
        shape = batch_size, features
        return state_type(*(jnp.zeros(shape, jnp.float32) for _ in state_type._fields))

    def step_from_projection(params, state, z):
        return activations(params, state, z)[:2]

    def step(params, state, x):
        return step_from_projection(params, state, project(params, x))

    def activations_of_input(params, state, x, edit=no_edit):
        return activations(params, state, project(params, x), edit)

    return Cell(
        functools.partial(draw_layer, initializer, forget_bias, num_gates),
        initial_state,
        step,
        project,
        step_from_projection,
        activations_of_input,
        unroll,
        reads_ids=True,
    )


make_lstm = functools.partial(make_cell, lstm_activations, LSTMState, 4, unroll_lstm)
make_gru = functools.partial(make_cell, gru_activations, RNNState, 3, None)
make_rnn = functools.partial(make_cell, rnn_activations, RNNState, 1, None)
# (initializer, forget_bias) -> Cell
MAKERS = {"lstm": make_lstm, "gru": make_gru, "rnn": make_rnn}
lstm, gru, rnn = make_lstm(), make_gru(), make_rnn()
