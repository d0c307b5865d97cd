"""LanguageModel: stack, dropout, head."""

import functools
import math
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, Key

from charlm.errors import UserError
from charlm.model.cells import CELLS, lstm
from charlm.model.dropout import drop
from charlm.model.fast_step import Stepper, lstm_stepper
from charlm.model.init import INITIALIZERS, Parameters
from charlm.model.matmul import embedding_lookup, matmul_over_time
from charlm.model.platform import get_platform
from charlm.model.recurrence import stack, unroll_layers

PyTree = Any
MOST_UNITS = 10_000_000  # of a layer: beyond any machine's memory


class LanguageModel(NamedTuple):
    """A character-level language model: pure functions, four and two to go with them.

    Attributes:
      init: (key) -> params, a nested dict of float32 arrays.
      initial_carry: (batch_size) -> the zero carry: one state [b, h] a layer.
      step: (params, carry, ids[b]) -> (carry, logits[b, v]); one character.
      unroll: (params, carry, ids[t, b], key=None) -> (carry, logits[t, b, v]); a
        window. With a key, dropout is on, as in training; without, it is off.
      observe: (params, carry, ids[b]) -> (carry, logits[b, v], gates); `step`, with the
        gates of each layer shown as its own products give them.
      stepper: a faster `step` for many steps with the same params, if there is one.
    """

    init: Callable[[Key[Array, ""]], PyTree]
    initial_carry: Callable[[int], PyTree]
    step: Callable[[PyTree, PyTree, Int[Array, " b"]], tuple[PyTree, Array]]
    unroll: Callable[..., tuple[PyTree, Float[Array, "t b v"]]]
    observe: Callable[[PyTree, PyTree, Int[Array, " b"]], tuple[PyTree, Array, PyTree]]
    stepper: Stepper | None = None


def make_language_model(
    *,
    vocab_size: int,
    cell: str = "lstm",
    layers: int = 2,
    features: int = 128,
    embedding: int = 0,
    dropout: float = 0.0,
    initializer: str = "char_rnn",
    forget_bias: float = 1.0,
    dtype: str = "auto",
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
      initializer: "char_rnn", U(-0.08, 0.08) for all; or "torch_rnn", N(0, 1 / (d + h))
        for a layer of d inputs, zero biases, N(0, 1) for the embedding and torch's
        U(-1 / sqrt(h), 1 / sqrt(h)) for the head.
      forget_bias: what the forget gates' biases start from (an LSTM's only).
      dtype: of products: "auto", bfloat16 on a TPU, whose products they are, and
        float32 elsewhere; "float32", six passes of bfloat16 on a TPU; "tf32", float32
        whose products an NVIDIA GPU rounds to 10 bits of mantissa (a TPU takes three
        passes or six, a CPU is exact); or "bfloat16". Parameters, gates and states
        stay float32.

    Raises:
      UserError: a value that no model can have.
    """
    check_model(
        cell, layers, features, embedding, dropout, initializer, forget_bias, dtype
    )
    kind, dtype = CELLS[cell], resolve_dtype(dtype)
    module = Parameters(
        kind, vocab_size, layers, features, embedding, initializer, forget_bias
    )

    def init(key):
        return module.init(key)["params"]

    def initial_carry(batch_size):
        return tuple(kind.initial_state((batch_size,), features) for _ in range(layers))

    narrow = jnp.dtype("bfloat16" if dtype == "bfloat16" else "float32")

    @with_matmul_precision(dtype)
    def run(through, params, carry, ids, key):
        """through(layers, states, x) -> (states, y), for layers with no dropout."""
        params, ids = _cast(params, narrow), jnp.asarray(ids)
        x = embedding_lookup(params["embed"], ids) if embedding else ids
        all_layers = [params[f"layer_{n}"] for n in range(layers)]
        if not dropout or key is None:
            states, x = through(all_layers, carry, x)
        else:
            states = ()
            for n, layer in enumerate(all_layers):
                after, x = through([layer], carry[n : n + 1], x)
                states += after
                x: Any = drop(dropout, jax.random.fold_in(key, n), x)
        logits = matmul_over_time(x, params["head"]["w"]) + params["head"]["b"]
        return tuple(states), logits

    def step(params, carry, ids):
        return run(functools.partial(stack, kind.step), params, carry, ids, None)

    def observe(params, carry, ids):
        gates = []

        def layer(params, state, x):
            gates.append(kind.gates(params, state, x))
            return kind.step(params, state, x)

        through = functools.partial(stack, layer)
        return *run(through, params, carry, ids, None), tuple(gates)

    def unroll(params, carry, ids, key=None):
        return run(functools.partial(unroll_layers, kind), params, carry, ids, key)

    stepper = (
        lstm_stepper(layers, narrow, with_matmul_precision(dtype))
        if kind is lstm
        else None
    )
    return LanguageModel(init, initial_carry, step, unroll, observe, stepper)


def check_model(
    cell, layers, features, embedding, dropout, initializer, forget_bias, dtype
) -> None:
    """Raises UserError for a value that no model can have."""
    choices = {
        "cell": (cell, tuple(CELLS)),
        "initializer": (initializer, tuple(INITIALIZERS)),
        "dtype": (dtype, ("auto", *PRECISIONS)),
    }
    for name, (value, allowed) in choices.items():
        if value not in allowed:
            raise UserError(
                f"model.{name} is {value!r}; choose one of {', '.join(allowed)}"
            )
    ranges = {
        "layers": (layers, 1, 1000),
        "features": (features, 1, MOST_UNITS),
        "embedding": (embedding, 0, MOST_UNITS),
    }
    for name, (value, low, high) in ranges.items():
        if not low <= value <= high:
            raise UserError(
                f"model.{name} is {value}; it must be from {low} to {high:,}"
            )
    if not 0 <= dropout < 1:
        raise UserError(
            f"model.dropout is {dropout}; it must be at least 0 and below 1"
        )
    if not math.isfinite(forget_bias):
        raise UserError(f"model.forget_bias is {forget_bias}; it must be finite")


# The names by which JAX knows how exact products of float32 are to be.
PRECISIONS = {"float32": "float32", "tf32": "tensorfloat32", "bfloat16": None}


def resolve_dtype(dtype: str) -> str:
    """Returns `dtype`, or what "auto" is on this platform."""
    if dtype != "auto":
        return dtype
    return "bfloat16" if get_platform() == "tpu" else "float32"


def with_matmul_precision(dtype: str) -> Callable[[Callable], Callable]:
    """A decorator: within the function, products are as exact as `dtype` says.

    On a CPU they are exact in any case, and asking for it could cost a fast path.
    """

    def decorate(function):
        @functools.wraps(function)
        def within(*args):
            name = None if get_platform() == "cpu" else PRECISIONS[dtype]
            with jax.default_matmul_precision(name):
                return function(*args)

        return within

    return decorate


def _cast(params, dtype):
    """The weights in the type that products run in; biases stay float32."""
    return jax.tree.map(lambda p: p.astype(dtype) if p.ndim > 1 else p, params)
