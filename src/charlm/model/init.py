"""Parameters: names, shapes, initializers (the only file that knows Flax)."""

import math
from collections.abc import Sequence
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from charlm.errors import UserError
from charlm.model.cells import Cell

PyTree = Any


class Parameters(nn.Module):
    """The parameters' names, shapes and initializers; the computation is elsewhere."""

    cell: Cell
    vocab_size: int
    layers: int
    features: int
    embedding: int
    initializer: str
    forget_bias: float

    @nn.compact
    def __call__(self):
        draw_embed, draw_layer, draw_head = INITIALIZERS[self.initializer]
        v, h = self.vocab_size, self.features
        if self.embedding:
            self.param("embed", draw_embed, (v, self.embedding))
        for n in range(self.layers):
            d = h if n else self.embedding or v
            self.param(f"layer_{n}", self._layer, draw_layer, d)
        self.param("head", draw_head, h, v)

    def _layer(self, key, draw_layer, d):
        h, k = self.features, self.cell.blocks
        params = draw_layer(key, d, h, k)
        if (block := self.cell.forget_block) is not None:
            gate = slice(block * h, (block + 1) * h)
            params["b"] = params["b"].at[gate].set(self.forget_bias)
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


def expand_vocab(old: PyTree, fresh: PyTree, places: Sequence[int]) -> PyTree:
    """The parameters `old` for a larger vocabulary.

    Args:
      old: of a model of the same cell, layers, features and embedding.
      fresh: drawn for the larger vocabulary; what is new in it is taken from here.
      places: the new id of each old id.

    Raises:
      UserError: the two models differ in more than their vocabularies.
    """
    at = jnp.asarray(places)
    one_hot = "embed" not in old

    def enlarge(path, new, kept):
        name = jax.tree_util.keystr(path, simple=True, separator=".")
        if name == "embed" or (one_hot and name == "layer_0.wx"):
            return new.at[at].set(kept)
        return new.at[..., at].set(kept) if name.startswith("head.") else kept

    try:
        grown = jax.tree_util.tree_map_with_path(enlarge, fresh, old)
        if jax.tree.map(jnp.shape, grown) == jax.tree.map(jnp.shape, fresh):
            return grown
    except ValueError:  # other layers, or rows of another width
        pass
    raise UserError(
        "train.init_from is a model of another shape; model.cell, layers, features and"
        " embedding must be the same"
    )
