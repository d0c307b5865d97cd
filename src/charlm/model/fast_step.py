"""The fast path of `step`, for many steps with the same parameters."""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from charlm.config import ModelConfig
from charlm.model.lm import LanguageModel, matmul_precision
from charlm.model.lstm import LSTMState, fused_gate_affine

PyTree = Any


class FastStep(NamedTuple):
    """`step` on packed weights: packed before a loop of steps, unpacked after it."""

    pack_params: Callable[[PyTree], PyTree]  # params -> weights, once for all loops
    pack_carry: Callable[[PyTree], PyTree]  # carry -> state
    unpack_carry: Callable[[PyTree], PyTree]  # state -> carry
    # (weights, state, ids[b]) -> (state, logits[b, v])
    step: Callable[[PyTree, PyTree, Int[Array, " b"]], tuple[PyTree, Array]]


def make_fast_step(lm: LanguageModel) -> FastStep:
    """Returns a stack of LSTMs with packed weights, or `lm.step` for other models.

    A packed LSTM has its states as columns [h, b] under weights [4h, d + h]: a layer's
    two products are one, of weights that lie as the product reads them. The first
    layer's inputs and biases are rows of one table, which includes the embedding. The
    scale of the fused tanh is folded in.
    """
    if lm.config.cell != "lstm":
        return FastStep(_same, _same, _same, lm.step)
    transpose = functools.partial(jax.tree.map, jnp.transpose)
    pack_params = functools.partial(_pack_params, lm.config)
    step = functools.partial(_step, lm.config)
    return FastStep(pack_params, transpose, transpose, step)


def _same(tree):
    return tree


def _pack_params(config: ModelConfig, params):
    """Returns {"rows": [v, 4h], "layers": [{"w": [4h, d+h], "b": [4h, 1]}], "head"}."""
    dtype = jnp.dtype(config.dtype)
    scale, _ = fused_gate_affine(config.features)
    layers = [params[f"layer_{n}"] for n in range(config.layers)]
    first, *others = jax.tree.map(lambda p: p * scale, layers)
    rows = first["wx"].astype(dtype)
    if config.embedding:
        with matmul_precision(config):
            rows = _matmul(params["embed"].astype(dtype), rows)
    layers = [{"w": first["wh"].T.astype(dtype)}]
    for layer in others:
        weights = jnp.concatenate([layer["wx"], layer["wh"]]).T.astype(dtype)
        layers.append({"w": weights, "b": layer["b"][:, None]})
    head = params["head"]
    head = {"w": head["w"].T.astype(dtype), "b": head["b"][:, None]}
    rows = rows.astype(jnp.float32) + first["b"]
    return {"rows": rows, "layers": layers, "head": head}


def _step(config: ModelConfig, weights, state, ids):
    with matmul_precision(config):
        first, *others = weights["layers"]
        z = weights["rows"][ids].T + _matmul(first["w"], state[0].h)
        states = [_advance(state[0], z)]
        for layer, previous in zip(others, state[1:], strict=True):
            x = jnp.concatenate([states[-1].h, previous.h])
            states.append(_advance(previous, _matmul(layer["w"], x) + layer["b"]))
        head = weights["head"]
        logits = _matmul(head["w"], states[-1].h) + head["b"]
        return tuple(states), logits.T


def _matmul(w, x):
    """Returns w x, computed in the type of w and summed in float32."""
    return jnp.dot(w, x.astype(w.dtype), preferred_element_type=jnp.float32)


def _advance(state: LSTMState, z: Float[Array, "k b"]) -> LSTMState:
    """Runs c' = f c + i g, h' = o tanh(c'), of a z scaled for the fused tanh."""
    scale, shift = (column[:, None] for column in fused_gate_affine(len(state.c)))
    i, f, g, o = jnp.split(jnp.tanh(z) * scale + shift, 4)
    c = f * state.c + i * g
    return LSTMState(c, o * jnp.tanh(c))
