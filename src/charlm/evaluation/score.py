"""The exact loss of a text: stateful, or in windows without earlier context."""

import functools
import math
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from charlm.errors import UserError
from charlm.model import devices
from charlm.model.lm import LanguageModel

PyTree = Any
PIECE = 20  # characters unrolled at once: what they need stays near the core


class Score(NamedTuple):
    """How well a model predicts a text.

    Attributes:
      nats_per_char: the mean cross-entropy; every character but the first is counted,
        once.
      bits_per_char: the same in bits.
      perplexity: exp(nats_per_char).
      characters: how many were counted.
      worst_nats_per_char: the mean of the stream that fared worst.
      streams: the contiguous stretches that the text was read in, each from the zero
        carry.
    """

    nats_per_char: float
    bits_per_char: float
    perplexity: float
    characters: int
    worst_nats_per_char: float
    streams: int


def evaluate(
    lm: LanguageModel,
    params: PyTree,
    ids: np.ndarray,
    *,
    streams: int = 1,
    seq_length: int = 100,
    window: int = 0,
) -> Score:
    """The score of a text.

    Stateful (window 0): the text is read as `streams` contiguous stretches side by
    side, each from the zero carry, which is then handed on to its end; with one stream
    the whole text is one reading. In windows (nanoGPT's protocol): stretches of
    `window` characters, each from the zero carry, `streams` of them at a time.

    Args:
      lm: the model.
      params: its parameters.
      ids: ids[n] of the text, n at least 2; may be memory-mapped.
      streams: stretches read side by side.
      seq_length: characters a dispatch; the score does not depend on it.
      window: characters of a window; 0 is stateful.

    Raises:
      UserError: the text has fewer than 2 characters.
    """
    total = len(ids) - 1
    if total < 1:
        raise UserError(
            f"the text to score has {len(ids)} characters; a score needs 2 or more"
        )
    if window:
        starts = np.arange(0, total, window)
        ends = np.minimum(starts + window, total)
        seq_length = min(seq_length, window)
    else:
        count = min(streams, total)
        bounds = np.arange(count + 1) * total // count
        starts, ends = bounds[:-1], bounds[1:]
    nats, width = np.zeros(len(starts)), min(streams, len(starts))
    for first in range(0, len(starts), width):
        rows = slice(first, first + width)
        nats[rows] = _read(lm, params, ids, starts[rows], ends[rows], width, seq_length)
    mean = math.fsum(nats) / total
    return Score(
        nats_per_char=mean,
        bits_per_char=mean / math.log(2),
        perplexity=math.exp(min(mean, 700)),
        characters=total,
        worst_nats_per_char=float((nats / (ends - starts)).max()),
        streams=len(starts),
    )


def _read(lm, params, ids, starts, ends, width, seq_length) -> np.ndarray:
    """nats[b], summed over the stretches ids[starts[b] : ends[b]], side by side."""
    count = len(starts)
    pad = width - count  # the shape stays, so that nothing recompiles
    starts, ends = np.pad(starts, (0, pad)), np.pad(ends, (0, pad))
    mesh = devices.mesh_of(len(starts))
    params = jax.device_put(params, devices.whole(mesh))
    carry = jax.device_put(lm.initial_carry(len(starts)), devices.by_rows(mesh))
    seq_length = -(-seq_length // PIECE) * PIECE
    score = _scorer_of(lm)
    sums = []
    for offset in range(0, int((ends - starts).max()), seq_length):
        places = offset + starts + np.arange(seq_length + 1)[:, None]
        counted = places[:-1] < ends
        window = np.asarray(ids[np.minimum(places, len(ids) - 1)], np.int32)
        carry, nats = score(params, carry, window[:-1], window[1:], counted)
        sums.append(nats)
    return np.sum(np.asarray(sums, np.float64), axis=0)[:count]


@functools.lru_cache(maxsize=8)
def _scorer_of(lm: LanguageModel):
    """The compiled (params, carry, inputs, targets, counted) -> (carry, nats[b])."""

    def read_piece(params, carry, piece):
        inputs, targets, counted = piece
        carry, logits = lm.unroll(params, carry, inputs)
        log_p = jax.nn.log_softmax(logits.astype(jnp.float32))
        of_target = jnp.take_along_axis(log_p, targets[..., None], axis=-1)[..., 0]
        return carry, -jnp.where(counted, of_target, 0).sum(axis=0)

    @jax.jit
    def score(params, carry, inputs, targets, counted):
        window = (inputs, targets, counted)
        pieces = jax.tree.map(lambda x: x.reshape(-1, PIECE, x.shape[-1]), window)
        carry, nats = jax.lax.scan(functools.partial(read_piece, params), carry, pieces)
        return carry, nats.sum(axis=0)

    return score
