"""Continuations: how long they are, the list, and what a model reads for them."""

import jax
import pytest
from draws import draw_params
from hypothesis import given
from hypothesis import strategies as st

from charlm.cli.continuations import (
    ENDS,
    Choices,
    get_max_characters,
    get_next_length,
    split_prompt,
)
from charlm.cli.word_wrap import wrap_words
from charlm.data.vocab import Vocab
from charlm.errors import UserError
from charlm.generation.continuer import MAX_READ, STRIDE, Continuer
from charlm.generation.generate import generate_batch
from charlm.generation.sampler import SamplingParams
from charlm.model.lm import make_language_model

VOCAB = Vocab.of("\n abcdefgh.")
LM = make_language_model(vocab_size=len(VOCAB), features=8, layers=1)
MODEL = (LM, draw_params(LM, scale=0.4), VOCAB)
TEXT = "a bad cab. a bed\nhad a head. " * 400  # more than is read at once


@pytest.mark.parametrize(
    "length, drawn, expected",
    [
        ("word", " the cat sat", " the"),
        ("word", "the", None),  # it may go on
        ("sentence", " is 1.5. Then he", " is 1.5."),
        ("sentence", "\nhe said “no.” And", "\nhe said “no.”"),
        ("line", " sat.\nThe", " sat."),
        ("line", "\n\nThe cat\nsat", "\n\nThe cat"),  # at least something
        ("paragraph", "One\ntwo.\n\nThree", "One\ntwo."),
        ("100", "One\ntwo.\n\nThree", None),  # as many as there are
    ],
)
def test_a_continuation_ends_where_its_length_says(length, drawn, expected):
    choices = Choices(length, drawn=("",)).add([drawn])
    assert choices.texts == [expected or drawn]
    assert choices.done == (expected is not None)


def test_the_list_grows_and_is_moved_through():
    choices = Choices("word", drawn=("",) * 3).add(["a", "b", "a"])
    assert choices.texts == ["a", "b", "a"] and not choices.done
    choices = choices.add([" .", " .", " ?"])
    assert choices.done and choices.texts == ["a", "b"]  # each once
    assert choices.move(1).selected == 1 and choices.move(-1).selected == 1
    assert choices.move(2).selected == 0
    assert choices.get(1) == "b" and choices.get(4) == ""
    # A model of bytes that stops inside a character.
    assert Choices("9", drawn=("",)).add(["ab\ufffd"]).texts == ["ab"]


def test_lengths_go_round_and_wrong_ones_are_refused():
    lengths = ["30"]
    while (length := get_next_length(lengths[-1])) in ENDS:
        lengths.append(length)
    assert lengths == ["30", *ENDS] and get_next_length("paragraph") == "100"
    assert get_max_characters("30") == 30 and get_max_characters("line") > 80
    for wrong in ("", "0", "-3", "lines", "1e3", "٣"):
        with pytest.raises(UserError, match="a number of characters"):
            get_max_characters(wrong)


def test_the_prompt_leaves_out_what_the_model_has_never_seen():
    assert split_prompt("a é bé x", VOCAB) == ("a  b ", "éx")
    assert split_prompt("a bad", VOCAB) == ("a bad", "")
    vocab = Vocab.of("aé".encode(), "byte")
    assert split_prompt("aéèb", vocab) == ("aé", "èb")  # one of è's bytes is unseen
    assert split_prompt("a\udcff", vocab) == ("a", "\udcff")


@given(st.text("ab \t漢", max_size=60), st.integers(2, 12))
def test_wrapped_rows_fit_and_nothing_is_lost(text, width):
    shown = wrap_words(text, width)
    assert len(shown) == len(text)
    for character, new in zip(text, shown, strict=True):
        assert new == "" and character == " " or new.strip(" ") == character.strip(" ")


def test_rows_break_between_words():
    wrapped = "".join(wrap_words("the cat sat on abcdefghij", 7))
    assert [wrapped[n : n + 7] for n in range(0, len(wrapped), 7)] == [
        "the cat",
        "sat on ",
        "abcdefg",
        "hij",
    ]


def draw_texts(continuer, prompt, **kwargs):
    options = {"num_samples": 3, "length": 40, "seed": 1} | kwargs
    chunks = continuer.draw(prompt, sampling=SamplingParams(), **options)
    return ["".join(texts) for texts in zip(*chunks, strict=True)]


def generate_texts(prompt, **kwargs):
    return generate_batch(MODEL, prompt, num_samples=3, length=40, seed=1, **kwargs)


def test_what_was_read_before_changes_no_continuation():
    continuer = Continuer(MODEL)
    prompts = [TEXT[:50], TEXT[:3000], TEXT[:3001], TEXT[:700], "b" + TEXT[:900], ""]
    for prompt in prompts:
        assert draw_texts(continuer, prompt) == generate_texts(prompt)
        abandoned = continuer.draw(
            TEXT[:5000], num_samples=1, length=9, sampling=SamplingParams(), seed=0
        )
        next(abandoned)  # and never continued
    last = TEXT[-MAX_READ:]
    assert draw_texts(Continuer(MODEL), TEXT) == generate_texts(last)
    with pytest.raises(UserError, match="temperature"):
        continuer.draw("", num_samples=1, length=1, sampling=SamplingParams(-1), seed=0)


def test_only_what_is_new_is_read():
    continuer = Continuer(MODEL)
    draw_texts(continuer, TEXT)
    options = {"num_samples": 3, "length": 1, "sampling": SamplingParams(), "seed": 0}
    assert len([*continuer.draw(TEXT + "a" * STRIDE, **options)]) == 1 + 1
    assert len([*continuer.draw(TEXT, **options)]) == 1


def test_decoding_is_compiled_once_for_all_chunks(compiled):
    jax.clear_caches()
    chunks = Continuer(MODEL).draw(
        "a", num_samples=5, length=48, sampling=SamplingParams(), seed=0
    )
    assert any(next(chunks)) is False and any(next(chunks))  # read, the first chunk
    count = len(compiled)
    assert len([*chunks]) == 2 and len(compiled) == count
