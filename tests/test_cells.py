"""experiments/cells: which behaviors are reproduced, its tables, and its pictures."""

import ast
import fnmatch
import json
import math
import re
from typing import Any

import jax
import numpy as np
import pytest
from conftest import ROOT

from charlm import Vocab, make_language_model
from charlm.interpret.ablation import AblationEffect
from charlm.interpret.activations import record_activations
from charlm.interpret.labels.labels import compute_labels
from charlm.interpret.units.selection import UnitResult
from experiments.cells import gates, tables
from experiments.cells.behaviors import (
    BEHAVIORS,
    choose_best,
    choose_best_network,
    is_reproduced,
    make_record,
)
from experiments.cells.pictures import (
    COLUMNS,
    LINES,
    choose_passage,
    draw_text,
    get_color,
    lay_out,
)
from experiments.cells.screenshots import SHOTS
from experiments.report import BEGIN, END

EXPERIMENTS = ROOT / "experiments"
CELLS = EXPERIMENTS / "cells"
QUOTES = ["inside quotes"]


def make_unit(
    label="inside quotes", score=0.95, chosen=0.9, *, inside=0.2, percentile=1.0,
    ablated=True, **changes,
):  # fmt: skip
    """Returns the record of a unit, which passes all controls by default."""
    limits = {"threshold": 0.3, "untrained": 0.2, "context": 0.4} | changes
    result = UnitResult("layer_0/c", 7, label, score, chosen, **limits, passed=True)
    symbols = {" ": 0.5, "|": 0.25}
    effect = AblationEffect(0.1, inside, 0.0, [0.0], percentile, symbols)
    return make_record(result, effect if ablated else None)


def test_each_control_can_fail_a_unit():
    assert make_unit()["fails"] == [] == make_unit(score=-0.95, chosen=-0.9)["fails"]
    changes: dict[str, Any]
    for changes, control in [
        ({"chosen": -0.9}, "sign"),
        ({"threshold": 0.96}, "threshold"),
        ({"untrained": 0.96}, "untrained"),
        ({"context": 0.96}, "8 characters"),
        ({"inside": -0.1}, "ablation"),
        ({"inside": math.nan, "percentile": math.nan}, "ablation"),
        ({"percentile": 0.8}, "ablation"),
    ]:
        assert make_unit(**changes)["fails"] == [control]


def test_a_record_is_data_for_json():
    record = make_unit(inside=math.nan, percentile=math.nan, untrained=math.nan)
    assert json.loads(json.dumps(record, allow_nan=False)) == record
    assert record["ablation"]["percentile"] is None is record["untrained"]
    assert record["ablation"]["control_units"] == [0.0]
    assert "ablation" not in make_unit(ablated=False)


def test_a_behavior_is_reproduced_from_a_score_on_and_with_all_controls():
    assert is_reproduced(make_unit(score=0.9))
    assert is_reproduced(make_unit(score=-0.9, chosen=-0.5))
    assert not is_reproduced(make_unit(score=0.89))
    assert not is_reproduced(make_unit(percentile=0.5))
    assert not is_reproduced(make_unit(ablated=False))


def test_the_best_record_is_chosen_by_the_first_half_among_those_that_pass():
    failed, good = make_unit(chosen=0.99, context=0.96), make_unit(chosen=0.5)
    better = make_unit()
    assert choose_best([failed, good, better], QUOTES) is better
    assert choose_best([failed], QUOTES) is failed
    assert choose_best([good], ["in URL"]) is None


def test_ablation_does_not_choose_among_the_candidates_that_it_judges():
    idle = make_unit(chosen=0.99, inside=0)
    assert choose_best([make_unit(), idle, make_unit()], QUOTES) is idle


def test_of_the_networks_one_that_reproduces_comes_first():
    idle, good = make_unit(score=0.99, inside=0), make_unit(score=0.91)
    better, late = make_unit(score=0.92), make_unit(score=0.98, chosen=0.1)
    networks = {"idle": [idle], "one": [good], "another": [late, better]}
    assert choose_best_network(networks, QUOTES) == ("another", better)
    low = make_unit(score=0.5)
    networks = {"idle": [idle], "low": [low]}
    assert choose_best_network(networks, QUOTES) == ("low", low)
    assert choose_best_network({"idle": [idle]}, QUOTES) == ("idle", idle)
    assert choose_best_network({"none": []}, QUOTES) is None


def test_the_behaviors_have_labels_that_exist():
    names = {label.name for label, _ in compute_labels("a")}
    assert all(set(labels) <= names for labels in BEHAVIORS.values())
    assert len(BEHAVIORS) == 9


def test_tables_have_a_cell_for_each_column():
    records = [make_unit(), make_unit("in URL", ablated=False), make_unit("in URL")]
    best = {"quotes": ("a network", records[0]), "links": None}
    for text, more in [
        (tables.labels_table(records), 1),
        (tables.behaviors_table(best), 3),
    ]:
        rows = text.replace("\\|", "").splitlines()
        assert {row.count("|") for row in rows} == {len(tables.HEAD) + more + 1}
    assert "space 50%, `\\|` 25%" in tables.labels_table(records)
    assert tables.get_picture_name("position in [[ ]]") == "position_in_links.png"


def test_the_readme_is_made_of_the_results():
    results = json.loads((CELLS / "results.json").read_text())
    readme = (CELLS / "README.md").read_text()
    measured = readme.partition(BEGIN.format(""))[2].partition(END.format(""))[0]
    machine, _, body = measured.partition("\n")
    for value in (results["machine"], results["jax"], results["python"]):
        assert value in machine
    blocks = tables.make_blocks(results["networks"])
    assert body == "\n".join(f"\n{block.rstrip()}" for block in blocks) + "\n"


def get_picture_patterns(folder):
    """Yields the names of pictures in an experiment's code; * stands for a variable."""
    sources = [*folder.glob("*.py")]
    run = (folder / "run.py").read_text()
    if re.search(r"corpus_(experiment|report)\b|\bfinish\b", run):
        sources.append(EXPERIMENTS / "corpus.py")
    for source in sources:
        for node in ast.walk(ast.parse(source.read_text())):
            values = node.values if isinstance(node, ast.JoinedStr) else [node]
            texts = [v.value if isinstance(v, ast.Constant) else "*" for v in values]
            name = "".join(text for text in texts if isinstance(text, str))
            if re.fullmatch(r"[\w*-]*\.png", name):
                yield name if name != ".png" else "*.png"  # as of with_suffix(".png")


FOLDERS = sorted(
    {EXPERIMENTS / path.relative_to(EXPERIMENTS).parts[0]
     for path in EXPERIMENTS.rglob("*.png")}
)  # fmt: skip


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_the_readme_shows_the_pictures_that_the_code_writes(folder):
    readme = (folder / "README.md").read_text()
    links = set(re.findall(r"!\[.*\]\((.+\.png)\)", readme))
    assert {str(path.relative_to(folder)) for path in folder.rglob("*.png")} == links
    patterns = set(get_picture_patterns(folder))
    for link in links:
        assert any(fnmatch.fnmatchcase(link, pattern) for pattern in patterns), link
    assert {name for name in patterns if "*" not in name} <= links


def test_the_pictures_of_units_are_those_that_the_code_names():
    names = {tables.get_picture_name(behavior) for behavior in BEHAVIORS}
    names |= {*tables.GATE_PICTURES, *SHOTS}
    assert {path.name for path in CELLS.glob("*.png")} == names


def test_a_text_is_laid_out_in_lines_with_tabs():
    cells = lay_out("ab\tc\n" + "x" * (COLUMNS + 1))
    assert cells[:5] == [(0, 0), (0, 1), (0, 2), (0, 8), (0, 9)]
    assert cells[5] == (1, 0) and cells[-1] == (2, 0)


def test_a_passage_is_where_the_label_varies():
    text = ("words and no more of them\n" * 100) + ('he said "so" and "no"\n' * 40)
    text += "words and no more of them\n" * 100
    [label] = [each for each, _ in compute_labels(text) if each.name in QUOTES]
    part = choose_passage(text, label, 0)
    assert text[part].count('"') >= 4 * LINES - 4 and text[part].count("\n") == LINES
    late = choose_passage(text, label, len(text) - 600)
    assert late.start >= len(text) - 600


@pytest.mark.parametrize("share", [0, 0.5, 1])
def test_colors_differ_in_lightness_too(share):
    lightness = [np.dot(get_color(s), [0.2126, 0.7152, 0.0722]) for s in (0, 0.5, 1)]
    assert len({round(value, 1) for value in lightness}) == 3
    color = get_color(share)
    assert len(color) == 3 and 0 <= min(color) <= max(color) <= 1


def test_any_text_can_be_drawn(tmp_path):
    text = "$x_1$ \\frac{ <b>\x00\u202e\ufffdé\t漢\r\n\n"
    values = np.linspace(-1, 1, len(text))
    draw_text(tmp_path / "a.png", text, values, limits=(-1, 1), title="a: $ [[ ]]")
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")


def test_gates_are_shut_or_open():
    gate = np.asarray([[0, 127], [12, 114], [13, 115], [127, 64]], np.int8)
    left, right = gates.compute_saturation(gate, 1 / 127)
    assert left.tolist() == [0.5, 0] and right.tolist() == [0.25, 0.5]
    left, right = gates.compute_saturation(np.asarray([[1], [9]], np.int16), 0.1)
    assert left.tolist() == right.tolist() == [0]


def test_time_scales_are_of_the_mean_log():
    f = np.asarray([[127, 100, 0], [127, 50, 127]], np.int8)
    mean = (math.log(100 / 127) + math.log(50 / 127)) / 2
    expected = [math.inf, -1 / mean, -2 / math.log(0.5 / 127)]
    assert gates.compute_time_scales(f, 1 / 127) == pytest.approx(expected)
    constant = np.rint(np.full((1000, 1), 0.9) * 127).astype(np.int8)
    [scale] = gates.compute_time_scales(constant, 1 / 127)
    assert scale == pytest.approx(-1 / math.log(0.9), rel=0.05)


@pytest.mark.parametrize("draw", [gates.draw_saturation, gates.draw_time_scales])
def test_each_layer_has_a_look_of_its_own_and_the_legend_covers_nothing(
    draw, tmp_path, monkeypatch
):
    text = "ab" * 20
    networks = {}
    for layers in (1, 1, 1, 1, 1, 2, 2):
        lm = make_language_model(vocab_size=2, layers=layers, features=3)
        params = lm.init(jax.random.key(0))
        name = f"network {len(networks)}"
        model = (lm, params, Vocab.of(text))
        networks[name] = record_activations(model, text)
    monkeypatch.setattr(
        "matplotlib.pyplot.close", lambda figure: figures.append(figure)
    )
    figures = []
    draw(tmp_path / "a.png", networks)
    [figure] = figures
    for axes in figure.axes:
        lines = axes.lines[:9]
        looks = {(x.get_color(), x.get_marker(), x.get_linestyle()) for x in lines}
        assert len(looks) == 9
    [legend] = figure.legends
    assert len(legend.get_texts()) == 9
    box = legend.get_window_extent()
    assert not any(box.overlaps(axes.get_window_extent()) for axes in figure.axes)
