"""A whole study of a network with one unit that is made to follow brackets."""

import jax
import numpy as np
import pytest

from charlm import UserError, Vocab, make_language_model
from charlm.interpret.activations import record_activations
from charlm.interpret.units.pipeline import get_mask, slice_activations, study
from charlm.interpret.viewer.html import ListedUnit
from charlm.interpret.viewer.notebook import rank_listed_units, show

UNIT = 3


def make_text(length):
    """Words, and words in brackets, that the last 8 characters do not tell apart."""
    rng = np.random.default_rng(0)
    words = ["something", "otherwise", "elsewhere", "different"]
    text = ""
    while len(text) < length:
        run = [words[n] for n in rng.integers(4, size=rng.integers(2, 9))]
        inside = rng.random() < 0.4
        text += ("(" if inside else "") + " ".join(run) + (") " if inside else " ")
    return text[:length]


@pytest.fixture(scope="module")
def planted():
    """A net whose unit 3 of the upper layer is on between ( and ), and its text.

    Below, unit 0 says at a bracket which it is, and unit 1 that it is one. Above, unit
    3 takes in what 0 says when 1 speaks, and else keeps what it has. The head thinks
    a ) possible only then.
    """
    text = make_text(9000)
    vocab = Vocab.of(text)
    lm = make_language_model(vocab_size=len(vocab), layers=2, features=16)
    params = jax.tree.map(np.array, lm.init(jax.random.key(0)))
    below, above = params["layer_0"], params["layer_1"]
    i, f, g, o = (16 * block for block in range(4))
    for layer, unit in ((below, 0), (below, 1), (above, UNIT)):
        own = [unit + block for block in (i, f, g, o)]
        layer["wx"][:, own] = layer["wh"][:, own] = 0
        layer["b"][own] = 9, -9, 0, 9
    brackets = vocab.encode("()")
    below["wx"][brackets, 0 + g] = 9, -9
    below["wx"][brackets, 1 + g] = 9
    above["b"][[UNIT + i, UNIT + f]] = -20, 20
    above["wx"][1, [UNIT + i, UNIT + f]] = 50, -50
    above["wx"][0, UNIT + g] = 9
    above["wh"][UNIT] = 0  # no other unit may learn it from this one
    params["head"]["w"][UNIT, brackets[1]] = 3
    params["head"]["b"][brackets[1]] = -2.5
    return lm, params, vocab, text


@pytest.fixture(scope="module")
def studied(planted):
    return study(planted[:3], planted[3], candidates=2)


def test_the_planted_unit_comes_first_and_is_used(studied):
    first = studied.results.by_unit[0]
    assert (first.layer, first.unit) == (1, UNIT)
    assert first.label in ("inside ( )", "depth of brackets") and first.passed
    assert abs(first.score) > 0.99 > first.context and first.score > first.threshold
    best = studied.results.by_label[0]
    effect = studied.ablations[best]
    assert best.unit == UNIT
    assert effect.total > 0 and effect.beaten == 1
    assert effect.inside != effect.outside and len(effect.matched) == 10


def test_the_untrained_control_is_searched_in_the_same_way(studied):
    results, control = studied.results, studied.untrained_control
    assert control.widths == results.widths
    assert control.unfit_labels == results.unfit_labels
    assert not any(each.passed and abs(each.score) > 0.5 for each in control.by_unit)
    contexts = {each.label: each.context for each in results.by_label}
    assert all(contexts[each.label] == each.context for each in control.by_label)


def test_every_label_has_its_candidates_once_each(studied):
    by_label = {}
    for each in studied.results.by_label:
        place = (each.layer, each.unit)
        by_label.setdefault(each.label, []).append(place)
    assert by_label and all(len(set(two)) == 2 == len(two) for two in by_label.values())


def test_a_slice_has_the_activations_of_its_part(studied):
    part = slice_activations(studied.activations, slice(10, 25))
    assert part.text == studied.activations.text[10:25]
    name = "layer_0/f"
    assert (part.signals[name] == studied.activations.signals[name][10:25]).all()
    assert (part.top_k_ids == studied.activations.top_k_ids[10:25]).all()


def test_the_mask_of_a_graded_label_is_where_it_is_defined_and_not_zero(studied):
    label = studied.labels[0]._replace(
        values=np.asarray([0, 2, 1, 0, 5.0]), where=np.asarray([1, 1, 0, 0, 1], bool)
    )
    assert get_mask(label).tolist() == [False, True, False, False, True]
    assert get_mask(label._replace(where=None)).sum() == 3


def test_a_page_lists_what_passed_and_shows_as_much_as_is_asked(planted):
    *model, text = planted
    shown = show(tuple(model), text, characters=500, title="Brackets & all")
    assert "<title>Brackets &amp; all</title>" in shown.html
    assert shown.results and any(each.passed for each in shown.results.by_unit)
    frame = shown._repr_html_()
    assert frame.startswith("<iframe srcdoc=") and "<script" not in frame


def test_a_list_has_the_best_unit_of_each_label_before_a_second(studied):
    def cell(unit, label, score, passed=True):
        first = studied.results.by_unit[0]
        return first._replace(unit=unit, label=label, score=score, passed=passed)

    post = studied.labels[0]._replace(name="of the post", post=True)
    labels = [post, post._replace(name="another", post=False)]
    units = [
        cell(0, "another", 0.9),
        cell(1, "of the post", -0.8)._replace(signal="layer_1/c"),
        cell(1, "another", 0.7),
        cell(2, "of the post", 0.6),
        cell(3, "another", 0.5, passed=False),
    ]
    found = studied.results._replace(by_unit=units)
    study = studied._replace(labels=labels, results=found)
    first, *others = rank_listed_units(study)
    assert first == ListedUnit(1, 1, "tanh_c", "of the post", -0.8, True)
    assert [each.unit for each in others] == [0, 2]


def test_the_planted_unit_is_listed_first(studied):
    first = rank_listed_units(studied)[0]
    assert (first.layer, first.unit) == (1, UNIT)


def test_of_a_short_text_no_cells_are_searched_for(planted):
    *parts, text = planted
    model = tuple(parts)
    shown = show(model, text[:300])
    assert shown.results is None and "Brackets" not in shown.html
    assert show(model, text, search=0, characters=90).results is None
    with pytest.raises(UserError, match="characters is 0"):
        show(model, text, characters=0)
    with pytest.raises(UserError, match="the text is empty"):
        show(model, "")
    with pytest.raises(UserError, match="start is 300"):
        show(model, text[:300], start=300)


def test_a_frame_in_a_notebook_shows_the_page(planted, new_page):
    *model, text = planted
    opened = new_page()
    opened.set_content(show(tuple(model), text[:300])._repr_html_())
    [frame] = [f for f in opened.frames if f != opened.main_frame]
    assert frame.locator("h1").inner_text() == "What the cells do"


def test_what_is_scored_is_what_was_asked_for_and_clamping_has_its_c(planted, studied):
    found = study(planted[:3], planted[3], signals=("h",), candidates=1)
    assert {each.signal for each in found.results.by_unit} == {"layer_0/h", "layer_1/h"}
    assert found.ablations and found.results.by_label[0] in found.ablations
    first = next(iter(found.ablations))
    [same] = {c.total for f, c in studied.ablations.items() if f.unit == first.unit}
    assert found.ablations[first].total == pytest.approx(same)
    squashed = study(planted[:3], planted[3], signals=("tanh_c",), thorough=False)
    assert {name.rpartition("/")[2] for name in squashed.activations.signals} == {"c"}
    assert squashed.untrained_control is None and squashed.ablations == {}
    untrained = {f.label: f.untrained for f in studied.results.by_label}
    assert untrained.keys() == {f.label for f in squashed.results.by_label}


@pytest.mark.parametrize("cell", ["gru", "rnn"])
def test_other_cells_and_layers_of_one_unit_are_searched_too(cell):
    text = make_text(6000)
    vocab = Vocab.of(text.encode(), "byte")
    lm = make_language_model(vocab_size=len(vocab), cell=cell, layers=2, features=1)
    params = lm.init(jax.random.key(0))
    found = study((lm, params, vocab), text.encode())
    assert found.results.widths == {"layer_0": 1, "layer_1": 1}
    assert not any(each.passed for each in found.results.by_unit)
    gone = "c" if cell == "rnn" else "tanh_c"
    with pytest.raises(UserError, match=f"have no '{gone}'; choose among h"):
        study((lm, params, vocab), text.encode(), signals=(gone,))


def test_a_text_of_one_symbol_has_no_cells():
    vocab = Vocab.of("a")
    lm = make_language_model(vocab_size=1, layers=1, features=2)
    found = study((lm, lm.init(jax.random.key(0)), vocab), "a" * 6000)
    assert found.labels == found.results.by_unit == [] and found.ablations == {}


def test_the_states_are_those_of_a_trace(planted, studied):
    *model, text = planted
    seen = record_activations(tuple(model), text, signals=("c",))
    assert (seen.signals["layer_1/c"] == studied.activations.signals["layer_1/c"]).all()
