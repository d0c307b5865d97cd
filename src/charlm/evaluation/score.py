"""The exact loss of a text: stateful, or in windows without earlier context."""

import math
from collections.abc import Iterator
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Integer

from charlm.errors import UserError
from charlm.model import sharding
from charlm.model.jax_setup import own_settings
from charlm.model.lm import LanguageModel, cached_by_config
from charlm.model.platform import get_platform

PyTree = Any
CHUNK_CHARS = 20  # unrolled at once on a CPU, so that their arrays stay in the cache
# On an accelerator, bytes a character needs for each number of the carry and for each
# symbol, at most: cuDNN keeps six numbers a unit, and JAX allocates four times that.
CARRY_BYTES, SYMBOL_BYTES = 64, 16


class Score(NamedTuple):
    """How well a model predicts a text."""

    nats_per_char: float  # mean cross-entropy; all but the first character count, once
    bits_per_char: float  # the same in bits
    perplexity: float  # exp(nats_per_char)
    characters: int  # how many were counted
    worst_nats_per_char: float  # the mean of the stream that fared worst
    streams: int  # contiguous stretches that were read, each from the zero carry


@own_settings()
def score(
    lm: LanguageModel,
    params: PyTree,
    ids: np.ndarray,
    *,
    streams: int = 1,
    seq_length: int = 100,
    window: int = 0,
) -> Score:
    """Returns the score of a text.

    The text is read in contiguous stretches, each from the zero carry, which is then
    handed on to its end.

    Args:
      lm, params: the model.
      ids: ids[n] of the text, n at least 2; may be memory-mapped.
      streams: stretches read side by side; with 1 the whole text is one reading.
      seq_length: characters a dispatch, at least: an accelerator reads as many as its
        memory allows. The score does not depend on it.
      window: characters of a stretch (nanoGPT's protocol), `streams` at a time; 0 cuts
        the text into `streams` stretches.

    A text of fewer than 2 characters is a UserError.
    """
    starts, ends = _split(ids, streams)
    total = len(ids) - 1
    if window:
        starts = np.arange(0, total, window)
        ends = np.minimum(starts + window, total)
        seq_length = min(seq_length, window)
    nats, width = np.zeros(len(starts)), min(streams, len(starts))
    for first in range(0, len(starts), width):
        rows = slice(first, first + width)
        windows = _read(lm, params, ids, starts[rows], ends[rows], width, seq_length)
        sums = [row_sums for _, _, row_sums in windows]
        nats[rows] = np.sum(np.asarray(sums, np.float64), axis=0)[: len(starts[rows])]
    mean = math.fsum(nats) / total
    return Score(
        nats_per_char=mean,
        bits_per_char=mean / math.log(2),
        perplexity=math.exp(min(mean, 700)),
        characters=total,
        worst_nats_per_char=float((nats / (ends - starts)).max()),
        streams=len(starts),
    )


@own_settings()
def compute_log_probabilities(
    lm: LanguageModel,
    params: PyTree,
    ids: Integer[np.ndarray, " n"],
    *,
    streams: int = 1,
    seq_length: int = 100,
) -> Float[np.ndarray, " n-1"]:
    """Returns the log-probability of each character but the first, in nats.

    The text is read as `score` reads it, with the same arguments. The score is minus
    their mean.
    """
    starts, ends = _split(ids, streams)
    log_p = np.zeros(len(ids) - 1, np.float32)
    width = len(starts)
    for positions, nats, _ in _read(lm, params, ids, starts, ends, width, seq_length):
        counted = positions < ends
        log_p[positions[counted]] = -np.asarray(nats)[counted]
    return log_p


def _split(ids, streams: int) -> tuple[np.ndarray, np.ndarray]:
    """Returns the starts and ends of `streams` stretches, or fewer of a tiny text."""
    if len(ids) < 2:
        raise UserError(
            f"the text to score has {len(ids)} characters; a score needs 2 or more"
        )
    count = min(streams, len(ids) - 1)
    bounds = np.arange(count + 1) * (len(ids) - 1) // count
    return bounds[:-1], bounds[1:]


def _read(
    lm, params, ids, starts, ends, width, seq_length
) -> Iterator[tuple[np.ndarray, jax.Array, jax.Array]]:
    """Yields the windows of the stretches ids[starts[b] : ends[b]], read side by side.

    Each is (positions[t, b], nats[t, b], the sums over t): nats of the characters after
    these positions, and 0 past a stretch's end.
    """
    pad = width - len(starts)  # the shape stays, so that nothing recompiles
    starts, ends = np.pad(starts, (0, pad)), np.pad(ends, (0, pad))
    mesh = sharding.make_mesh(len(starts))
    params = jax.device_put(params, sharding.replicate(mesh))
    carry = jax.device_put(lm.initial_carry(len(starts)), sharding.shard_rows(mesh))
    longest, symbols = int((ends - starts).max()), lm.config.vocab_size
    seq_length = _compute_dispatch_length(carry, symbols, seq_length, longest)
    score_window = get_scorer(lm)
    for offset in range(0, longest, seq_length):
        positions = offset + starts + np.arange(seq_length + 1)[:, None]
        counted = positions[:-1] < ends
        window = np.asarray(ids[np.minimum(positions, len(ids) - 1)], np.int32)
        carry, nats, sums = score_window(
            params, carry, window[:-1], window[1:], counted
        )
        yield positions[:-1], nats, sums


def _compute_dispatch_length(carry, symbols: int, seq_length: int, longest: int) -> int:
    """Returns the characters of each stretch that one dispatch reads.

    On a CPU they are `seq_length` in whole chunks. On an accelerator each dispatch
    costs calls and waits, and they are as many as an eighth of its memory holds: a
    power of two, so that few lengths are compiled, and none beyond the longest stretch.
    """
    if get_platform() == "cpu":
        return -(-seq_length // CHUNK_CHARS) * CHUNK_CHARS
    numbers = sum(leaf.size for leaf in jax.tree.leaves(carry))
    width = len(jax.tree.leaves(carry)[0])
    bytes_per_char = CARRY_BYTES * numbers + SYMBOL_BYTES * symbols * width
    fitting = max(1, sharding.get_memory() // 8 // bytes_per_char)
    length = min(1 << (fitting.bit_length() - 1), 1 << (longest - 1).bit_length())
    return max(seq_length, length)


def make_scorer(lm: LanguageModel):
    """Returns (params, carry, inputs, targets, counted) -> (carry, nats, sums), jitted.

    inputs, targets and counted are [t, b]; nats[t, b] is 0 where nothing is counted;
    sums[b] are over t.
    """

    @jax.jit
    def score_window(params, carry, inputs, targets, counted):
        def read_chunk(carry, chunk):
            inputs, targets, counted = chunk
            carry, logits = lm.unroll(params, carry, inputs)
            log_p = jax.nn.log_softmax(logits.astype(jnp.float32))
            log_p = jnp.take_along_axis(log_p, targets[..., None], axis=-1)[..., 0]
            return carry, -jnp.where(counted, log_p, 0)

        window = (inputs, targets, counted)
        size = CHUNK_CHARS if get_platform() == "cpu" else len(inputs)
        chunks = jax.tree.map(lambda x: x.reshape(-1, size, x.shape[-1]), window)
        carry, nats = jax.lax.scan(read_chunk, carry, chunks)
        return carry, nats.reshape(inputs.shape), nats.sum(axis=1).sum(axis=0)

    return score_window


get_scorer = cached_by_config(make_scorer)
