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
    """One window of every stream: ids, and those of the characters that follow them."""

    inputs: Int[Array | np.ndarray, "t b"]
    targets: Int[Array | np.ndarray, "t b"]
    reset: Bool[Array | np.ndarray, " b"]  # whether a stream starts from the zero carry


@dataclasses.dataclass(frozen=True, eq=False)
class Streams:
    """A text cut into `batch_size` contiguous streams, each read window by window.

    Window i + 1 continues window i; after the last window of an epoch, all streams
    start again. The text's tail, fewer than batch_size * seq_length + 1 characters that
    do not fill a window of every stream, is never read.

    Attributes:
      ids: the text.
      batch_size: streams, b.
      seq_length: characters in a window, t.
      reset_probability: how likely a stream starts from the zero carry in any window,
        besides the first of each epoch. Without resets a long run rarely sees the zero
        state, and generation, which starts there, may never recover.
      seed: of those resets.
    """

    ids: np.ndarray
    batch_size: int
    seq_length: int
    reset_probability: float = 0.0
    seed: int = 0

    def __post_init__(self):
        if self.steps_per_epoch < 1:
            raise UserError(
                f"the text to train on has {len(self.ids)} characters, but a batch of"
                f" {self.batch_size} streams x {self.seq_length} characters needs"
                f" {self.batch_size * self.seq_length + 1}: lower batch_size or"
                " seq_length, or give more text"
            )

    @property
    def steps_per_epoch(self) -> int:
        """The number of windows in an epoch, each a training step."""
        return (len(self.ids) - 1) // (self.batch_size * self.seq_length)

    def __getitem__(self, i: int) -> Batch:
        """Returns the batch of step i, cut on the host."""
        if i < 0:
            raise IndexError(f"step {i}: steps count from 0")
        window = self.read(i).astype(np.int32)
        return Batch(window[:-1], window[1:], np.asarray(self._jitted_reset(i)))

    def read(self, i: int) -> Integer[np.ndarray, "n b"]:
        """Returns ids[t + 1, b]: the window of step i and the character after it."""
        return self.ids[self._get_indices(np, i)]

    def batch(self, window: Integer[Array, "n b"], i: Int[Array, ""]) -> Batch:
        """Returns the batch of step i from what `read` returns; for use inside jit."""
        window = window.astype(jnp.int32)
        return Batch(window[:-1], window[1:], self._reset(i))

    def device_batch(self, ids: Integer[Array, " n"], i: Int[Array, ""]) -> Batch:
        """Returns the batch of step i from ids on the device; for use inside jit."""
        return self.batch(ids[self._get_indices(jnp, i)], i)

    def _get_indices(self, xp, i):
        """Returns indices[t + 1, b] into the text of the window of step i."""
        starts = xp.arange(self.batch_size) * (self.steps_per_epoch * self.seq_length)
        offset = i % self.steps_per_epoch * self.seq_length
        return offset + starts[None, :] + xp.arange(self.seq_length + 1)[:, None]

    def _reset(self, i):
        key = jax.random.fold_in(jax.random.key(self.seed), i)
        resets = jax.random.bernoulli(key, self.reset_probability, (self.batch_size,))
        return resets | (i % self.steps_per_epoch == 0)

    @functools.cached_property
    def _jitted_reset(self):
        return jax.jit(self._reset)
