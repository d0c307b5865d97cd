"""Text as it is drawn: prompts, many samples, a stop string, an endless stream."""

import codecs
import functools
import itertools
from collections.abc import Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from charlm.data.vocab import Vocab
from charlm.errors import UserError
from charlm.generation.sampler import DRAW, Sampler, SamplingParams, make_sampler
from charlm.model.lm import LanguageModel

PyTree = Any

# A sampler is compiled once for each model, however often it is asked to write.
_sampler_of = functools.lru_cache(maxsize=8)(make_sampler)


def sample(
    lm: LanguageModel,
    params: PyTree,
    vocab: Vocab,
    *,
    prompt: str | bytes = "",
    length: int = 500,
    temperature: float = 1.0,
    top_k: int = 0,
    top_p: float = 1.0,
    seed: int = 0,
    samples: int = 1,
    stop: str = "",
) -> list[str]:
    """Texts that follow `prompt`, without it; text n depends on the seed and n alone.

    Args:
      lm: the model.
      params: its parameters.
      vocab: its symbols.
      prompt: what the model reads first. Without one it starts as after a newline, if
        it knows one, and from its zero state if it does not.
      length: characters to draw (bytes, for a vocabulary of bytes).
      temperature: of the softmax; 0 takes the likeliest character each time.
      top_k: only the k likeliest characters; 0 is all.
      top_p: only the likeliest characters that together have probability p.
      seed: of the draws.
      samples: how many texts, all drawn at once.
      stop: a text ends before the first occurrence of this.

    Raises:
      UserError: the prompt has unseen characters, or a value is impossible.
    """
    drawn = stream(
        lm,
        params,
        vocab,
        prompt=prompt,
        length=length,
        temperature=temperature,
        top_k=top_k,
        top_p=top_p,
        seed=seed,
        samples=samples,
        stop=stop,
        pace=DRAW,
    )
    texts = [""] * samples
    for pieces in drawn:
        texts = [text + piece for text, piece in zip(texts, pieces, strict=True)]
    return texts


def stream(
    lm: LanguageModel,
    params: PyTree,
    vocab: Vocab,
    *,
    prompt: str | bytes = "",
    length: int | None = None,
    temperature: float = 1.0,
    top_k: int = 0,
    top_p: float = 1.0,
    seed: int = 0,
    samples: int = 1,
    stop: str = "",
    pace: int = 16,
) -> Iterator[list[str]]:
    """The texts of `sample`, a piece of each at a time, as they are drawn.

    Args:
      length: characters to draw; None goes on for ever, with memory that does not grow.
      pace: characters drawn between two pieces, at most 256.

    The others are those of `sample`. What may turn out to be the beginning of `stop` is
    held back until it is known not to be.
    """
    _check(length, temperature, top_k, top_p, seed, samples, pace)
    prompt_ids = _prompt_ids(prompt, vocab)
    return _pieces(
        _sampler_of(lm),
        params,
        [_Text(vocab, stop) for _ in range(samples)],
        prompt_ids,
        SamplingParams(jnp.float32(temperature), jnp.int32(top_k), jnp.float32(top_p)),
        seed,
        length,
        pace,
    )


def _pieces(
    sampler: Sampler, params, texts, prompt_ids, sampling, seed, length, pace
) -> Iterator[list[str]]:
    keys = jax.vmap(jax.random.fold_in, (None, 0))(
        jax.random.key(seed), jnp.arange(len(texts))
    )
    params = jax.device_put(params, jax.local_devices()[0])
    sampler_state = sampler.read(params, prompt_ids, len(texts))
    weights = sampler.prepare(params)
    for drawn in itertools.count(step=pace):
        count = pace if length is None else min(pace, length - drawn)
        if count <= 0 or all(text.ended for text in texts):
            break
        sampler_state, ids = sampler.draw(weights, sampler_state, keys, sampling, count)
        rows = np.asarray(ids)[:count].T
        yield [text.add(row) for text, row in zip(texts, rows, strict=True)]
    last = [text.finish() for text in texts]
    if any(last):
        yield last


class _Text:
    """One text on its way out: whole characters only, and nothing past the stop."""

    def __init__(self, vocab: Vocab, stop: str):
        self._vocab, self._stop = vocab, stop
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._held = ""
        self.ended = False

    def add(self, ids: np.ndarray) -> str:
        if self.ended:
            return ""
        return self._release(self._decoder.decode(self._vocab.decode_bytes(ids)))

    def finish(self) -> str:
        if self.ended:
            return ""
        rest = self._release(self._decoder.decode(b"", True))
        rest, self._held = rest + self._held, ""
        return rest

    def _release(self, new: str) -> str:
        text = self._held + new
        if not self._stop:
            return text
        before, found, _ = text.partition(self._stop)
        if found:
            self.ended, self._held = True, ""
            return before
        keep = max(
            (
                n
                for n in range(1, min(len(self._stop), len(text) + 1))
                if text.endswith(self._stop[:n])
            ),
            default=0,
        )
        self._held = text[len(text) - keep :]
        return text[: len(text) - keep]


def _prompt_ids(prompt: str | bytes, vocab: Vocab) -> np.ndarray:
    if prompt:
        return vocab.encode(prompt, what="the prompt")
    newline = vocab.ids_of(np.asarray([ord("\n")]))
    return newline[newline >= 0]


def _check(length, temperature, top_k, top_p, seed, samples, pace) -> None:
    wrong = [
        (
            length is not None and length < 0,
            f"length is {length}; it must be 0 or more",
        ),
        (
            not 0 <= temperature <= 1e6,
            f"temperature is {temperature}; it must be from 0 (the likeliest) to 1e6",
        ),
        (
            not 0 <= top_k < 2**31,
            f"top_k is {top_k}; it must be 0 (all) or more, and below 2^31",
        ),
        (not 0 <= seed < 2**32, f"seed is {seed}; it must be from 0 to 2^32 - 1"),
        (not 0 < top_p <= 1, f"top_p is {top_p}; it must be above 0, and 1 at most"),
        (
            not 1 <= samples <= 2**16,
            f"samples is {samples}; it must be from 1 to {2**16:,}",
        ),
        (not 1 <= pace <= DRAW, f"pace is {pace}; it must be from 1 to {DRAW}"),
    ]
    for is_wrong, message in wrong:
        if is_wrong:
            raise UserError(message)
