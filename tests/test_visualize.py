"""charlm.visualize: what it writes and prints, and each mistake."""

import json

import pytest
from conftest import MADE_TEXT, door, files, refused

from charlm.interpret.viewer.html import read_sizes


@pytest.fixture(scope="module")
def visualized(trained):
    """The folder with a page of the small run, and what was printed."""
    done = door(
        "visualize",
        f"--workdir={trained}/run",
        f"--text={trained}/text.txt",
        f"--output={trained}/page.html",
        "--characters=1000",
        f"--cells={trained}/cells.json",
    )
    assert done.returncode == 0, done.stderr
    return trained, done


def test_it_leaves_a_page_and_says_what_it_holds(visualized, new_page):
    folder, done = visualized
    html = (folder / "page.html").read_text()
    assert "page.html: " in done.stdout and "units that passed" in done.stdout
    assert read_sizes(html)["values"] > 2 * 16 * 1000
    cells = json.loads((folder / "cells.json").read_text())
    assert {cell["unit"] for cell in cells} == set(range(16))
    assert {"label", "score", "threshold", "untrained", "context"} < set(cells[0])
    page = new_page()
    page.goto((folder / "page.html").as_uri())
    assert page.get_by_role("heading", level=1).inner_text() == "run"
    assert "text.txt" in page.get_by_role("banner").inner_text()


def test_without_a_text_it_reads_the_runs_own(trained, tmp_path):
    done = door(
        "visualize", f"--workdir={trained}/run", f"--output={tmp_path}/own.html"
    )
    assert done.returncode == 0 and "--search, is below 6,000" in done.stdout
    assert "valid" in (tmp_path / "own.html").read_text()


def test_mistakes_end_in_one_line_and_leave_nothing(trained, tmp_path):
    run, page = f"--workdir={trained}/run", f"--output={tmp_path}/page.html"
    (tmp_path / "odd.txt").write_text(MADE_TEXT + "Ω")
    text = f"--text={trained}/text.txt"
    for flags, message in [
        ([page], "--workdir"),
        ([run, f"--output={tmp_path}"], "is a folder"),
        ([run, f"--output={tmp_path}/no/page.html"], "a folder that is not there"),
        ([run, page, f"--cells={tmp_path}/no/c.json"], "a folder that is not there"),
        ([run, page, "--characters=0"], "--characters must be at least 1"),
        ([run, page, f"--text={tmp_path}/none.txt"], "no file"),
        ([run, page, f"--text={tmp_path}/odd.txt"], "never seen: 'Ω'"),
        ([run, page, text, "--start=20000"], "start is 20000"),
        ([run, page, "--split=all"], "--split=all"),
        ([f"--workdir={tmp_path}/none", page], "there is no workdir"),
    ]:
        refused(door("visualize", *flags), message)
    assert [p.name for p in files(tmp_path)] == ["odd.txt"]
