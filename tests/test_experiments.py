"""The pure parts of experiments: widths, loops, oracles, and what they report."""

import jax
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from charlm import Vocab, make_language_model
from experiments.bptt.run import summary
from experiments.depth_and_width.recipe import ARCHITECTURES, PAPER, get_flags
from experiments.depth_and_width.widths import GATES, parameters, width_of
from experiments.errors.oracles import (
    CLASSES,
    apportioned,
    classes_of,
    grouped,
    oracles,
    text_of,
    words_in,
)
from experiments.evolution.run import known_shares
from experiments.temperature.loops import LEAST, loop_of, repeated

# Karpathy, Johnson and Li's LSTMs: budget -> widths of two and of three layers.
THEIR_WIDTHS = {64: (45, 37), 128: (84, 68), 256: (159, 126), 512: (308, 241)}


@pytest.mark.parametrize("budget, widths", THEIR_WIDTHS.items())
def test_widths_at_equal_parameters_are_the_papers(budget, widths):
    for layers, width in enumerate(widths, 2):
        assert width == width_of("lstm", layers=layers, budget=budget, vocab_size=87)
    assert width_of("lstm", layers=1, budget=budget, vocab_size=87) == budget


@pytest.mark.parametrize("cell", GATES)
@pytest.mark.parametrize("layers", [1, 2])
def test_parameters_are_those_of_the_net(cell, layers):
    lm = make_language_model(vocab_size=11, cell=cell, layers=layers, features=7)
    shapes = jax.eval_shape(lm.init, jax.random.key(0))
    count = sum(leaf.size for leaf in jax.tree.leaves(shapes))
    assert count == parameters(cell, layers=layers, width=7, vocab_size=11)


def test_every_cell_of_the_table_has_its_flags_and_a_place():
    assert (
        len({cell.name for cell in ARCHITECTURES})
        == 12
        == sum(map(len, PAPER.values()))
    )
    for cell in ARCHITECTURES:
        flags = get_flags(cell)
        assert f"--config.model.features={cell.width}" in flags
        assert 1 < cell.paper < 1.5


def test_a_loop_is_found_where_it_begins():
    said = "is that they were all the same thing that was a startup "
    loop = loop_of("I say:" + said * 4 + said[:20])
    assert loop == (len("I say:"), len(said))
    assert loop_of("a" * LEAST) == (0, 1)
    assert loop_of("a" * (LEAST - 1)) is None and loop_of("") is None
    assert loop_of(said * 2) is None  # only twice
    assert loop_of(said * 4 + "and out of it.") is None
    assert loop_of("xyz" + "ab" * LEAST).period == 2


@given(st.text("ab", min_size=3, max_size=12), st.text("ab", max_size=8))
def test_a_loop_is_the_shortest_and_the_longest_tail(unit, before):
    text = before + unit * LEAST
    start, period = loop_of(text)
    assert period <= len(unit) and start <= len(before)
    tail = text[start:]
    assert tail == (tail[:period] * len(tail))[: len(tail)]
    assert start == 0 or text[start - 1] != text[start - 1 + period]


def test_what_is_repeated_is_what_stood_before():
    assert repeated("abcdefgh", 3) == 0
    assert repeated("abcXabc", 3) == pytest.approx(3 / 7)
    assert repeated("aaaa", 3) == pytest.approx(3 / 4)
    assert repeated("", 3) == 0 and repeated("ab", 3) == 0


def test_words_know_where_they_stood_and_how_often():
    text = "to be or to be'st, x_1"
    words = words_in(text, "to to be, or be'st x_1 x_1 x_1")
    assert words.place[:4].tolist() == [0, 1, -1, 0]
    assert words.known[[0, 3, 6, 8]].tolist() == [2, 1, 1, -1]
    assert words.known[text.index("x_1")] == 3
    second = text.index("to", 1)
    assert words.back[second] == second and words.back[0] > 1e9
    assert words.back[text.index("be'st")] > 1e9  # "be" is another word


def test_oracles_mend_what_they_say():
    text = 'Mary saw "Mary" twice.'
    words = words_in(text, "saw saw saw twice " * 9)
    p = np.full(len(text), 0.1)
    p[-1] = 0.45
    grams = np.zeros(len(text), bool)
    grams[:2] = True
    masks = oracles(text, words, p, grams)
    again = slice(text.rindex("Mary"), text.rindex("Mary") + 4)
    assert masks["a memory of 100"][again].tolist() == [False, True, True, True]
    assert masks["a memory of 100"].sum() == 3
    assert masks["words seen never"].sum() == 8  # Mary, twice
    starts = np.flatnonzero(masks["beginnings of words"])
    assert [text[n] for n in starts] == ["M", "s", "M", "t"]
    found = apportioned(p < 0.5, masks)
    assert found["n-grams"] == 2 and found["a memory of 100"] == 3
    assert found["words seen never"] == 3  # "ry", and the second M
    assert found["beginnings of words"] == 2 and found["space and punctuation"] == 6
    assert found["the rest"] == 6 and sum(found.values()) == len(text)
    together = grouped(found)
    assert together["a memory"] == 3 and together["rare words"] == 3
    assert sum(together.values()) == len(text)


def test_the_boost_and_sound_characters():
    text = "ab"
    masks = oracles(text, words_in(text, "ab " * 9), np.asarray([0.9, 0.4]),
                    np.zeros(2, bool))  # fmt: skip
    found = apportioned(np.asarray([False, True]), masks)
    assert found["a boost from 0.4"] == 1 == sum(found.values())


def test_every_character_is_in_one_class():
    text = "It’s abcde 7.\r\n\tx_é"
    classes = [CLASSES[n] for n in classes_of(text, words_in(text, ""))]
    assert classes[:5] == [
        "capital letter", "letter 2", "punctuation", "letter 4 and on", "space",
    ]  # fmt: skip
    assert (
        classes[5:10] == ["letter 1", "letter 2", "letter 3"] + ["letter 4 and on"] * 2
    )
    assert classes[11:16] == ["digit", "punctuation", *["end of line"] * 2, "space"]
    assert classes[16:] == ["letter 1", "punctuation", "letter 3"]


def test_a_text_of_bytes_keeps_its_places():
    vocab = Vocab.of("né\n", "byte")
    assert text_of(vocab.encode("né\n"), vocab) == "néé\n"
    vocab = Vocab.of("né\n")
    assert text_of(vocab.encode("né\n"), vocab) == "né\n"


def test_known_words_by_length():
    shares = known_shares(
        "a cat sat by strangers strangors.", {"a", "cat", "strangers"}
    )
    assert shares == {"all": 0.5, "1-3": 0.5, "4-6": 0.0, "7 or more": 0.5}


def test_losses_at_equal_steps_are_read_off_the_curve():
    run = {"steps": 40, "step_ms": 2.0, "epoch_seconds": 1.0}
    runs = [run | {"valid": {20: 3.0, 40: 2.0}}, run | {"valid": {20: 2.0, 40: 1.0}}]
    row = summary(runs, 30)
    assert row["at_the_end"] == [2.0, 1.0] and row["at_equal_steps"] == [2.5, 1.5]
    assert np.isnan(summary(runs, 50)["at_equal_steps"]).all()
