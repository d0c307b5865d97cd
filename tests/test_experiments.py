"""The parts of experiments that need no training, and their committed results."""

import json

import jax
import numpy as np
import pytest
from conftest import ROOT
from hypothesis import given
from hypothesis import strategies as st

from charlm import Vocab, make_language_model
from experiments import corpus
from experiments.bptt import run as bptt
from experiments.depth_and_width import run as depth_and_width
from experiments.depth_and_width.recipe import ARCHITECTURES, PAPER, Architecture
from experiments.depth_and_width.widths import GATES, count_parameters, find_width
from experiments.errors import run as errors
from experiments.errors.oracles import (
    CLASSES,
    classify,
    count_by_oracle,
    decode_by_id,
    find_words,
    group_counts,
    make_masks,
)
from experiments.evolution.run import evolution_table, share_known
from experiments.ngrams import run as ngrams
from experiments.report import format_duration
from experiments.temperature.loops import MIN_LENGTH, find_loop, get_repeated_share

# The widths of two and three layers in Karpathy, Johnson and Li's table, by budget.
PAPER_WIDTHS = {64: (45, 37), 128: (84, 68), 256: (159, 126), 512: (308, 241)}
CORPORA = ("paul_graham", "shakespeare", "wikipedia", "latex", "linux")
CORPORA += ("war_and_peace", "names")


@pytest.mark.parametrize("budget, widths", PAPER_WIDTHS.items())
def test_widths_are_the_papers(budget, widths):
    for layers, width in enumerate(widths, 2):
        assert width == find_width("lstm", layers=layers, budget=budget, vocab_size=87)
    assert find_width("lstm", layers=1, budget=budget, vocab_size=87) == budget


@pytest.mark.parametrize("cell", GATES)
@pytest.mark.parametrize("layers", [1, 2])
def test_parameters_are_those_of_the_model(cell, layers):
    lm = make_language_model(vocab_size=11, cell=cell, layers=layers, features=7)
    shapes = jax.eval_shape(lm.init, jax.random.key(0))
    size = sum(leaf.size for leaf in jax.tree.leaves(shapes))
    assert size == count_parameters(cell, layers=layers, width=7, vocab_size=11)


def test_every_architecture_has_flags_and_a_loss_of_the_paper():
    names = {architecture.name for architecture in ARCHITECTURES}
    assert len(names) == 12 == sum(map(len, PAPER.values()))
    for architecture in ARCHITECTURES:
        flags = depth_and_width.get_flags(architecture)
        assert f"--config.model.features={architecture.width}" in flags
        assert 1 < architecture.paper < 1.5


def test_a_loop_is_found_at_its_start():
    phrase = "is that they were all the same thing that was a startup "
    loop = find_loop("I say:" + phrase * 4 + phrase[:20])
    assert loop == (len("I say:"), len(phrase))
    assert find_loop("a" * MIN_LENGTH) == (0, 1)
    assert find_loop("a" * (MIN_LENGTH - 1)) is None and find_loop("") is None
    assert find_loop(phrase * 2) is None  # only two rounds
    assert find_loop(phrase * 4 + "and out of it.") is None
    loop = find_loop("xyz" + "ab" * MIN_LENGTH)
    assert loop and loop.period == 2


@given(st.text("ab", min_size=3, max_size=12), st.text("ab", max_size=8))
def test_a_loop_has_the_shortest_period_and_the_earliest_start(phrase, before):
    text = before + phrase * MIN_LENGTH
    loop = find_loop(text)
    assert loop
    start, period = loop
    assert period <= len(phrase) and start <= len(before)
    end = text[start:]
    assert end == (end[:period] * len(end))[: len(end)]
    assert start == 0 or text[start - 1] != text[start - 1 + period]


def test_the_repeated_share_counts_passages_that_occur_earlier():
    assert get_repeated_share("abcdefgh", 3) == 0
    assert get_repeated_share("abcXabc", 3) == pytest.approx(3 / 7)
    assert get_repeated_share("aaaa", 3) == pytest.approx(3 / 4)
    assert get_repeated_share("", 3) == 0 and get_repeated_share("ab", 3) == 0


def test_words_have_their_distance_and_frequency():
    text = "to be or to be'st, x_1"
    words = find_words(text, "to to be, or be'st x_1 x_1 x_1")
    assert words.place[:4].tolist() == [0, 1, -1, 0]
    assert words.frequency[[0, 3, 6, 8]].tolist() == [2, 1, 1, -1]
    assert words.frequency[text.index("x_1")] == 3
    second = text.index("to", 1)
    assert words.distance[second] == second and words.distance[0] > 1e9
    assert words.distance[text.index("be'st")] > 1e9  # "be" is another word


def test_each_error_belongs_to_the_first_oracle_that_removes_it():
    text = 'Mary saw "Mary" twice.'
    words = find_words(text, "saw saw saw twice " * 9)
    p = np.full(len(text), 0.1)
    p[-1] = 0.45
    likely = np.zeros(len(text), bool)
    likely[:2] = True
    masks = make_masks(text, words, p, likely)
    second = slice(text.rindex("Mary"), text.rindex("Mary") + 4)
    assert masks["a memory of 100"][second].tolist() == [False, True, True, True]
    assert masks["a memory of 100"].sum() == 3
    assert masks["words never seen"].sum() == 8  # Mary, twice
    starts = np.flatnonzero(masks["beginnings of words"])
    assert [text[n] for n in starts] == ["M", "s", "M", "t"]
    counts = count_by_oracle(p < 0.5, masks)
    assert counts["n-grams"] == 2 and counts["a memory of 100"] == 3
    assert counts["words never seen"] == 3  # "ry", and the second M
    assert counts["beginnings of words"] == 2 and counts["space and punctuation"] == 6
    assert counts["the rest"] == 6 and sum(counts.values()) == len(text)
    groups = group_counts(counts)
    assert groups["a memory"] == 3 and groups["rare words"] == 3
    assert sum(groups.values()) == len(text)


def test_only_errors_are_counted_and_the_boost_is_from_0_4():
    text = "ab"
    words = find_words(text, "ab " * 9)
    masks = make_masks(text, words, np.asarray([0.9, 0.4]), np.zeros(2, bool))
    counts = count_by_oracle(np.asarray([False, True]), masks)
    assert counts["a boost from 0.4"] == 1 == sum(counts.values())


def test_every_character_has_one_class():
    text = "It’s abcde 7.\r\n\tx_é"
    classes = [CLASSES[n] for n in classify(text, find_words(text, ""))]
    assert classes[:5] == [
        "capital letter", "letter 2", "punctuation", "letter 4 and on", "space",
    ]  # fmt: skip
    assert (
        classes[5:10] == ["letter 1", "letter 2", "letter 3"] + ["letter 4 and on"] * 2
    )
    assert classes[11:16] == ["digit", "punctuation", *["end of line"] * 2, "space"]
    assert classes[16:] == ["letter 1", "punctuation", "letter 3"]


def test_a_text_of_bytes_has_one_character_for_each_byte():
    vocab = Vocab.of("né\n", "byte")
    assert decode_by_id(vocab.encode("né\n"), vocab) == "néé\n"
    vocab = Vocab.of("né\n")
    assert decode_by_id(vocab.encode("né\n"), vocab) == "né\n"


def test_known_words_by_length():
    shares = share_known("a cat sat by strangers strangors.", {"a", "cat", "strangers"})
    assert shares == {"all": 0.5, "1-3": 0.5, "4-6": 0.0, "7 or more": 0.5}


def test_losses_at_equal_steps_are_interpolated():
    run = {"steps": 40, "step_ms": 2.0, "epoch_seconds": 1.0}
    runs = [run | {"valid": {20: 3.0, 40: 2.0}}, run | {"valid": {20: 2.0, 40: 1.0}}]
    row = bptt.summarize_window(runs, 30)
    assert row["at_the_end"] == [2.0, 1.0] and row["at_equal_steps"] == [2.5, 1.5]
    assert np.isnan(bptt.summarize_window(runs, 50)["at_equal_steps"]).all()


def test_the_excerpt_is_of_the_first_sample_that_is_mostly_not_white_space():
    blank, half = "\t" + " " * 2000, ("a " * 2000)[:2000]
    beyond = " " * corpus.EXCERPT + "a" * 2000  # its excerpt is blank
    full = "int main(void)\n" * 200
    assert corpus.choose_excerpt([full, half]) == full[: corpus.EXCERPT]
    assert corpus.choose_excerpt([blank, beyond, half, full]) == half[: corpus.EXCERPT]
    assert corpus.choose_excerpt([blank, "ab\n"]) == "ab\n"
    assert corpus.choose_excerpt([blank, beyond]) == blank[: corpus.EXCERPT]


def read_results(name):
    return json.loads((ROOT / "experiments" / name / "results.json").read_text())


def read_records(name):
    """The records of an experiment's results, without the machine and versions."""
    results = read_results(name)
    return {key: value for key, value in results.items() if isinstance(value, dict)}


def corpus_blocks(name):
    results = read_results(name)
    scores, grams = results["scores"], results["kneser_ney"]
    yield f"Trained in {format_duration(results['seconds'])}"
    best = grams["test"][corpus.get_best_context(grams) - 1]
    yield f"by {abs(best - scores['test']):.4f} nats."
    yield corpus.losses_table(scores, grams)
    if name == "names":
        yield corpus.structure_table(results["names"])
    else:
        yield corpus.structure_table(results["structure"])
        yield corpus.distance_table(results["closed_by_distance"])


def bptt_blocks():
    rows = {int(key): row for key, row in read_results("bptt")["rows"].items()}
    yield bptt.results_table(rows, rows[bptt.POST_WINDOW]["steps"])
    yield bptt.summarize(rows)


def depth_and_width_blocks():
    rows = {
        Architecture(row["budget"], row["layers"], row["cell"]): row
        for row in read_records("depth_and_width").values()
    }
    yield depth_and_width.results_table(rows)
    yield depth_and_width.summarize(rows)


def errors_blocks():
    for name, row in read_records("errors").items():
        yield from errors.summarize(name, row)


def ngrams_blocks():
    results = read_results("ngrams")
    yield ngrams.losses_table(results["scores"])
    yield ngrams.times_table(results["scores"])
    yield ngrams.copies_table(results["samples"])


def temperature_blocks():
    for result in read_records("temperature").values():
        yield corpus.structure_table(result["measures"])
        yield corpus.distance_table(result["closed_by_distance"])


def evolution_blocks():
    results = read_results("evolution")
    rows, shares = (
        {int(step): row for step, row in results[key].items()}
        for key in ("losses", "words_known")
    )
    yield evolution_table(rows, shares, results["words_known_valid"])


@pytest.mark.parametrize(
    "name, blocks",
    [
        *((name, lambda name=name: corpus_blocks(name)) for name in CORPORA),
        ("bptt", bptt_blocks),
        ("depth_and_width", depth_and_width_blocks),
        ("errors", errors_blocks),
        ("evolution", evolution_blocks),
        ("ngrams", ngrams_blocks),
        ("temperature", temperature_blocks),
    ],
)
def test_the_readme_has_the_tables_of_the_results(name, blocks):
    readme = (ROOT / "experiments" / name / "README.md").read_text()
    blocks = list(blocks())
    assert blocks
    for block in blocks:
        assert block in readme
