"""The room `evaluation`: exact scores."""

import math

import jax
import numpy as np
import pytest
from draws import draw_params

from charlm.errors import UserError
from charlm.evaluation.score import compute_log_probabilities, score
from charlm.model.lm import make_language_model

V = 7
LM = make_language_model(vocab_size=V, features=6, layers=2)
PARAMS = draw_params(LM, scale=0.4)
IDS = np.random.default_rng(0).integers(0, V, 203).astype(np.uint8)


STEP = jax.jit(LM.step)


def by_hand(ids):
    """The nats of each character but the first, one after the other."""
    carry, nats = LM.initial_carry(1), []
    for now, then in zip(ids[:-1], ids[1:], strict=True):
        carry, logits = STEP(PARAMS, carry, np.asarray([now], np.int32))
        row = np.asarray(logits[0], np.float64)
        nats.append(np.log(np.exp(row).sum()) - row[then])
    return np.asarray(nats)


def test_one_stream_is_one_reading_of_the_whole():
    nats = by_hand(IDS)
    for seq_length in (1, 10, 50, 202, 1000):
        result = score(LM, PARAMS, IDS, streams=1, seq_length=seq_length)
        assert abs(result.nats_per_char - nats.mean()) < 1e-5
        assert result.characters == 202 and result.streams == 1
    assert abs(result.bits_per_char - nats.mean() / math.log(2)) < 1e-5
    assert abs(result.perplexity - math.exp(nats.mean())) < 1e-4


@pytest.mark.parametrize("streams", [2, 3, 7, 50, 202, 10**12])
def test_streams_count_each_character_but_the_first_once(streams):
    count = min(streams, 202)
    bounds = [202 * n // count for n in range(count + 1)]
    parts = [by_hand(IDS[a : b + 1])
             for a, b in zip(bounds, bounds[1:], strict=False)]  # fmt: skip
    result = score(LM, PARAMS, IDS, streams=streams, seq_length=8)
    assert result.characters == sum(map(len, parts)) == 202
    assert abs(result.nats_per_char - np.concatenate(parts).mean()) < 1e-5
    assert abs(result.worst_nats_per_char - max(p.mean() for p in parts)) < 1e-5


@pytest.mark.parametrize("streams", [1, 3, 202, 10**12])
def test_each_character_has_its_log_probability(streams):
    count = min(streams, 202)
    bounds = [202 * n // count for n in range(count + 1)]
    parts = [by_hand(IDS[a : b + 1])
             for a, b in zip(bounds, bounds[1:], strict=False)]  # fmt: skip
    for seq_length in (8, 1000):
        log_p = compute_log_probabilities(
            LM, PARAMS, IDS, streams=streams, seq_length=seq_length
        )
        assert np.allclose(-log_p, np.concatenate(parts), atol=1e-5)
    with pytest.raises(UserError, match="needs 2 or more"):
        compute_log_probabilities(LM, PARAMS, IDS[:1])


@pytest.mark.parametrize("window", [1, 10, 64, 202, 256])
def test_windows_start_from_zero(window):
    parts = [by_hand(IDS[a : a + window + 1]) for a in range(0, 202, window)]
    result = score(LM, PARAMS, IDS, streams=3, seq_length=8, window=window)
    assert result.characters == sum(map(len, parts)) == 202
    assert result.streams == len(parts)
    assert abs(result.nats_per_char - np.concatenate(parts).mean()) < 1e-5


def test_two_characters_are_a_text_and_one_is_not():
    assert score(LM, PARAMS, IDS[:2], streams=4).characters == 1
    with pytest.raises(UserError, match="needs 2 or more"):
        score(LM, PARAMS, IDS[:1])
