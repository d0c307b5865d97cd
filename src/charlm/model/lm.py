"""LanguageModel: stack, dropout, head (the only file that knows Flax)."""

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, Key

from charlm.errors import UserError
from charlm.model.cells import CELLS, Cell
from charlm.model.dropout import drop
from charlm.model.products import look_up, window_product
from charlm.model.recurrence import unroll_layer

PyTree = Any


class LanguageModel(NamedTuple):
    """A character-level language model: four pure functions.

    Attributes:
      init: (key) -> params, a nested dict of float32 arrays.
      initial_carry: (batch_size) -> the zero carry: one state [b, h] a layer.
      step: (params, carry, ids[b]) -> (carry, logits[b, v]); one character.
      unroll: (params, carry, ids[t, b], key=None) -> (carry, logits[t, b, v]); a
        window. With a key, dropout is on, as in training; without, it is off.
    """

    init: Callable[[Key[Array, ""]], PyTree]
    initial_carry: Callable[[int], PyTree]
    step: Callable[[PyTree, PyTree, Int[Array, " b"]], tuple[PyTree, Array]]
    unroll: Callable[..., tuple[PyTree, Float[Array, "t b v"]]]


def make_language_model(
    *,
    vocab_size: int,
    cell: str = "lstm",
    layers: int = 2,
    features: int = 128,
    embedding: int = 0,
    dropout: float = 0.0,
    initialiser: str = "char_rnn",
    forget_bias: float = 1.0,
    dtype: str = "float32",
) -> LanguageModel:
    """A stack of recurrent layers under a linear head.

    Args:
      vocab_size: v.
      cell: "lstm", "gru" (char-rnn's) or "rnn".
      layers: how many of them, one reading the other.
      features: h, the width of each.
      embedding: width of a learnt embedding of the characters; 0 reads them one-hot.
      dropout: the share of a layer's outputs that is dropped on the way up, never on
        the way forward in time: into the next layer and into the head. char-rnn's
        places and torch-rnn's are the same (char-rnn model/LSTM.lua, torch-rnn
        LanguageModel.lua): neither drops the inputs of the first layer.
      initialiser: "char_rnn", U(-0.08, 0.08) for all; or "torch_rnn", N(0, 1 / (d + h))
        for a layer of d inputs, zero biases, N(0, 1) for the embedding and torch's
        U(-1 / sqrt(h), 1 / sqrt(h)) for the head.
      forget_bias: what the forget gates' biases start from (an LSTM's only).
      dtype: of products: "float32", "tf32" (float32 whose products NVIDIA's GPUs
        round to 10 bits of mantissa; elsewhere the same as float32) or "bfloat16";
        parameters, gates and states stay float32.

    Raises:
      UserError: a value that no model can have.
    """
    check_model(
        cell, layers, features, embedding, dropout, initialiser, forget_bias, dtype
    )
    kind = CELLS[cell]
    module = _Parameters(
        kind, vocab_size, layers, features, embedding, initialiser, forget_bias
    )

    def init(key):
        return module.init(key)["params"]

    def initial_carry(batch_size):
        return tuple(kind.initial_state((batch_size,), features) for _ in range(layers))

    def run(layer, params, carry, ids, key):
        with _precision(dtype):
            return compute(layer, params, carry, ids, key)

    def compute(layer, params, carry, ids, key):
        narrow = jnp.bfloat16 if dtype == "bfloat16" else jnp.float32
        params, ids = _cast(params, narrow), jnp.asarray(ids)
        x = look_up(params["embed"], ids) if embedding else ids
        states = []
        for n in range(layers):
            state, x = layer(params[f"layer_{n}"], carry[n], x)
            states.append(state)
            if dropout and key is not None:
                x: Any = drop(dropout, jax.random.fold_in(key, n), x)
        logits = window_product(x, params["head"]["w"]) + params["head"]["b"]
        return tuple(states), logits

    def step(params, carry, ids):
        return run(kind.step, params, carry, ids, None)

    def unroll(params, carry, ids, key=None):
        def layer(params, state, x):
            return unroll_layer(kind, params, state, x)

        return run(layer, params, carry, ids, key)

    return LanguageModel(init, initial_carry, step, unroll)


def grow(old: PyTree, fresh: PyTree, places: Sequence[int]) -> PyTree:
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


def check_model(
    cell, layers, features, embedding, dropout, initialiser, forget_bias, dtype
) -> None:
    """Raises UserError for a value that no model can have."""
    choices = {
        "cell": (cell, tuple(CELLS)),
        "initialiser": (initialiser, tuple(INITIALISERS)),
        "dtype": (dtype, tuple(PRECISIONS)),
    }
    for name, (value, allowed) in choices.items():
        if value not in allowed:
            raise UserError(
                f"model.{name} is {value!r}; choose one of {', '.join(allowed)}"
            )
    least = {"layers": (layers, 1), "features": (features, 1)}
    for name, (value, low) in {**least, "embedding": (embedding, 0)}.items():
        if value < low:
            raise UserError(f"model.{name} is {value}; it must be at least {low}")
    if not 0 <= dropout < 1:
        raise UserError(
            f"model.dropout is {dropout}; it must be at least 0 and below 1"
        )
    if not math.isfinite(forget_bias):
        raise UserError(f"model.forget_bias is {forget_bias}; it must be finite")


class _Parameters(nn.Module):
    """The parameters' names, shapes and initialisers; the computation is elsewhere."""

    cell: Cell
    vocab_size: int
    layers: int
    features: int
    embedding: int
    initialiser: str
    forget_bias: float

    @nn.compact
    def __call__(self):
        draw_embed, draw_layer, draw_head = INITIALISERS[self.initialiser]
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


INITIALISERS = {
    "char_rnn": (_char_rnn_embed, _char_rnn_layer, _char_rnn_head),
    "torch_rnn": (jax.random.normal, _torch_rnn_layer, _torch_rnn_head),
}


# The names by which JAX knows how exact products of float32 are to be.
PRECISIONS = {"float32": "float32", "tf32": "tensorfloat32", "bfloat16": None}


def _precision(dtype):
    """The context in which products are as exact as `dtype` says.

    On a CPU they are exact in any, and asking for it could cost a fast path.
    """
    name = None if jax.default_backend() == "cpu" else PRECISIONS[dtype]
    return jax.default_matmul_precision(name)


def _cast(params, dtype):
    """The weights in the type that products run in; biases stay float32."""
    return jax.tree.map(lambda p: p.astype(dtype) if p.ndim > 1 else p, params)
