"""What an experiment leaves: the measured part of its README, and results.json."""

import json
import math

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
