"""Draws characters: temperature, top-k, top-p, greedy; the compiled part."""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, Key

from charlm.model.fast_step import make_fast_step
from charlm.model.lm import LanguageModel
from charlm.model.platform import get_platform

CHUNK_READ = 128  # characters of a prompt that are read in one window
CHUNK_DRAWN = 256  # characters that one dispatch draws, at most
PyTree = Any


class SamplingParams(NamedTuple):
    """Sampling options. As arrays they are traced: changing them does not recompile."""

    temperature: float | Array = 1.0  # of the softmax; 0 takes the likeliest symbol
    top_k: int | Array = 0  # draws from the k likeliest symbols; 0 is all
    top_p: float | Array = 1.0  # draws from the likeliest that have probability p


class SamplerState(NamedTuple):
    """State of the sampler between chunks."""

    carry: PyTree  # of the model, after all that was read and drawn
    logits: Float[Array, "b v"]  # of the next character
    position: Int[Array, ""]  # characters drawn so far


class Sampler(NamedTuple):
    """A model's sampling functions, compiled once for any length.

    Attributes:
      pack_params: (params) -> weights, laid out as `decode` reads them.
      prefill: (params, prompt ids[n], num_samples, start=None) -> state after the
        prompt; `start` is the state, of one stream, after what was read before it.
      decode: (weights, state, keys[b], sampling, count, narrow=True) -> (state,
        ids[256, b]), of which the first `count` are drawn and the rest are not. For
        each value of `narrow`, as in sample_logits, there is one program.
    """

    pack_params: Callable[[PyTree], PyTree]
    prefill: Callable[[PyTree, np.ndarray, int], SamplerState]
    decode: Callable[..., tuple[SamplerState, Int[Array, "n b"]]]


def make_sampler(lm: LanguageModel) -> Sampler:
    """Returns the compiled sampler of a model."""
    unroll, fast_step = jax.jit(lm.unroll), make_fast_step(lm)

    @jax.jit
    def read_ids(params, carry, ids, count, logits):
        """Reads the first `count` of ids[n, b], one by one."""

        def body(t, loop):
            return lm.step(params, loop[0], ids[t])

        # The position too: JAX would compile decode twice, for a first chunk whose
        # position is on no particular device, and for the others.
        return *_fold(body, count, len(ids), (carry, logits)), jnp.int32(0)

    @jax.jit
    def make_initial_state(params):
        carry = lm.initial_carry(1)
        shape = jax.eval_shape(lm.step, params, carry, jnp.zeros(1, jnp.int32))[1]
        return SamplerState(carry, jnp.zeros(shape.shape, shape.dtype), jnp.int32(0))

    def prefill(params, prompt, num_samples, start=None):
        """Reads whole windows by unroll, and the rest of the prompt by step."""
        ids = np.asarray(prompt, np.int32)[:, None]  # NumPy: slices compile nothing
        carry, logits, _ = start or make_initial_state(params)
        end = len(prompt) // CHUNK_READ * CHUNK_READ
        for first in range(0, end, CHUNK_READ):
            carry, window = unroll(params, carry, ids[first : first + CHUNK_READ])
            logits = window[-1]
        rest = np.zeros((CHUNK_READ, 1), np.int32)
        rest[: len(ids) - end] = ids[end:]
        carry, logits, position = read_ids(params, carry, rest, len(ids) - end, logits)
        if num_samples > 1:
            carry, logits = _repeat((carry, logits), num_samples)
        return SamplerState(carry, logits, position)

    @functools.partial(jax.jit, static_argnames="narrow")
    def decode(weights, state, keys, sampling, count, narrow=True):
        uniforms = _draw_uniforms(state.position + jnp.arange(CHUNK_DRAWN), keys)

        def draw(t, loop):
            packed, logits, drawn = loop
            ids = sample_logits(uniforms[t], logits, sampling, narrow=narrow)
            packed, logits = fast_step.step(weights, packed, ids)
            return packed, logits, drawn.at[t].set(ids)

        drawn = jnp.zeros((CHUNK_DRAWN, len(keys)), jnp.int32)
        loop = (fast_step.pack_carry(state.carry), state.logits, drawn)
        packed, logits, drawn = _fold(draw, count, CHUNK_DRAWN, loop)
        position = state.position + count
        carry = fast_step.unpack_carry(packed)
        return SamplerState(carry, logits, position), drawn

    return Sampler(jax.jit(fast_step.pack_params), prefill, decode)


@functools.partial(jax.jit, static_argnums=1)
def _repeat(tree, count):
    return jax.tree.map(lambda x: jnp.repeat(x, count, axis=0), tree)


@functools.partial(jax.jit, static_argnums=1)
def make_keys(seed: int | Array, count: int) -> Key[Array, " b"]:
    """Returns the keys of `count` texts; each depends on the seed and its number."""
    fold_in = jax.vmap(jax.random.fold_in, (None, 0))
    return fold_in(jax.random.key(seed), jnp.arange(count))


def _fold(body, count, max_count, loop):
    """Returns the loop's value after body(t, loop) for t from 0 to count - 1.

    A loop whose length is data makes the host of a GPU wait at each turn: off the CPU
    there are `max_count` turns, of which those from `count` on change nothing.
    """

    def run_if_active(t, loop):
        select = functools.partial(jnp.where, t < count)
        return jax.tree.map(select, body(t, loop), loop)

    if get_platform() == "cpu":
        return jax.lax.fori_loop(0, count, body, loop)
    return jax.lax.fori_loop(0, max_count, run_if_active, loop)


@functools.partial(jax.vmap, in_axes=(0, None))
@functools.partial(jax.vmap, in_axes=(None, 0))
def _draw_uniforms(positions, keys):
    """Returns u[n, b] in [0, 1), of n positions in each of b texts by its key."""
    return jax.random.uniform(jax.random.fold_in(keys, positions))


def sample_logits(
    uniforms: Float[Array, " b"],
    logits: Float[Array, "b v"],
    sampling: SamplingParams,
    *,
    narrow: bool = True,
) -> Int[Array, " b"]:
    """Returns ids[b] drawn from the softmax of logits / temperature.

    Args:
      uniforms: in [0, 1): the share of probability before the symbol that is drawn.
      logits: of each symbol.
      sampling: the options.
      narrow: whether to look at top_k and top_p, which takes two sorts.
    """
    likeliest = jnp.argmax(logits, axis=-1).astype(jnp.int32)
    temperature = jnp.asarray(sampling.temperature, jnp.float32)
    logits = logits.astype(jnp.float32)
    # The largest is 0 before the division: a tiny temperature makes no infinities.
    logits = logits - logits.max(axis=-1, keepdims=True)
    scaled = logits / jnp.maximum(temperature, 1e-6)
    p = jnp.exp(scaled)
    p = jnp.where(_keep_likeliest(scaled, sampling), p, 0) if narrow else p
    return jnp.where(temperature > 0, _invert_cdf(p, uniforms), likeliest)


def _invert_cdf(
    p: Float[Array, "b v"], uniforms: Float[Array, " b"]
) -> Int[Array, " b"]:
    """Returns the symbols at which the cumulative p, normalized, exceeds `uniforms`.

    However the sums are rounded, a symbol of no probability is never returned.
    """
    cumulative = jnp.where(p > 0, jnp.cumsum(p, axis=-1), 0)
    total = cumulative.max(axis=-1)
    points = jnp.minimum(uniforms * total, jnp.nextafter(total, 0))
    last = p.shape[-1] - 1
    symbols = jnp.arange(last + 1)
    return jnp.where(cumulative > points[:, None], symbols, last).min(axis=-1)


def _keep_likeliest(
    logits: Float[Array, "b v"], sampling: SamplingParams
) -> Bool[Array, "b v"]:
    """Returns which symbols top-k and then top-p keep; always the likeliest."""
    order = jnp.argsort(-logits, axis=-1)
    rank = jnp.argsort(order, axis=-1)
    top_k = jnp.where(sampling.top_k > 0, sampling.top_k, logits.shape[-1])
    among = jnp.where(rank < top_k, logits, -jnp.inf)
    sorted_p = jnp.take_along_axis(jax.nn.softmax(among, axis=-1), order, axis=-1)
    # A symbol is kept if those likelier than it do not reach p.
    before = jnp.cumsum(sorted_p, axis=-1) - sorted_p
    within = jnp.take_along_axis(before, rank, axis=-1) < sampling.top_p
    return (rank == 0) | ((rank < top_k) & within)
