"""Flax modules as cells and language models, and the other way round."""

import functools
from collections.abc import Callable
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array

from charlm.config import ModelConfig
from charlm.model.cell import Cell
from charlm.model.lm import LanguageModel

PyTree = Any


def from_linen(cell: Callable[..., Any]) -> Cell:
    """Returns a linen recurrent cell as a Cell.

    Args:
      cell: a subclass of nn.RNNCellBase, as nn.OptimizedLSTMCell, or a function that
        makes one: it is called with `features`.
    """

    def init(key, d, h):
        module = cell(features=h)
        carry = module.initialize_carry(jax.random.key(0), (1, d))
        return module.init(key, carry, jnp.zeros((1, d)))["params"]

    def initial_state(batch_size, h):
        carry = cell(features=h).initialize_carry(jax.random.key(0), (batch_size, 1))
        # An array for each leaf: one used twice could not be donated.
        return jax.tree.map(jnp.array, carry)

    def step(params, state, x):
        features = jax.tree.leaves(state)[0].shape[-1]
        return cell(features=features).apply({"params": params}, state, x)

    return Cell(init=init, initial_state=initial_state, step=step)


def from_nnx(make: Callable[..., nnx.Module], *, vocab_size: int = 0) -> Any:
    """Returns an nnx recurrent cell as a Cell, or an nnx model as a LanguageModel.

    Args:
      make: without a `vocab_size` a class of cell, as nnx.OptimizedLSTMCell: it is
        called with `in_features`, `hidden_features` and `rngs`. With one it makes a
        language model, make(rngs=rngs), with two methods: initialize_carry(batch_size),
        and a call (carry, ids[b]) -> (carry, logits[b, v]).
      vocab_size: v, the number of symbols.
    """
    return _from_nnx_model(make, vocab_size) if vocab_size else _from_nnx_cell(make)


def _from_nnx_cell(make: Callable[..., Any]) -> Cell:
    def build(d, h, key=0):
        return make(in_features=d, hidden_features=h, rngs=nnx.Rngs(key))

    def init(key, d, h):
        return _get_params(build(d, h, key))

    def initial_state(batch_size, h):
        carry = build(1, h).initialize_carry((batch_size, 1), nnx.Rngs(0))
        return jax.tree.map(jnp.array, carry)

    def step(params, state, x):
        h = jax.tree.leaves(state)[0].shape[-1]
        return _merge(lambda: build(x.shape[-1], h), params)(state, x)

    return Cell(init=init, initial_state=initial_state, step=step)


def _from_nnx_model(make: Callable[..., Any], vocab_size: int) -> LanguageModel:
    def init(key):
        return _get_params(make(rngs=nnx.Rngs(key)))

    def initial_carry(batch_size):
        carry = make(rngs=nnx.Rngs(0)).initialize_carry(batch_size)
        return jax.tree.map(jnp.array, carry)

    def step(params, carry, ids):
        module = _merge(lambda: make(rngs=nnx.Rngs(0)), params)
        return module(carry, jnp.asarray(ids))

    def unroll(params, carry, ids, key=None):
        return jax.lax.scan(functools.partial(step, params), carry, jnp.asarray(ids))

    # The functions stand for the cell: models of other functions are other models.
    config = ModelConfig(vocab_size=vocab_size, cell=(init, step), dtype="float32")
    return LanguageModel(config, init, initial_carry, step, unroll)


def _get_params(module: nnx.Module) -> PyTree:
    return nnx.to_pure_dict(nnx.state(module, nnx.Param))


def _merge(make: Callable[[], nnx.Module], params: PyTree) -> Any:
    """Returns a module with `params`; its other state, as keys, must not be used."""
    graph, state, rest = nnx.split(nnx.eval_shape(make), nnx.Param, ...)
    nnx.replace_by_pure_dict(state, params)
    return nnx.merge(graph, state, rest)


def to_linen(lm: LanguageModel) -> nn.Module:
    """Returns a linen module with the parameters of a model.

    `module.init(key, ids)` makes {"params": ...}, and `module.apply({"params": params},
    ids, carry)` gives (carry, logits) of ids[t, b] as lm.unroll does, from the zero
    carry without one.
    """
    return _LinenModel(lm=lm)


class _LinenModel(nn.Module):
    lm: LanguageModel

    @nn.compact
    def __call__(self, ids: Array, carry: PyTree = None) -> tuple[PyTree, Array]:
        if self.is_initializing():
            initial = self.lm.init(self.make_rng("params"))
        else:  # Flax compares the shapes
            initial = jax.eval_shape(self.lm.init, jax.random.key(0))
        params = {
            name: self.param(name, lambda key, value=value: value)
            for name, value in initial.items()
        }
        carry = self.lm.initial_carry(ids.shape[1]) if carry is None else carry
        return self.lm.unroll(params, carry, ids)
