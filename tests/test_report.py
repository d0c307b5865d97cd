"""What an experiment leaves: the measured part of its README, and results.json."""

import json
import math

import numpy as np
import pytest

from experiments import report

MARKS = report.BEGIN.format("") + report.END.format("")


def test_only_what_is_between_the_marks_is_written_anew(tmp_path):
    readme = tmp_path / "README.md"
    readme.write_text(f"# Why?\n\n{MARKS}\n\nAnd so.\n")
    for loss in (2.0, 1.5):
        report.keep(tmp_path, {"loss": loss}, [f"The loss is {loss}."])
    text = readme.read_text()
    assert text.startswith("# Why?\n\n<!-- measured: begin -->\nOn ")
    assert text.endswith("The loss is 1.5.\n<!-- measured: end -->\n\nAnd so.\n")
    assert "2.0" not in text
    kept = json.loads((tmp_path / "results.json").read_text())
    assert kept["loss"] == 1.5 and "cores" in kept["machine"]


def test_a_part_of_its_own_leaves_the_rest(tmp_path):
    readme = tmp_path / "README.md"
    readme.write_text(f"# Why?\n\n{MARKS}\n")
    report.keep(tmp_path, {}, ["At home."])
    for word in ("Hot", "Cold"):
        report.keep(tmp_path, {}, [f"{word} away."], part="full")
    text = readme.read_text()
    assert text.count("## full") == 1 and "At home." in text
    assert "Cold away." in text and "Hot" not in text
    assert (tmp_path / "results-full.json").exists()


def test_a_readme_without_a_place_is_told(tmp_path):
    (tmp_path / "README.md").write_text("# Why?\n")
    with pytest.raises(ValueError, match="has no place"):
        report.keep(tmp_path, {}, ["The loss."])


def test_a_table_shows_digits_thousands_and_gaps():
    shown = report.table(["a", "b"], [[1.23456, 12345], [math.nan, "x|y"]])
    assert shown.splitlines() == [
        "| a | b |",
        "| --- | --- |",
        "| 1.2346 | 12,345 |",
        "| – | x\\|y |",
    ]


@pytest.mark.parametrize(
    "text", ["plain", "```\nend of block", "a `````` b", "\x1b[2J"]
)
def test_a_sample_stays_in_its_block(text):
    fence, *lines, last = report.quoted(text).splitlines()
    assert fence == f"{last}text" and set(last) == {"`"}
    assert all(last not in line for line in lines) and "\x1b" not in "".join(lines)


@pytest.mark.parametrize(
    "value, expected",
    [
        (1.0865733573, 1.0866),  # four digits are fewer than a table shows
        (0.0064629258, 0.006463),
        (0.0247496, 0.0247496),  # 0.02475 would be 0.0248 in a table, not 0.0247
        (822.2971, 822.3),
        (12345.678, 12346.0),
        (2.5e-7, 2.5e-7),
        (-30.5, -30.5),
        (0.0, 0.0),
        (7, 7),
        (True, True),
    ],
)
def test_floats_keep_four_digits_and_what_a_table_shows(value, expected):
    result = report.round_floats(value)
    assert result == pytest.approx(expected, rel=1e-12) and type(result) is type(value)


def test_a_rounded_float_has_the_same_four_decimals_in_a_table():
    for value in np.random.default_rng(0).uniform(-10, 10, 2000).tolist():
        for small in (value, value / 100):
            rounded = report.round_floats(small)
            assert f"{rounded:.4f}" == f"{small:.4f}"


def test_sources_keep_more_digits_and_nan_stays():
    results = {"loss": {"test": [1.0865733573]}, "share": (0.123456, math.nan)}
    rounded = report.round_floats(results, sources=["loss"])
    assert rounded["loss"] == {"test": [1.0865734]}
    assert rounded["share"][0] == 0.1235 and math.isnan(rounded["share"][1])


def test_json_has_a_record_a_line():
    record = {"name": "x" * 60, "loss": 1.5, "place": [1, 2]}
    results = {
        "machine": "m",
        "short": {"a": {"b": 1}},
        "records": [record, record],
        "by_name": {"one": record, 2: {"loss": 1.5}},
        "long": list(range(100)),
    }
    text = report.format_json(results)
    assert json.loads(text) == json.loads(json.dumps(results))
    lines = text.splitlines()
    assert lines[:4] == ["{", ' "machine": "m",', ' "short": {"a": {"b": 1}},',
                         ' "records": [']  # fmt: skip
    assert lines[4] == f"  {json.dumps(record)},"
    assert lines[-2:] == [f' "long": {json.dumps(results["long"])}', "}"]
    assert '  "2": {"loss": 1.5}' in lines
