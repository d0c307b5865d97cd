"""streams[i]: the batch of step i, a pure function of i."""

import dataclasses
import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Int, Integer

from charlm.errors import UserError


class Batch(NamedTuple):
    """One window of every stream.

    Attributes:
      inputs: ids of the characters read.
      targets: ids of the characters that follow them.
      fresh: whether the stream starts from the zero carry here.
    """

    inputs: Int[Array | np.ndarray, "t b"]
    targets: Int[Array | np.ndarray, "t b"]
    fresh: Bool[Array | np.ndarray, " b"]


@dataclasses.dataclass(frozen=True, eq=False)
class Streams:
    """A text cut into `batch_size` contiguous streams, each read window by window.

    Window i + 1 continues window i; after the last window of an epoch, all streams
    start again. What does not fill a window of every stream, the text's tail of fewer
    than batch_size * seq_length + 1 characters, is never read.

    Attributes:
      ids: the text.
      batch_size: streams, b.
      seq_length: characters in a window, t.
      reset_probability: how likely a stream is to be `fresh` in any window, besides
        the first of each epoch: without it, states far from zero are all that a long
        run knows, and a reader who starts from zero may never find the way back.
      seed: of those resets.
    """

    ids: np.ndarray
    batch_size: int
    seq_length: int
    reset_probability: float = 0.0
    seed: int = 0

    def __post_init__(self):
        if self.windows < 1:
            raise UserError(
                f"the text to train on has {len(self.ids)} characters, but a batch of"
                f" {self.batch_size} streams x {self.seq_length} characters needs"
                f" {self.batch_size * self.seq_length + 1}: lower train.batch_size or"
                " train.seq_length, or give more text"
            )

    @property
    def windows(self) -> int:
        """Windows in an epoch."""
        return (len(self.ids) - 1) // (self.batch_size * self.seq_length)

    def __getitem__(self, i: int) -> Batch:
        """The batch of step i, cut on the host."""
        if i < 0:
            raise IndexError(f"step {i}: steps count from 0")
        window = self.read(i).astype(np.int32)
        return Batch(window[:-1], window[1:], np.asarray(self._fresh_jit(i)))

    def read(self, i: int) -> Integer[np.ndarray, "n b"]:
        """ids[t + 1, b] of the window of step i, the character after it included."""
        starts = np.arange(self.batch_size) * self.windows * self.seq_length
        return self.ids[self._places(np, starts, i)]

    def batch(self, window: Integer[Array, "n b"], i: Int[Array, ""]) -> Batch:
        """The batch of step i from what `read` gives; for use inside jit."""
        window = window.astype(jnp.int32)
        return Batch(window[:-1], window[1:], self._fresh(i))

    def cut(self, ids: Integer[Array, " n"], i: Int[Array, ""]) -> Batch:
        """The batch of step i, cut from the text on the device; for use inside jit."""
        starts = jnp.arange(self.batch_size) * (self.windows * self.seq_length)
        return self.batch(ids[self._places(jnp, starts, i)], i)

    def _places(self, xp, starts, i):
        """places[t + 1, b] in the text of the window of step i."""
        offset = i % self.windows * self.seq_length
        return offset + starts[None, :] + xp.arange(self.seq_length + 1)[:, None]

    def _fresh(self, i):
        key = jax.random.fold_in(jax.random.key(self.seed), i)
        resets = jax.random.bernoulli(key, self.reset_probability, (self.batch_size,))
        return resets | (i % self.windows == 0)

    @functools.cached_property
    def _fresh_jit(self):
        return jax.jit(self._fresh)
