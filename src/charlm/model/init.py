"""Parameters: their names, shapes and initializers, by a Flax module."""

import math
from collections.abc import Sequence
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array

from charlm.errors import UserError
from charlm.model.cell import Cell

PyTree = Any


class Parameters(nn.Module):
    """The parameters of a language model; Flax derives a key for each from its name."""

    cell: Cell
    vocab_size: int
    layers: int
    features: int
    embedding: int
    initializer: str

    @nn.compact
    def __call__(self):
        draw_embed, _, draw_head = INITIALIZERS[self.initializer]
        v, h = self.vocab_size, self.features
        if self.embedding:
            self.param("embed", draw_embed, (v, self.embedding))
        for n in range(self.layers):
            d = h if n else self.embedding or v
            self.param(f"layer_{n}", self.cell.init, d, h)
        self.param("head", draw_head, h, v)


def draw_layer(
    initializer: str,
    num_gates: int,
    forget_gate: tuple[int, float] | None,
    key: Array,
    d: int,
    h: int,
) -> dict[str, Array]:
    """Returns initial parameters of a built-in cell's layer.

    Args:
      initializer: "char_rnn" or "torch_rnn".
      num_gates: k, the blocks of width h in each parameter.
      forget_gate: the forget gate's block and its initial bias, if there is one.
      key: of the draw.
      d: input width.
      h: hidden width.
    """
    _, draw, _ = INITIALIZERS[initializer]
    params = draw(key, d, h, num_gates)
    if forget_gate is not None:
        block, bias = forget_gate
        params["b"] = params["b"].at[block * h : (block + 1) * h].set(bias)
    return params


def _uniform(key, shape, bound):
    return jax.random.uniform(key, shape, minval=-bound, maxval=bound)


def _char_rnn_embed(key, shape):
    return _uniform(key, shape, 0.08)


def _char_rnn_layer(key, d, h, k):
    wx, wh, b = jax.random.split(key, 3)
    return {
        "wx": _uniform(wx, (d, k * h), 0.08),
        "wh": _uniform(wh, (h, k * h), 0.08),
        "b": _uniform(b, (k * h,), 0.08),
    }


def _char_rnn_head(key, h, v):
    w, b = jax.random.split(key)
    return {"w": _uniform(w, (h, v), 0.08), "b": _uniform(b, (v,), 0.08)}


def _torch_rnn_layer(key, d, h, k):
    wx, wh = jax.random.split(key)
    std = 1 / math.sqrt(d + h)
    return {
        "wx": std * jax.random.normal(wx, (d, k * h)),
        "wh": std * jax.random.normal(wh, (h, k * h)),
        "b": jnp.zeros((k * h,)),
    }


def _torch_rnn_head(key, h, v):
    w, b = jax.random.split(key)
    bound = 1 / math.sqrt(h)
    return {"w": _uniform(w, (h, v), bound), "b": _uniform(b, (v,), bound)}


INITIALIZERS = {
    "char_rnn": (_char_rnn_embed, _char_rnn_layer, _char_rnn_head),
    "torch_rnn": (jax.random.normal, _torch_rnn_layer, _torch_rnn_head),
}


def expand_vocab(params: PyTree, init: PyTree, new_ids: Sequence[int]) -> PyTree:
    """Returns parameters for a larger vocabulary.

    Args:
      params: of a model of the same cell, layers, features and embedding.
      init: initial parameters for the larger vocabulary; new symbols keep these.
      new_ids: the new id of each old id.

    Raises:
      UserError: the two models differ in more than their vocabularies.
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
