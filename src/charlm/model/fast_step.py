"""The fast path of `step`, for many steps with the same parameters."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from charlm.model.cells import LSTMState, fused_gate_affine
from charlm.model.matmul import current_matmul_precision

PyTree = Any


class Stepper(NamedTuple):
    """`step` in another layout, entered before a loop and left after it.

    Attributes:
      prepare: (params) -> weights, once for all loops.
      enter: (carry) -> state, and leave: (state) -> carry.
      step: (weights, state, ids[b]) -> (state, logits[b, v]): what `step` gives.
    """

    prepare: Callable[[PyTree], PyTree]
    enter: Callable[[PyTree], PyTree]
    leave: Callable[[PyTree], PyTree]
    step: Callable[[PyTree, PyTree, Int[Array, " b"]], tuple[PyTree, Array]]


def lstm_stepper(
    layers: int, dtype: np.dtype, exactly: Callable[[Callable], Callable]
) -> Stepper:
    """A stack of LSTMs, with states as columns [h, b] under weights [4h, d + h].

    A layer's two products are one, of weights that lie as the product reads them; the
    first layer's inputs and biases are rows of one table, an embedding included; the
    halves of the one tanh are folded in.

    Args:
      layers: how many.
      dtype: of products.
      exactly: a decorator that makes products as exact as the model's.
    """

    def turned(w):
        return jnp.asarray(w.T.astype(dtype))

    @exactly
    def prepare(params):
        """{"rows": [v, 4h], "layers": [{"w": [4h, d + h], "b": [4h, 1]}], "head"}."""
        scaled = []
        for n in range(layers):
            layer = params[f"layer_{n}"]
            scale, _ = fused_gate_affine(layer["wh"].shape[0])
            scaled.append(jax.tree.map(lambda p, scale=scale: p * scale, layer))
        first, *others = scaled
        rows = first["wx"].astype(dtype)
        if "embed" in params:
            rows = _dot(params["embed"].astype(dtype), rows)
        stack = [{"w": turned(first["wh"])}]
        for layer in others:
            both = turned(jnp.concatenate([layer["wx"], layer["wh"]]))
            stack.append({"w": both, "b": layer["b"][:, None]})
        head = {"w": turned(params["head"]["w"]), "b": params["head"]["b"][:, None]}
        rows = rows.astype(jnp.float32) + first["b"]
        return {"rows": rows, "layers": stack, "head": head}

    def turn(carry):
        return jax.tree.map(jnp.transpose, carry)

    @exactly
    def step(weights, state, ids):
        first, *others = weights["layers"]
        z = weights["rows"][ids].T + _dot(first["w"], state[0].h)
        states = [_advance(state[0], z)]
        for layer, before in zip(others, state[1:], strict=True):
            read = jnp.concatenate([states[-1].h, before.h])
            states.append(_advance(before, _dot(layer["w"], read) + layer["b"]))
        head = weights["head"]
        logits = _dot(head["w"], states[-1].h) + head["b"]
        return tuple(states), logits.T

    return Stepper(prepare, turn, turn, step)


def _dot(w, x):
    """w x, in the type of w, summed in float32."""
    return jnp.dot(
        w,
        x.astype(w.dtype),
        precision=current_matmul_precision(),
        preferred_element_type=jnp.float32,
    )


def _advance(state: LSTMState, z: Float[Array, "k b"]) -> LSTMState:
    """c' = f c + i g, h' = o tanh(c'), of a z scaled for the one tanh."""
    scale, shift = (column[:, None] for column in fused_gate_affine(len(state.c)))
    i, f, g, o = jnp.split(jnp.tanh(z) * scale + shift, 4)
    c = f * state.c + i * g
    return LSTMState(c, o * jnp.tanh(c))
