"""The room `generation`: choosing, prompts, stops, streams."""

import itertools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from draws import draw, draw_params

from charlm.data.vocab import Vocab
from charlm.errors import UserError
from charlm.generation.generate import (
    TextDecoder,
    generate,
    generate_batch,
    generate_stream,
)
from charlm.generation.sampler import (
    CHUNK_DRAWN,
    CHUNK_READ,
    SamplingParams,
    make_keys,
    make_sampler,
    sample_logits,
)
from charlm.model.lm import make_language_model

VOCAB = Vocab.of("\n abcdefgh")
LM = make_language_model(vocab_size=len(VOCAB), features=8, layers=2)
PARAMS = draw_params(LM, scale=0.4)
STEP, SAMPLE = jax.jit(LM.step), jax.jit(sample_logits)
MODEL = (LM, PARAMS, VOCAB)
OPTIONS = SamplingParams._fields


def split_options(kwargs):
    """Returns the arguments with the sampling options gathered."""
    sampling = {name: kwargs.pop(name) for name in OPTIONS if name in kwargs}
    return {"length": 40, "sampling": SamplingParams(**sampling)} | kwargs


def write(**kwargs):
    return generate(MODEL, **split_options(kwargs))


def write_batch(**kwargs):
    return generate_batch(MODEL, **split_options(kwargs))


def naive(prompt, length):
    """The likeliest characters, drawn by hand."""
    carry, logits = LM.initial_carry(1), np.zeros(0)
    for symbol in VOCAB.encode(prompt):
        carry, logits = STEP(PARAMS, carry, np.asarray([symbol], np.int32))
    drawn = []
    for _ in range(length):
        drawn.append(int(np.asarray(logits).argmax()))
        carry, logits = STEP(PARAMS, carry, np.asarray(drawn[-1:], np.int32))
    return VOCAB.decode(drawn)


@pytest.mark.parametrize(
    "size", [1, 5, CHUNK_READ - 1, CHUNK_READ, CHUNK_READ + 1, 2 * CHUNK_READ + 3]
)
def test_a_prompt_of_any_length_is_read_whole(size):
    prompt = "".join(itertools.islice(itertools.cycle("abc dh"), size))
    assert write(prompt=prompt, temperature=0.0, length=12) == naive(prompt, 12)


def test_without_a_prompt_a_text_starts_as_after_a_newline():
    assert write(temperature=0.0) == write(prompt="\n", temperature=0.0)
    bare = Vocab.of("abcdefghij")
    assert len(generate((LM, PARAMS, bare), length=5)) == 5


def test_a_seed_and_a_number_name_a_text():
    together = write_batch(num_samples=3, seed=5)
    assert together == write_batch(num_samples=3, seed=5)
    assert together[0] == write(seed=5)
    assert len(set(together)) == 3
    assert together != write_batch(num_samples=3, seed=6)


@pytest.mark.parametrize("length", [0, 1, CHUNK_DRAWN, CHUNK_DRAWN + 1, 1000])
def test_length_counts_new_characters(length):
    assert len(write(prompt="ab", length=length)) == length


def test_the_size_of_chunks_does_not_change_the_text():
    chunks = [*generate_stream(MODEL, length=300, chunk=7)]
    assert len(chunks) == 43 and "".join(chunks) == write(length=300)


def test_an_endless_stream_goes_on():
    chunks = generate_stream(MODEL, length=None, chunk=50)
    assert "".join(itertools.islice(chunks, 20)) == write(length=1000)


def test_one_program_for_any_prompt_length_and_options(compiled):
    sampler = make_sampler(LM)
    weights = sampler.pack_params(PARAMS)
    programs = []
    for length, sampling, count in [
        (150, SamplingParams(jnp.float32(1), jnp.int32(0), jnp.float32(1)), 3),
        (
            9,
            SamplingParams(jnp.float32(0), jnp.int32(2), jnp.float32(0.5)),
            CHUNK_DRAWN,
        ),
        (300, SamplingParams(jnp.float32(2), jnp.int32(0), jnp.float32(1)), 5),
        (400, SamplingParams(jnp.float32(2), jnp.int32(0), jnp.float32(1)), 5),
    ]:
        state = sampler.prefill(PARAMS, np.arange(length) % 9, 1)
        keys = jax.random.split(jax.random.key(0), 1)
        sampler.decode(weights, state, keys, sampling, count, narrow=True)
        programs.append(len(compiled))
    assert programs[0] > 0 and set(programs) == {programs[0]}


def test_without_top_k_and_top_p_nothing_is_sorted_and_the_text_is_the_same():
    options: Any = dict(length=40, seed=2)
    everything = SamplingParams(0.8, top_k=len(VOCAB), top_p=1.0)
    plain = generate(MODEL, "ab", sampling=SamplingParams(0.8), **options)
    assert generate(MODEL, "ab", sampling=everything, **options) == plain


@pytest.mark.parametrize("seed", [0, 7, 2**31, 2**32 - 1])
def test_keys_are_those_of_the_seed(seed):
    keys = make_keys(np.uint32(seed), 3)
    expected = [jax.random.fold_in(jax.random.key(seed), n) for n in range(3)]
    for key, other in zip(keys, expected, strict=True):
        assert np.array_equal(jax.random.key_data(key), jax.random.key_data(other))


LOGITS = np.log(np.asarray([[0.1, 0.5, 0.25, 0.15]], np.float32))


def shares(sampling, draws=4000):
    uniforms = jnp.asarray(np.random.default_rng(0).random(draws, np.float32))
    logits = jnp.asarray(LOGITS.repeat(draws, axis=0))
    ids = SAMPLE(uniforms, logits, sampling)
    return np.bincount(ids, minlength=4) / draws


@pytest.mark.parametrize(
    "sampling, want",
    [
        (SamplingParams(), [0.1, 0.5, 0.25, 0.15]),
        (SamplingParams(temperature=0.0), [0, 1, 0, 0]),
        (SamplingParams(temperature=1e-8), [0, 1, 0, 0]),
        (SamplingParams(temperature=0.5), np.array([1, 25, 6.25, 2.25]) / 34.5),
        (SamplingParams(temperature=1e6), [0.25] * 4),
        (SamplingParams(top_k=1), [0, 1, 0, 0]),
        (SamplingParams(top_k=2), [0, 2 / 3, 1 / 3, 0]),
        (SamplingParams(top_k=99), [0.1, 0.5, 0.25, 0.15]),
        (SamplingParams(top_p=0.4), [0, 1, 0, 0]),
        (SamplingParams(top_p=0.7), [0, 2 / 3, 1 / 3, 0]),
        (SamplingParams(top_p=0.89), [0, 0.5 / 0.9, 0.25 / 0.9, 0.15 / 0.9]),
        (SamplingParams(top_k=2, top_p=0.6), [0, 1, 0, 0]),
    ],
)
def test_sampling_options(sampling, want):
    np.testing.assert_allclose(shares(sampling), want, atol=0.03)


def test_what_has_no_probability_is_never_drawn_whatever_the_sums_round_to():
    logits = np.asarray(draw(300, 2841)) * 3
    extremes = jnp.asarray(np.tile(np.asarray([0.0, 0.5, 1 - 2**-24]), 100), "float32")
    for k in (1, 2, 40):
        sampling = SamplingParams(top_k=k)
        ids = np.asarray(SAMPLE(extremes, jnp.asarray(logits), sampling))
        rank = (logits > logits[np.arange(300), ids][:, None]).sum(axis=-1)
        assert rank.max() < k
    assert len(set(ids.tolist())) > 100


def test_top_k_keeps_k_of_equals():
    uniforms = jnp.asarray(np.linspace(0, 1, 500, endpoint=False), "float32")
    ids = SAMPLE(uniforms, jnp.zeros((500, 6)), SamplingParams(top_k=2))
    assert len(set(np.asarray(ids).tolist())) == 2


def test_a_stop_string_ends_a_text_before_it():
    free = write(length=400)
    stop = free[100:103]
    ended = free[: free.index(stop)]
    assert write(length=400, stop=stop) == ended
    chunks = generate_stream(MODEL, length=400, stop=stop, chunk=1)
    assert "".join(chunks) == ended


def test_what_might_begin_a_stop_is_held_back_and_given_at_the_end():
    vocab = Vocab.of("abc")
    text = TextDecoder(vocab, "abc")
    said = [text.add(vocab.encode(piece)) for piece in ("a", "b", "ab", "a", "b")]
    assert said == ["", "", "ab", "ab", ""]
    assert text.add([], final=True) == "ab"


def test_bytes_become_text_once_they_are_whole():
    data = "é→".encode()
    vocab = Vocab.of(data, "byte")
    text = TextDecoder(vocab, "")
    said = [text.add(vocab.encode(data[n : n + 1])) for n in range(5)]
    assert said == ["", "é", "", "", "→"]
    assert text.add(vocab.encode(data[:1])) + text.add([], final=True) == "\ufffd"


@pytest.mark.parametrize(
    "wrong",
    [
        {"length": -1},
        {"temperature": -0.1},
        {"temperature": float("nan")},
        {"temperature": float("inf")},
        {"top_k": -1},
        {"top_k": 2**40},
        {"seed": -1},
        {"seed": 2**70},
        {"top_p": 0.0},
        {"top_p": 1.1},
        {"num_samples": 0},
    ],
)
def test_impossible_values(wrong):
    with pytest.raises(UserError, match=next(iter(wrong))):
        write_batch(**wrong)


def test_an_unseen_prompt_is_refused_before_anything_is_drawn():
    with pytest.raises(UserError, match=r"the prompt .* 'é' \(U\+00E9\) at line 1"):
        generate_stream(MODEL, "abé")
