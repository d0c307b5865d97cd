"""Generates text: prompts, many samples, a stop string, an endless stream."""

import codecs
import itertools
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

import jax
import numpy as np

from charlm.data.vocab import Vocab
from charlm.generation.sampler import (
    CHUNK_DRAWN,
    SamplerState,
    SamplingParams,
    make_keys,
    make_sampler,
)
from charlm.model.jax_setup import iterate
from charlm.model.lm import LanguageModel, cached_by_config
from charlm.options import MAX_COUNT, check_number

PyTree = Any
Model = tuple[LanguageModel, PyTree, Vocab]
DEFAULTS = SamplingParams()
MAX_SAMPLES = 2**16

get_sampler = cached_by_config(make_sampler)


def generate(
    model: Model,
    prompt: str | bytes = "",
    *,
    length: int = 500,
    sampling: SamplingParams = DEFAULTS,
    seed: int = 0,
    stop: str = "",
) -> str:
    """Returns a text that follows `prompt`, without it.

    Args:
      model: (lm, params, vocab), as load_model returns.
      prompt: what the model reads first. Without one it starts as after a newline, if
        it has that symbol, and from its zero state otherwise.
      length: characters to draw (bytes, for a vocabulary of bytes).
      sampling: temperature, top_k, top_p.
      seed: of the draws.
      stop: the text ends before the first occurrence of this.

    Unseen characters in the prompt are a UserError, and so are impossible values.
    """
    [text] = generate_batch(
        model, prompt, length=length, sampling=sampling, seed=seed, stop=stop
    )
    return text


def generate_batch(
    model: Model,
    prompt: str | bytes = "",
    *,
    num_samples: int = 1,
    length: int = 500,
    sampling: SamplingParams = DEFAULTS,
    seed: int = 0,
    stop: str = "",
) -> list[str]:
    """Returns many texts, drawn side by side; text n depends on the seed and n alone.

    The arguments are those of `generate`.
    """
    chunks = _generate_chunks(
        model, prompt, length, sampling, seed, stop, num_samples, CHUNK_DRAWN
    )
    return ["".join(texts) for texts in zip(*chunks, strict=True)] or [""] * num_samples


def generate_stream(
    model: Model,
    prompt: str | bytes = "",
    *,
    length: int | None = None,
    sampling: SamplingParams = DEFAULTS,
    seed: int = 0,
    stop: str = "",
    chunk: int = 16,
) -> Iterator[str]:
    """Returns an iterator over the text of `generate`, in chunks, as they are drawn.

    What may be the beginning of `stop` is held back until it is known not to be. Wrong
    arguments raise UserError at the call, before anything is drawn.

    Args:
      length: characters to draw; None never ends, and memory does not grow.
      chunk: characters drawn between two chunks, at most 256.
      model, prompt, sampling, seed, stop: as in `generate`.
    """
    chunks = _generate_chunks(model, prompt, length, sampling, seed, stop, 1, chunk)
    return (text for [text] in chunks)


def _generate_chunks(
    model, prompt, length, sampling, seed, stop, num_samples, chunk
) -> Iterator[list[str]]:
    """Returns an iterator over the next chunk of each text."""
    check_sampling(length, sampling, seed, num_samples, chunk)
    lm, params, vocab = model
    prompt_ids = encode_prompt(prompt, vocab)

    def generate_chunks():
        sampler = get_sampler(lm)
        params_here = jax.device_put(params, jax.local_devices()[0])
        state = sampler.prefill(params_here, prompt_ids, num_samples)
        decode = partial(sampler.decode, sampler.pack_params(params_here))
        texts = [TextDecoder(vocab, stop) for _ in range(num_samples)]
        yield from draw_chunks(decode, state, texts, length, sampling, seed, chunk)

    return iterate(generate_chunks())


def draw_chunks(
    decode: Callable[..., tuple[SamplerState, jax.Array]],
    state: SamplerState,
    texts: Sequence["TextDecoder"],
    length: int | None,
    sampling: SamplingParams,
    seed: int,
    chunk: int,
) -> Iterator[list[str]]:
    """Yields the next chunk of each text, drawn from the state after the prompt.

    Args:
      decode: the sampler's, with the weights.
      state: of as many streams as there are texts.
      texts: decoders of what is drawn.
      length, sampling, seed, chunk: as in `generate_stream`.
    """
    # NumPy's numbers: a conversion by JAX would be a program to compile, or to load.
    keys = make_keys(np.uint32(seed), len(texts))
    temperature, top_k, top_p = sampling
    numbers: Any = np.float32(temperature), np.int32(top_k), np.float32(top_p)
    options = SamplingParams(*numbers)
    narrow = top_k > 0 or top_p < 1
    for drawn in itertools.count(step=chunk):
        count = chunk if length is None else min(chunk, length - drawn)
        if count <= 0 or all(text.ended for text in texts):
            break
        state, ids = decode(state, keys, options, count, narrow=narrow)
        rows = np.asarray(ids)[:count].T
        yield [text.add(row) for text, row in zip(texts, rows, strict=True)]
    rest = [text.add([], final=True) for text in texts]
    if any(rest):
        yield rest


class TextDecoder:
    """Decodes ids to text: whole characters only, and nothing past the stop string."""

    def __init__(self, vocab: Vocab, stop: str):
        self._vocab, self._stop = vocab, stop
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._pending = ""  # may be the beginning of the stop string
        self.ended = False

    def add(self, ids: Sequence[int] | np.ndarray, *, final: bool = False) -> str:
        """Returns the text that the next ids[n] complete; if final, all the rest."""
        if self.ended:
            return ""
        new = self._decoder.decode(self._vocab.decode_bytes(ids), final)
        text, self._pending = self._pending + new, ""
        if self._stop and self._stop in text:
            self.ended = True
            return text[: text.index(self._stop)]
        longest = 0 if final else min(len(self._stop) - 1, len(text))
        for size in range(longest, 0, -1):
            if text.endswith(self._stop[:size]):
                self._pending = text[-size:]
                return text[:-size]
        return text


def encode_prompt(prompt: str | bytes, vocab: Vocab) -> np.ndarray:
    """Returns ids[n] of a prompt; of an empty one, those of a newline."""
    if prompt:
        return vocab.encode(prompt, what="the prompt")
    newline = vocab.ids_of(np.asarray([ord("\n")]))
    return newline[newline >= 0]


def check_sampling(length, sampling, seed, num_samples, chunk) -> None:
    """Raises UserError for impossible values."""
    check_number("length", length or 0, low=0)
    check_number("temperature", sampling.temperature, low=0, high=1e6)
    check_number("top_k", sampling.top_k, low=0, high=MAX_COUNT)
    check_number("top_p", sampling.top_p, above=0, high=1)
    check_number("seed", seed, low=0, high=2**32 - 1)
    check_number("num_samples", num_samples, low=1, high=MAX_SAMPLES)
    check_number("chunk", chunk, low=1, high=CHUNK_DRAWN)
