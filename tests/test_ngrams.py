"""Counts of n-grams, Kneser-Ney, and samples from raw counts."""

import collections
import math

import numpy as np
import pytest
from conftest import MADE_TEXT
from hypothesis import given, settings
from hypothesis import strategies as st

from charlm.data.corpus import split_slices
from charlm.data.vocab import Vocab
from charlm.errors import UserError
from charlm.evaluation.kneser_ney import (
    count_ngrams,
    discounts,
    kneser_ney,
    losses,
    nats_by_context,
)
from experiments.ngrams.generator import write

V = 3
TEXTS = st.lists(st.integers(0, V - 1), min_size=1, max_size=200)
CONTEXTS = st.lists(st.integers(0, V - 1), max_size=6)


def array(ids):
    return np.asarray(ids, np.uint8)


def subsequences(ids, length):
    return [tuple(ids[n : n + length]) for n in range(len(ids) - length + 1)]


def make_skewed(length, seed=0):
    """Returns ids of a skewed Markov chain, in which every count of counts occurs."""
    random = np.random.default_rng(seed)
    ids = [0]
    for _ in range(length - 1):
        ids.append((ids[-1] + random.choice(V, p=[0.7, 0.25, 0.05])) % V)
    return array(ids)


def probabilities(model, context):
    """Returns p[v] of each symbol after a context, seen or not."""
    p = []
    for symbol in range(model.ngrams.vocab_size):
        *_, nats = nats_by_context(model, array([*context, symbol]))
        p.append(math.exp(-nats[-1]))
    return np.asarray(p)


class Textbook:
    """Chen and Goodman's equations, with dictionaries."""

    def __init__(self, ids, context):
        ids = [int(i) for i in ids]
        self.c = []  # c[m]: of m + 1 symbols; the last are raw counts
        for m in range(context):
            longer = set(subsequences(ids, m + 2))
            self.c.append(collections.Counter(g[1:] for g in longer))
        self.c.append(collections.Counter(subsequences(ids, context + 1)))
        self.d = [self.compute_discounts(c) for c in self.c]

    @staticmethod
    def compute_discounts(c):
        n1, n2, n3, n4 = (sum(x == k for x in c.values()) for k in (1, 2, 3, 4))
        d1, d2, d3 = 0.5, 1.0, 1.5
        if n1 and n2:
            y = n1 / (n1 + 2 * n2)
            d1 = 1 - 2 * y * n2 / n1
            if 2 - 3 * y * n3 / n2 > 0:
                d2 = 2 - 3 * y * n3 / n2
            if n3 and 3 - 4 * y * n4 / n3 > 0:
                d3 = 3 - 4 * y * n4 / n3
        return d1, d2, d3

    def p(self, symbol, context):
        return self.p_at(len(self.c) - 1, symbol, tuple(int(i) for i in context))

    def p_at(self, m, symbol, context):
        if m < 0:
            return 1 / V
        if len(context) < m:
            return self.p_at(m - 1, symbol, context)
        h = context[len(context) - m :]
        followers = {w: self.c[m][(*h, w)] for w in range(V) if self.c[m][(*h, w)]}
        if not followers:
            return self.p_at(m - 1, symbol, context)
        d1, d2, d3 = self.d[m]
        one = sum(c == 1 for c in followers.values())
        two = sum(c == 2 for c in followers.values())
        more = sum(c >= 3 for c in followers.values())
        total = sum(followers.values())
        c = followers.get(symbol, 0)
        discounted = max(c - (0, d1, d2, d3)[min(c, 3)], 0)
        gamma = (d1 * one + d2 * two + d3 * more) / total
        return discounted / total + gamma * self.p_at(m - 1, symbol, context)


@given(ids=TEXTS, context=st.integers(0, 5), before=CONTEXTS)
def test_probabilities_sum_to_1_after_every_context(ids, context, before):
    model = kneser_ney(array(ids), vocab_size=V + 1, context=context)
    contexts = set(subsequences(ids, min(context, len(ids))))
    for symbols in [before, [V, *before], ids, *contexts]:
        p = probabilities(model, array(symbols))
        assert p.shape == (V + 1,)
        assert (p > 0).all()  # also of the symbol that the text lacks
        assert abs(p.sum() - 1) < 1e-12


@settings(max_examples=50)
@given(ids=TEXTS, context=st.integers(0, 4), before=CONTEXTS)
def test_probabilities_are_the_textbooks(ids, context, before):
    model = kneser_ney(array(ids), vocab_size=V, context=context)
    textbook = Textbook(ids, context)
    for symbols in (before, ids):
        expected = [textbook.p(symbol, symbols) for symbol in range(V)]
        assert np.allclose(probabilities(model, array(symbols)), expected, atol=1e-12)


@pytest.mark.parametrize("context", range(6))
def test_losses_of_all_contexts_are_the_textbooks(context):
    ids, held_out = make_skewed(2000), make_skewed(100, seed=1)
    textbook = Textbook(ids, context)
    # The text is long enough for the equations, not only for their fallback.
    defined = [d for d in textbook.d if not {*d} & {0.5, 1.0, 1.5}]
    assert defined or context < 3
    nats = [-math.log(textbook.p(w, held_out[:t])) for t, w in enumerate(held_out)]
    model = kneser_ney(ids, vocab_size=V, context=context)
    assert abs(losses(model, held_out)[-1] - np.mean(nats)) < 1e-12
    longer = kneser_ney(ids, vocab_size=V, context=5)
    assert np.allclose(losses(longer, held_out)[context], np.mean(nats), atol=1e-12)


def test_discounts_are_chen_and_goodmans():
    counts = np.repeat([1, 2, 3, 4, 9], [40, 20, 10, 5, 3])
    # Y = 40 / 80: 1 - 2 Y / 2, 2 - 3 Y / 2, 3 - 4 Y / 2.
    assert np.allclose(discounts(counts), [0, 0.5, 1.25, 2])
    counts = np.repeat([1, 2, 3, 4], [40, 20, 40, 200])  # the last two are below 0
    assert np.allclose(discounts(counts), [0, 0.5, 1, 1.5])
    assert np.allclose(discounts(np.asarray([7, 8])), [0, 0.5, 1, 1.5])


@pytest.mark.parametrize("vocab_size, context", [(2, 70), (200, 12), (65_000, 5)])
def test_counts_are_those_of_a_dictionary_for_any_v_to_the_n(vocab_size, context):
    ids = np.random.default_rng(0).integers(0, vocab_size, 150)
    ids = np.concatenate([ids, ids[20:110], ids])  # long sequences repeat
    ngrams = count_ngrams(ids, vocab_size=vocab_size, context=context)
    assert vocab_size ** (context + 1) > 2**64
    lower = {(): 0}
    for m, level in enumerate(ngrams.levels):
        counted = collections.Counter(subsequences(ids.tolist(), m + 1))
        place = {gram: n for n, gram in enumerate(sorted(counted))}
        keys = [lower[g[:-1]] * vocab_size + g[-1] for g in place]
        # In the order of their keys, that is of their symbols.
        assert level.keys.tolist() == keys
        assert level.counts.tolist() == [counted[g] for g in place]
        assert level.suffixes.tolist() == [lower[g[1:]] for g in place]
        lower = place


def test_the_loss_of_noise_is_log_v():
    random = np.random.default_rng(0)
    ids, held_out = random.integers(0, 20, (2, 30_000))
    for nats in losses(kneser_ney(ids, vocab_size=20, context=3), held_out):
        assert 0 <= nats - math.log(20) < 0.1


def test_a_periodic_text_is_predicted_with_enough_context():
    ids = np.tile(array([0, 1, 0, 2]), 500)
    nats = losses(kneser_ney(ids, vocab_size=V, context=3), ids)
    assert abs(nats[0] - 1.5 * math.log(2)) < 0.01
    assert abs(nats[1] - 0.5 * math.log(2)) < 0.01  # 1 and 2 both follow 0
    assert nats[2] < 0.01 and nats[3] < 0.01


def test_more_context_gives_a_lower_loss():
    ids = Vocab.of(MADE_TEXT).encode(MADE_TEXT)
    cut = split_slices(len(ids), (0.9, 0.1))
    vocab_size = int(ids.max()) + 1
    model = kneser_ney(ids[cut["train"]], vocab_size=vocab_size, context=6)
    nats = losses(model, ids[cut["valid"]])
    assert (np.diff(nats[:5]) < -0.05).all() and nats[6] < nats[4] < 0.1


@pytest.mark.slow
@pytest.mark.parametrize(
    "file, unit, split, part, context, expected",
    [
        ("shakespeare/tinyshakespeare.txt", "char", (0.9, 0.1), "valid", 6, 1.5165),
        ("warpeace/warpeace_input.txt", "byte", (0.8, 0.1, 0.1), "test", 7, 1.239),
    ],
)
def test_losses_of_real_texts(real_data, file, unit, split, part, context, expected):
    text = (real_data / file).read_bytes()
    vocab = Vocab.of(text, unit)
    ids = vocab.encode(text)
    cut = split_slices(len(ids), split)
    model = kneser_ney(ids[cut["train"]], vocab_size=len(vocab), context=context)
    assert abs(losses(model, ids[cut[part]])[-1] - expected) < 1e-3


@given(ids=TEXTS, context=st.integers(0, 5), seed=st.integers(0, 9))
def test_every_sequence_of_a_sample_is_in_the_text(ids, context, seed):
    # The text ends as it begins, so that its last context has a successor.
    ids = [*ids, *ids[:context]] if len(ids) >= context else ids * (context + 1)
    ngrams = count_ngrams(array(ids), vocab_size=V, context=context)
    prompt = ids[: context + 1]
    sample = write(ngrams, context=context, length=50, prompt=array(prompt), seed=seed)
    assert sample.shape == (50,)
    text = [*prompt, *sample.tolist()]
    assert set(subsequences(text, context + 1)) <= set(subsequences(ids, context + 1))


def test_symbols_are_drawn_as_often_as_they_follow():
    ids = array([0, 1, 0, 1, 0, 1, 0, 2] * 20)
    ngrams = count_ngrams(ids, vocab_size=V, context=2)
    sample = write(ngrams, context=1, length=4000, prompt=array([2]))
    after_0 = sample[1:][sample[:-1] == 0]
    assert abs((after_0 == 1).mean() - 0.75) < 0.03  # 3 standard deviations
    assert (sample[:-1][sample[1:] == 2] == 0).all()
    sample = write(ngrams, context=0, length=4000)
    assert abs((sample == 0).mean() - 0.5) < 0.03
    ngrams = count_ngrams(array([0, 1]), vocab_size=V, context=0)  # counts of 1
    assert abs(write(ngrams, context=0, length=4000).mean() - 0.5) < 0.03


def test_a_sample_depends_on_the_seed_alone():
    ngrams = count_ngrams(make_skewed(500), vocab_size=V, context=3)
    first = write(ngrams, context=3, length=100, seed=1)
    assert (write(ngrams, context=3, length=100, seed=1) == first).all()
    assert (write(ngrams, context=3, length=100, seed=2) != first).any()
    # Counts of longer sequences change nothing.
    more = count_ngrams(make_skewed(500), vocab_size=V, context=7)
    assert (write(more, context=3, length=100, seed=1) == first).all()


def test_a_new_context_is_cut_to_its_longest_known_ending():
    ids = array([0, 1, 2, 0, 1, 2, 0, 1, 1, 0])
    ngrams = count_ngrams(ids, vocab_size=5, context=3)

    def draw(*prompt, context=3):
        samples = [
            write(ngrams, context=context, length=4, prompt=array(prompt), seed=n)
            for n in range(40)
        ]
        return {sample[0] for sample in samples}, samples

    assert draw(2, 2, 2)[0] == {0}  # only 0 follows 2
    assert draw(0, 0, 1)[0] == {1, 2}  # 1 and 2 follow 0 1
    assert draw(3)[0] == {0, 1, 2}  # a symbol without a count
    assert draw(1, 1, 0)[0] == {1}  # at the end of the text only: as after 0
    assert {tuple(sample[:3]) for sample in draw(4, 2)[1]} <= {(0, 1, 1), (0, 1, 2)}
    assert draw(0, 1, 1, context=1)[0] == {0, 1, 2}  # a shorter context


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda: count_ngrams(array([]), vocab_size=2, context=1), "is empty"),
        (lambda: count_ngrams(array([0]), vocab_size=2, context=-1), "must be 0 or"),
        (lambda: count_ngrams(array([2]), vocab_size=2, context=1), "has the id 2"),
        (lambda: count_ngrams(np.asarray([-1]), vocab_size=2, context=1), "the id -1"),
        (lambda: losses(MODEL, array([])), "is empty"),
        (lambda: losses(MODEL, array([0, 3])), "ids of 3 symbols are from 0 to 2"),
        (lambda: write(MODEL.ngrams, context=3, length=1), "contexts of 0 to 2"),
        (lambda: write(MODEL.ngrams, context=2, length=1, prompt=array([3])), "id 3"),
    ],
)
def test_a_mistake_is_an_error_that_names_it(call, message):
    with pytest.raises(UserError, match=message):
        call()


MODEL = kneser_ney(make_skewed(100), vocab_size=V, context=2)


def test_a_text_may_be_shorter_than_the_context():
    model = kneser_ney(array([1]), vocab_size=V, context=4)
    nats = losses(model, array([1, 1]))
    assert np.isfinite(nats).all() and nats[0] < math.log(V)
    ngrams = count_ngrams(array([1]), vocab_size=V, context=4)
    assert write(ngrams, context=4, length=3).tolist() == [1, 1, 1]
