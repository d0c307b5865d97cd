"""LanguageModel: a stack of recurrent layers under a linear head, as pure functions."""

import contextlib
import dataclasses
import functools
import itertools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, Key

from charlm.config import ModelConfig
from charlm.errors import UserError
from charlm.model.cell import Cell, name_leaves, observe_step
from charlm.model.cells import MAKERS
from charlm.model.dropout import apply_dropout
from charlm.model.matmul import embedding_lookup, matmul_over_time
from charlm.model.platform import get_platform, get_switches
from charlm.model.recurrence import run_stack, unroll_stack

PyTree = Any
# The names by which JAX knows the precision of float32 products.
PRECISIONS = {"highest": "float32", "tf32": "tensorfloat32"}


class LanguageModel(NamedTuple):
    """A character-level language model: four pure functions, and what describes them.

    Attributes:
      config: cell, layers, features, vocab_size, ...; models of equal config compute
        the same and are equal.
      init: (key) -> params, a nested dict of float32 arrays.
      initial_carry: (batch_size) -> the zero carry, one state a layer.
      step: (params, carry, ids[b]) -> (carry, logits[b, v]); one character.
      unroll: (params, carry, ids[t, b], key=None) -> (carry, logits[t, b, v]); a
        window. With a key, dropout is on, as in training; without, it is off.
    """

    config: ModelConfig
    init: Callable[[Key[Array, ""]], PyTree]
    initial_carry: Callable[[int], PyTree]
    step: Callable[[PyTree, PyTree, Int[Array, " b"]], tuple[PyTree, Array]]
    unroll: Callable[..., tuple[PyTree, Float[Array, "t b v"]]]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, LanguageModel) and self.config == other.config

    def __hash__(self) -> int:
        return hash(self.config)


def make_language_model(
    *,
    vocab_size: int,
    cell: str | Cell = "lstm",
    layers: int = 2,
    features: int = 128,
    embedding: int = 0,
    dropout: float = 0.0,
    initializer: str = "char_rnn",
    forget_bias: float = 1.0,
    dtype: str = "auto",
    precision: str = "highest",
) -> LanguageModel:
    """Returns a stack of recurrent layers under a linear head.

    Args:
      vocab_size: v, the number of symbols.
      cell: "lstm", "gru" (char-rnn's), "rnn", or a Cell of your own.
      layers: how many; each reads the one below.
      features: h, the width of each.
      embedding: width of a learned embedding of the characters; 0 reads them one-hot.
      dropout: share of a layer's outputs dropped on the way to the next layer and the
        head, never from step to step. char-rnn (model/LSTM.lua) and torch-rnn
        (LanguageModel.lua) drop there too; neither drops the first layer's inputs.
      initializer: "char_rnn", U(-0.08, 0.08) for all; or "torch_rnn", N(0, 1 / (d + h))
        for a layer of d inputs, zero biases, N(0, 1) for the embedding and torch's
        U(-1 / sqrt(h), 1 / sqrt(h)) for the head. A Cell of your own draws its layers.
      forget_bias: initial bias of the forget gates (an LSTM's only).
      dtype: of matrix products: "float32", "bfloat16", or "auto": bfloat16 on a TPU and
        float32 elsewhere. Parameters, gates and states stay float32.
      precision: of float32 products: "highest", or "tf32", whose inputs an NVIDIA GPU
        rounds to 10 bits of mantissa (a TPU takes three passes, a CPU is exact).

    A value that no model can have is a UserError.
    """
    return build_language_model(ModelConfig(**locals()))  # every argument is an option


def build_language_model(config: ModelConfig) -> LanguageModel:
    """Returns the model of a config, whose `vocab_size` is set."""
    config = dataclasses.replace(config, dtype=resolve_dtype(config.dtype))
    cell = get_cell(config)

    def init(key):
        from charlm.model.parameters import Parameters  # Flax: a sixth of the start

        return Parameters(config, cell).init(key)["params"]

    def initial_carry(batch_size):
        layers = range(config.layers)
        return tuple(cell.initial_state(batch_size, config.features) for _ in layers)

    def step(params, carry, ids):
        run_layers = functools.partial(run_stack, cell.step)
        return _run(config, run_layers, params, carry, ids)

    def unroll(params, carry, ids, key=None):
        run_layers = functools.partial(unroll_stack, cell)
        return _run(config, run_layers, params, carry, ids, key)

    return LanguageModel(config, init, initial_carry, step, unroll)


def observe(
    lm: LanguageModel,
    params: PyTree,
    carry: PyTree,
    ids: Int[Array, " b"],
    edit: Callable[[str, Array], Array] | None = None,
) -> tuple[PyTree, Float[Array, "b v"], dict[str, Array]]:
    """Runs one step with its values shown and, if wanted, changed on the way.

    Args:
      lm, params, carry, ids: as `step` takes them.
      edit: (name, value[b, h]) -> the value in its place, for each name as "layer_0/h".
        What is computed from the value reads the result: an edited c of an LSTM changes
        h, the layers above, and the next step.

    Returns:
      (carry, logits, activations): activations[name][b, h] of every layer. A model that
      is not a stack of cells, as from_nnx makes, shows the arrays of its new carry.
    """
    if not isinstance(lm.config.cell, str | Cell):
        carry, logits = lm.step(params, carry, ids)
        named = name_leaves(carry, "/")
        return carry, logits, {f"carry/{name}": leaf for name, leaf in named.items()}
    cell, layers, activations = get_cell(lm.config), itertools.count(), {}

    def run_layer(layer_params, state, x):
        layer = f"layer_{next(layers)}"

        def edit_value(name, value):
            return edit(f"{layer}/{name}", value) if edit else value

        state, y, values = observe_step(cell, layer_params, state, x, edit_value)
        activations.update({f"{layer}/{name}": values[name] for name in values})
        return state, y

    run_layers = functools.partial(run_stack, run_layer)
    return *_run(lm.config, run_layers, params, carry, ids), activations


def get_cell(config: ModelConfig) -> Cell:
    """Returns the cell of a model's layers; UserError if only its user has it."""
    if isinstance(config.cell, Cell):
        return config.cell
    if config.cell not in MAKERS:
        raise UserError(
            f"cell is {config.cell!r}: this model has a cell of its own; pass the"
            " object that it was trained with, as load_model(workdir, cell=my_cell)"
        )
    return MAKERS[config.cell](config.initializer, config.forget_bias)


def _run(config, run_layers, params, carry, ids, key: Any = None):
    """Returns (carry, logits) of ids[b] or ids[t, b], as run_layers takes them.

    run_layers is (params of some layers, their states, x) -> (states, y).
    """
    with matmul_precision(config):
        params = cast_weights(params, config)
        x: Any = _embed(config, params, jnp.asarray(ids))
        layers = [params[f"layer_{n}"] for n in range(config.layers)]
        drop_key = key if config.dropout else None
        size = len(layers) if drop_key is None else 1  # layers run in one call
        states = ()
        for n in range(0, len(layers), size):
            group = slice(n, n + size)
            new_states, x = run_layers(layers[group], carry[group], x)
            states += new_states
            if drop_key is not None:
                x = apply_dropout(config.dropout, jax.random.fold_in(drop_key, n), x)
        head = params["head"]
        return states, matmul_over_time(x, head["w"]) + head["b"]


def _embed(config, params, ids):
    """Returns what the first layer reads of each id."""
    if config.embedding:
        return embedding_lookup(params["embed"], ids)
    if get_cell(config).reads_ids:
        return ids
    return jax.nn.one_hot(ids, config.vocab_size, dtype=jnp.float32)


def cast_weights(params: PyTree, config: ModelConfig) -> PyTree:
    """Returns params with matrices in the type of products; biases stay float32."""
    dtype = jnp.dtype(config.dtype)
    return jax.tree.map(lambda p: p.astype(dtype) if p.ndim > 1 else p, params)


def resolve_dtype(dtype: str) -> str:
    """Returns `dtype`, or what "auto" is on this platform."""
    if dtype != "auto":
        return dtype
    return "bfloat16" if get_platform() == "tpu" else "float32"


def matmul_precision(config: ModelConfig) -> contextlib.AbstractContextManager:
    """Returns a context in which products are as exact as the config says.

    On a CPU they are exact in any case, and asking for it could cost a fast path.
    """
    exact = get_platform() != "cpu" and config.dtype == "float32"
    return jax.default_matmul_precision(PRECISIONS[config.precision] if exact else None)


def cached_by_config(make: Callable[..., Any]) -> Callable[..., Any]:
    """Returns make(lm, *args), cached by the model's config and this platform.

    So what is compiled for a model serves any other of the same config.
    """

    @functools.lru_cache(maxsize=8)
    def make_once(switches, *args):
        return make(*args)

    @functools.wraps(make)
    def get(*args):
        return make_once(get_switches(), *args)

    return get
