"""Drawing characters: temperature, top-k, top-p, greedy; the compiled part."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from charlm.model.lm import LanguageModel
from charlm.model.stepper import Stepper

READ = 128  # characters of a prompt read in one window
DRAW = 256  # characters drawn by one dispatch, at most
PyTree = Any


class Taste(NamedTuple):
    """How to choose among the predictions; all are data, so none recompiles.

    Attributes:
      temperature: of the softmax; 0 takes the likeliest.
      top_k: only the k likeliest symbols; 0 is all.
      top_p: only the likeliest symbols that together have probability p; 1 is all.
    """

    temperature: float | Array = 1.0
    top_k: int | Array = 0
    top_p: float | Array = 1.0


class Writer(NamedTuple):
    """Where a text stands: data, from which drawing goes on.

    Attributes:
      carry: of the model, after all that was read and drawn.
      logits: of the next character.
      position: characters drawn so far.
    """

    carry: PyTree
    logits: Float[Array, "b v"]
    position: Int[Array, ""]


class Sampler(NamedTuple):
    """The functions of a model that writes, compiled once for any length.

    Attributes:
      prepare: (params) -> weights, laid out as `draw` reads them.
      read: (params, prompt ids[n], samples) -> Writer, after the prompt.
      draw: (weights, writer, keys[b], taste, count) -> (writer, ids[DRAW, b]), of which
        the first `count` are drawn and the rest are not.
    """

    prepare: Callable[[PyTree], PyTree]
    read: Callable[[PyTree, np.ndarray, int], Writer]
    draw: Callable[..., tuple[Writer, Int[Array, "n b"]]]


def make_sampler(lm: LanguageModel) -> Sampler:
    """The compiled sampler of a model."""
    unroll = jax.jit(lm.unroll)
    stepper = lm.stepper or Stepper(_as_it_is, _as_it_is, _as_it_is, lm.step)

    @jax.jit
    def read_some(params, carry, ids, count, logits):
        """Reads the first `count` of ids[n, b], one by one."""

        def body(t, read):
            return lm.step(params, read[0], ids[t])

        return jax.lax.fori_loop(0, count, body, (carry, logits))

    def read(params, prompt, samples):
        """Whole windows by unroll, what is left of the prompt by step."""
        carry = lm.initial_carry(1)
        ids = np.asarray(prompt, np.int32)[:, None]  # NumPy: slices compile nothing
        shape = jax.eval_shape(lm.step, params, carry, jnp.zeros(1, jnp.int32))[1]
        logits = jnp.zeros(shape.shape, shape.dtype)
        whole = len(prompt) // READ * READ
        for start in range(0, whole, READ):
            carry, window = unroll(params, carry, ids[start : start + READ])
            logits = window[-1]
        rest = np.zeros((READ, 1), np.int32)
        rest[: len(ids) - whole] = ids[whole:]
        carry, logits = read_some(params, carry, rest, len(ids) - whole, logits)
        carry, logits = jax.tree.map(
            lambda x: jnp.repeat(x, samples, axis=0), (carry, logits)
        )
        return Writer(carry, logits, jnp.int32(0))

    @jax.jit
    def draw(weights, writer, keys, taste, count):
        uniforms = _uniforms(keys, writer.position)

        def body(t, loop):
            state, logits, drawn = loop
            ids = choose(uniforms[t], logits, taste)
            state, logits = stepper.step(weights, state, ids)
            return state, logits, drawn.at[t].set(ids)

        state = stepper.enter(writer.carry)
        drawn = jnp.zeros((DRAW, len(keys)), jnp.int32)
        loop = jax.lax.fori_loop(0, count, body, (state, writer.logits, drawn))
        state, logits, drawn = loop
        position = writer.position + count
        return Writer(stepper.leave(state), logits, position), drawn

    return Sampler(jax.jit(stepper.prepare), read, draw)


def _as_it_is(tree: PyTree) -> PyTree:
    return tree


def _uniforms(keys, position):
    """u[DRAW, b] in [0, 1), of the next draws: of each text by its key."""

    def one(position, key):
        return jax.random.uniform(jax.random.fold_in(key, position))

    over_texts = jax.vmap(one, (None, 0))
    return jax.vmap(over_texts, (0, None))(position + jnp.arange(DRAW), keys)


def choose(
    uniforms: Float[Array, " b"], logits: Float[Array, "b v"], taste: Taste
) -> Int[Array, " b"]:
    """ids[b] drawn from the softmax of logits / temperature, as `taste` narrows it.

    Args:
      uniforms: in [0, 1): which share of the probability lies before the symbol drawn.
      logits: of each symbol.
      taste: how to choose.
    """
    logits = logits.astype(jnp.float32)
    temperature = jnp.asarray(taste.temperature, jnp.float32)

    def drawn(logits):
        # Shifted first: a tiny temperature must not make an infinity of each.
        logits = logits - logits.max(axis=-1, keepdims=True)
        logits = logits / jnp.maximum(temperature, 1e-6)
        narrow = (taste.top_k > 0) | (taste.top_p < 1)
        keep = jax.lax.cond(
            narrow, lambda x: _kept(x, taste), lambda x: jnp.ones(x.shape, bool), logits
        )
        return _inverse(jnp.where(keep, jnp.exp(logits), 0), uniforms)

    def likeliest(logits):
        return jnp.argmax(logits, axis=-1).astype(jnp.int32)

    return jax.lax.cond(temperature > 0, drawn, likeliest, logits)


def _inverse(p: Float[Array, "b v"], uniforms: Float[Array, " b"]) -> Int[Array, " b"]:
    """The symbols at which the cumulated p, in proportion, pass `uniforms`.

    Whatever the sums round to, a symbol of no probability is never one of them.
    """
    cumulated = jnp.where(p > 0, jnp.cumsum(p, axis=-1), 0)
    whole = cumulated.max(axis=-1)
    points = jnp.minimum(uniforms * whole, jnp.nextafter(whole, 0))
    last = p.shape[-1] - 1
    symbols = jnp.arange(last + 1)
    return jnp.where(cumulated > points[:, None], symbols, last).min(axis=-1)


def _kept(logits: Float[Array, "b v"], taste: Taste) -> Bool[Array, "b v"]:
    """Which symbols top-k and then top-p leave; the likeliest always."""
    order = jnp.argsort(-logits, axis=-1)
    rank = jnp.argsort(order, axis=-1)
    top_k = jnp.where(taste.top_k > 0, taste.top_k, logits.shape[-1])
    among = jnp.where(rank < top_k, logits, -jnp.inf)
    sorted_p = jnp.take_along_axis(jax.nn.softmax(among, axis=-1), order, axis=-1)
    # A symbol stays if those likelier than it do not reach p yet.
    before = jnp.cumsum(sorted_p, axis=-1) - sorted_p
    within = jnp.take_along_axis(before, rank, axis=-1) < taste.top_p
    return (rank == 0) | ((rank < top_k) & within)
