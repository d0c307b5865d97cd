"""Parameters: their names, shapes and initializers."""

import math
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array

from charlm.config import ModelConfig
from charlm.errors import UserError
from charlm.model.cell import Cell

PyTree = Any


def list_parameters(config: ModelConfig, cell: Cell) -> dict[str, tuple]:
    """Returns the initializer of each parameter by name: (function, *its arguments).

    A function takes a key first, and returns an array or a tree of arrays.
    """
    v, h, embedding = config.vocab_size, config.features, config.embedding
    torch_rnn = config.initializer == "torch_rnn"
    initializers: dict[str, tuple] = {}
    if embedding:
        draw = _draw_normal if torch_rnn else _draw_uniform
        initializers["embed"] = (draw, (v, embedding))
    for n in range(config.layers):
        initializers[f"layer_{n}"] = (cell.init, h if n else embedding or v, h)
    initializers["head"] = (_draw_head, h, v, 1 / math.sqrt(h) if torch_rnn else 0.08)
    return initializers


def get_shapes(config: ModelConfig, cell: Cell) -> PyTree:
    """Returns the shapes and types of the parameters, without importing Flax."""
    key = jax.eval_shape(lambda: jax.random.key(0))
    return {
        name: jax.eval_shape(lambda key, draw=draw, args=args: draw(key, *args), key)
        for name, (draw, *args) in list_parameters(config, cell).items()
    }


def _draw_uniform(key, shape, bound=0.08):
    return jax.random.uniform(key, shape, jnp.float32, -bound, bound)


def _draw_normal(key, shape):
    return jax.random.normal(key, shape, jnp.float32)


def _draw_head(key, h, v, bound):
    w, b = jax.random.split(key)
    return {"w": _draw_uniform(w, (h, v), bound), "b": _draw_uniform(b, (v,), bound)}


def draw_layer(
    initializer: str, forget_bias: float, num_gates: int, key: Array, d: int, h: int
) -> dict[str, Array]:
    """Returns initial parameters of a built-in cell's layer of d inputs and h units.

    Each has `num_gates` blocks of width h. `forget_bias` is the bias of an LSTM's
    second. See make_language_model.
    """
    wide = num_gates * h
    if initializer == "torch_rnn":
        wx, wh = jax.random.split(key)
        std = 1 / math.sqrt(d + h)
        params = {
            "wx": std * _draw_normal(wx, (d, wide)),
            "wh": std * _draw_normal(wh, (h, wide)),
            "b": jnp.zeros(wide, jnp.float32),
        }
    else:
        wx, wh, b = jax.random.split(key, 3)
        params = {
            "wx": _draw_uniform(wx, (d, wide)),
            "wh": _draw_uniform(wh, (h, wide)),
            "b": _draw_uniform(b, (wide,)),
        }
    if num_gates == 4:  # an LSTM
        params["b"] = params["b"].at[h : 2 * h].set(forget_bias)
    return params


def expand_vocab(params: PyTree, init: PyTree, new_ids: Sequence[int]) -> PyTree:
    """Returns parameters for a larger vocabulary.

    Args:
      params: of a model of the same cell, layers, features and embedding.
      init: initial parameters for the larger vocabulary; new symbols keep these.
      new_ids: the new id of each old id.

    Models that differ in more than their vocabularies are a UserError.
    """
    at = jnp.asarray(new_ids)
    one_hot = "embed" not in params

    def enlarge(path, new, old):
        name = jax.tree_util.keystr(path, simple=True, separator=".")
        if name == "embed" or (one_hot and name == "layer_0.wx"):
            return new.at[at].set(old)
        return new.at[..., at].set(old) if name.startswith("head.") else old

    try:
        expanded = jax.tree_util.tree_map_with_path(enlarge, init, params)
        if jax.tree.map(jnp.shape, expanded) == jax.tree.map(jnp.shape, init):
            return expanded
    except ValueError:  # other layers, or rows of another width
        pass
    raise UserError(
        "init_from is a model of another shape; its cell, layers, features and"
        " embedding must be the same"
    )
