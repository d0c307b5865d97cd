"""The parts of experiments/cells: which cells count, and how a text is laid out."""

import math

import numpy as np
import pytest

from charlm.interpret.ablation import AblationEffect
from charlm.interpret.labels.selection import every
from charlm.interpret.units.results import Finding
from experiments.cells.kinds import KINDS, Cell, best_of, best_of_nets, counts, fails
from experiments.cells.pictures import (
    COLUMNS,
    LINES,
    colour,
    draw_text,
    laid_out,
    stretch,
)
from experiments.cells.tables import HEAD, kinds_table, labels_table, slug


def cell(
    label="inside quotes", score=0.95, chosen=0.9, *, inside=0.2, beaten=1.0, **kw
):
    limits = {"threshold": 0.3, "untrained": 0.2, "context": 0.4} | kw
    finding = Finding("layer_0/c", 7, label, score, chosen, *limits.values(), True)
    cost = AblationEffect(0.1, inside, 0.0, [0.0], beaten, {" ": 0.5, "|": 0.25})
    return Cell("a net", finding, cost)


def test_each_control_can_fail_a_cell():
    assert fails(cell()) == [] == fails(cell(score=-0.95, chosen=-0.9))
    for given, control in [
        ({"chosen": -0.9}, "other sign on the held-out half"),
        ({"threshold": 0.96}, "the null"),
        ({"untrained": 0.96}, "the untrained net"),
        ({"context": 0.96}, "the last 8 characters"),
        ({"inside": -0.1}, "clamping"),
        ({"inside": math.nan, "beaten": math.nan}, "clamping"),
        ({"beaten": 0.8}, "clamping"),
    ]:
        assert fails(cell(**given)) == [control]


def test_a_cell_counts_from_a_score_on_and_with_all_controls():
    assert counts(cell(score=0.9)) and counts(cell(score=-0.9, chosen=-0.5))
    assert not counts(cell(score=0.89)) and not counts(cell(beaten=0.5))
    assert not counts(None) and not counts(cell()._replace(cost=None))


def test_the_best_cell_is_chosen_by_the_first_half_among_those_that_pass():
    low, good, better = cell(chosen=0.99, context=0.96), cell(chosen=0.5), cell()
    assert best_of([low, good, better], ["inside quotes"]) is better
    assert best_of([low], ["inside quotes"]) is low
    assert best_of([good], ["in URL"]) is None


def test_clamping_does_not_choose_among_the_candidates_it_judges():
    idle = cell(chosen=0.99, inside=0)
    assert best_of([cell(), idle, cell()], ["inside quotes"]) is idle


def test_of_the_nets_the_best_cell_is_told():
    names = ["inside quotes"]
    idle = cell(score=0.99, inside=0)._replace(net="idle")
    good, better = cell(score=0.91), cell(score=0.92)._replace(net="another")
    late = cell(score=0.98, chosen=0.1)._replace(net="another")
    assert best_of_nets([idle, good, late, better], names) is better
    assert best_of_nets([idle, cell(score=0.5)], names).finding.score == 0.5
    assert best_of_nets([idle], names) is idle and best_of_nets([], names) is None


def test_the_kinds_have_labels_that_there_are():
    names = {label.name for label, _ in every("a")}
    assert all(set(labels) <= names for labels in KINDS.values()) and len(KINDS) == 9


def test_tables_have_a_cell_for_each_column():
    cells = [cell(), cell("in URL")._replace(cost=None), cell("in URL", chosen=0.1)]
    for text, more in [
        (labels_table(cells), 1),
        (kinds_table({"quotes": cells[0], "links": None}), 3),
    ]:
        rows = text.replace("\\|", "").splitlines()
        assert {row.count("|") for row in rows} == {len(HEAD) + more + 1}
    assert "space 50%, `\\|` 25%" in labels_table(cells)
    assert slug("position in [[ ]]") == "position_in_links"


def test_a_text_is_laid_out_in_lines_with_tabs():
    places = laid_out("ab\tc\n" + "x" * (COLUMNS + 1))
    assert places[:5] == [(0, 0), (0, 1), (0, 2), (0, 8), (0, 9)]
    assert places[5] == (1, 0) and places[-1] == (2, 0)


def test_a_stretch_is_where_the_label_changes():
    text = ("words and no more of them\n" * 100) + ('he said "so" and "no"\n' * 40)
    text += "words and no more of them\n" * 100
    [label] = [label for label, _ in every(text) if label.name == "inside quotes"]
    part = stretch(text, label, 0)
    assert text[part].count('"') >= 4 * LINES - 4 and text[part].count("\n") == LINES
    late = stretch(text, label, len(text) - 600)
    assert late.start >= len(text) - 600


@pytest.mark.parametrize("share", [0, 0.5, 1])
def test_colours_differ_in_lightness_too(share):
    lightness = [np.dot(colour(s), [0.2126, 0.7152, 0.0722]) for s in (0, 0.5, 1)]
    assert len({round(value, 1) for value in lightness}) == 3
    assert (
        len(colour(share)) == 3 and 0 <= min(colour(share)) <= max(colour(share)) <= 1
    )


def test_any_text_can_be_drawn(tmp_path):
    text = "$x_1$ \\frac{ <b>\x00\u202e\ufffdé\t漢\r\n\n"
    values = np.linspace(-1, 1, len(text))
    draw_text(tmp_path / "a.png", text, values, ends=(-1, 1), title="a: $ [[ ]]")
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")
