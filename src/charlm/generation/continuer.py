"""Continuer: continues a text that grows, and reads no character of it twice."""

from collections.abc import Iterator
from functools import partial

import jax
import numpy as np

from charlm.generation.generate import (
    Model,
    TextDecoder,
    check_sampling,
    draw_chunks,
    encode_prompt,
    get_sampler,
)
from charlm.generation.sampler import CHUNK_READ, SamplerState, SamplingParams
from charlm.model.jax_setup import iterate

MAX_READ = 4096  # characters before the cursor that are read, where none were before
STRIDE = 4 * CHUNK_READ  # characters between two states that are kept
MAX_STATES = 64


class Continuer:
    """Draws continuations with one model, and keeps its states after earlier prompts.

    A prompt that begins as the one before is read from there on. So the time to the
    first character depends on what was written since, not on the length of the text.
    """

    def __init__(self, model: Model):
        lm, params, self._vocab = model
        self._sampler = get_sampler(lm)
        self._params = jax.device_put(params, jax.local_devices()[0])
        self._decode = partial(
            self._sampler.decode, self._sampler.pack_params(self._params)
        )
        self._ids = np.zeros(0, np.int32)  # the prompt before
        self._states: dict[int, SamplerState] = {}  # by how much of it was read

    def draw(
        self,
        prompt: str | bytes,
        *,
        num_samples: int,
        length: int,
        sampling: SamplingParams,
        seed: int,
        chunk: int = 16,
    ) -> Iterator[list[str]]:
        """Returns an iterator over the next chunk of each continuation of `prompt`.

        While it reads, the chunks are empty. Of what is new in the prompt, the last
        4096 characters are read. Once the next iterator is begun, this one may not be
        continued. The arguments and errors are those of `generate_batch`.
        """
        check_sampling(length, sampling, seed, num_samples, chunk)
        ids = encode_prompt(prompt, self._vocab)

        def generate_chunks():
            for _ in self._read(ids):
                yield [""] * num_samples
            state = self._sampler.prefill(
                self._params, [], num_samples, self._states.get(len(ids))
            )
            texts = [TextDecoder(self._vocab, "") for _ in range(num_samples)]
            yield from draw_chunks(
                self._decode, state, texts, length, sampling, seed, chunk
            )

        return iterate(generate_chunks())

    def _read(self, ids: np.ndarray) -> Iterator[None]:
        """Reads a prompt, and stops after each stride; keeps the states."""
        size = min(len(ids), len(self._ids))
        differs = np.flatnonzero(ids[:size] != self._ids[:size])
        same = differs[0] if differs.size else size
        known = sorted(n for n in self._states if n <= same)[-MAX_STATES:]
        self._ids, self._states = ids, {n: self._states[n] for n in known}
        start = known[-1] if known else 0
        if len(ids) - start > MAX_READ:
            start = len(ids) - MAX_READ
        while start < len(ids):
            end = min(start + STRIDE, len(ids))
            state = self._sampler.prefill(
                self._params, ids[start:end], 1, self._states.get(start)
            )
            self._states[end], start = state, end
            yield
