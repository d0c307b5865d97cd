"""Drawing characters: temperature, top-k, top-p, greedy; the compiled part."""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from charlm.model.fast_step import Stepper
from charlm.model.lm import LanguageModel
from charlm.model.platform import get_platform

READ = 128  # characters of a prompt read in one window
DRAW = 256  # characters drawn by one dispatch, at most
PyTree = Any


class SamplingParams(NamedTuple):
    """How to choose among the predictions; all are data, so none recompiles.

    Attributes:
      temperature: of the softmax; 0 takes the likeliest.
      top_k: only the k likeliest symbols; 0 is all.
      top_p: only the likeliest symbols that together have probability p; 1 is all.
    """

    temperature: float | Array = 1.0
    top_k: int | Array = 0
    top_p: float | Array = 1.0


class SamplerState(NamedTuple):
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
      read: (params, prompt ids[n], samples) -> SamplerState, after the prompt.
      draw: (weights, state, keys[b], sampling, count) -> (state, ids[DRAW, b]), of
        which the first `count` are drawn and the rest are not.
    """

    prepare: Callable[[PyTree], PyTree]
    read: Callable[[PyTree, np.ndarray, int], SamplerState]
    draw: Callable[..., tuple[SamplerState, Int[Array, "n b"]]]


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
        return SamplerState(carry, logits, jnp.int32(0))

    @jax.jit
    def draw(weights, sampler_state, keys, sampling, count):
        uniforms = _uniforms(keys, sampler_state.position)

        def body(choose, t, loop):
            state, logits, drawn = loop
            ids = choose(uniforms[t], logits, sampling)
            state, logits = stepper.step(weights, state, ids)
            return state, logits, drawn.at[t].set(ids)

        state = stepper.enter(sampler_state.carry)
        loop = (state, sampler_state.logits, jnp.zeros((DRAW, len(keys)), jnp.int32))
        fold = _fold_by_data if get_platform() == "cpu" else _fold_without_waits
        state, logits, drawn = fold(body, sampling, count, loop)
        position = sampler_state.position + count
        return SamplerState(stepper.leave(state), logits, position), drawn

    return Sampler(jax.jit(stepper.prepare), read, draw)


def _fold_by_data(body, sampling, count, loop):
    """Draws `count` characters, by the branches that `sampling` needs."""
    return jax.lax.fori_loop(0, count, functools.partial(body, choose), loop)


def _fold_without_waits(body, sampling, count, loop):
    """The same, for a device that the host would wait for at each branch in the loop.

    It always takes DRAW steps, of which those from `count` on change nothing.
    """

    def draw_all(loop, *, narrow):
        choose = functools.partial(choose_without_branches, narrow=narrow)

        def body_if_due(t, loop):
            pick = functools.partial(jnp.where, t < count)
            return jax.tree.map(pick, body(choose, t, loop), loop)

        return jax.lax.fori_loop(0, DRAW, body_if_due, loop)

    branches = (functools.partial(draw_all, narrow=narrow) for narrow in (True, False))
    return jax.lax.cond(_is_narrow(sampling), *branches, loop)


def _as_it_is(tree: PyTree) -> PyTree:
    return tree


def _uniforms(keys, position):
    """u[DRAW, b] in [0, 1), of the next draws: of each text by its key."""

    def one(position, key):
        return jax.random.uniform(jax.random.fold_in(key, position))

    over_texts = jax.vmap(one, (None, 0))
    return jax.vmap(over_texts, (0, None))(position + jnp.arange(DRAW), keys)


def choose(
    uniforms: Float[Array, " b"], logits: Float[Array, "b v"], sampling: SamplingParams
) -> Int[Array, " b"]:
    """ids[b] drawn from the softmax of logits / temperature, as `sampling` narrows it.

    Args:
      uniforms: in [0, 1): which share of the probability lies before the symbol drawn.
      logits: of each symbol.
      sampling: how to choose.
    """

    def drawn(logits):
        logits = _scaled(logits, sampling)
        keep = jax.lax.cond(
            _is_narrow(sampling),
            lambda x: _kept(x, sampling),
            lambda x: jnp.ones(x.shape, bool),
            logits,
        )
        return _inverse(jnp.where(keep, jnp.exp(logits), 0), uniforms)

    logits, positive = logits.astype(jnp.float32), jnp.asarray(sampling.temperature) > 0
    return jax.lax.cond(positive, drawn, _likeliest, logits)


def choose_without_branches(
    uniforms: Float[Array, " b"],
    logits: Float[Array, "b v"],
    sampling: SamplingParams,
    *,
    narrow: bool,
) -> Int[Array, " b"]:
    """What `choose` gives; `narrow` says whether `sampling` has a top_k or a top_p."""
    scaled = _scaled(logits.astype(jnp.float32), sampling)
    p = jnp.exp(scaled)
    p = jnp.where(_kept(scaled, sampling), p, 0) if narrow else p
    positive = jnp.asarray(sampling.temperature) > 0
    return jnp.where(positive, _inverse(p, uniforms), _likeliest(logits))


def _is_narrow(sampling: SamplingParams) -> Array:
    return jnp.asarray((sampling.top_k > 0) | (sampling.top_p < 1))


def _likeliest(logits):
    return jnp.argmax(logits, axis=-1).astype(jnp.int32)


def _scaled(logits, sampling: SamplingParams):
    """logits / temperature, the largest of them 0.

    Shifted first: a tiny temperature must not make an infinity of each.
    """
    logits = logits - logits.max(axis=-1, keepdims=True)
    return logits / jnp.maximum(jnp.asarray(sampling.temperature, jnp.float32), 1e-6)


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


def _kept(logits: Float[Array, "b v"], sampling: SamplingParams) -> Bool[Array, "b v"]:
    """Which symbols top-k and then top-p leave; the likeliest always."""
    order = jnp.argsort(-logits, axis=-1)
    rank = jnp.argsort(order, axis=-1)
    top_k = jnp.where(sampling.top_k > 0, sampling.top_k, logits.shape[-1])
    among = jnp.where(rank < top_k, logits, -jnp.inf)
    sorted_p = jnp.take_along_axis(jax.nn.softmax(among, axis=-1), order, axis=-1)
    # A symbol stays if those likelier than it do not reach p yet.
    before = jnp.cumsum(sorted_p, axis=-1) - sorted_p
    within = jnp.take_along_axis(before, rank, axis=-1) < sampling.top_p
    return (rank == 0) | ((rank < top_k) & within)
