"""The site: its pages, without Sphinx where that is not installed."""

import contextlib
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import MADE_TEXT, ROOT, door

from charlm.config import list_options

DOCS = ROOT / "docs"
IGNORED = ("_build", "experiments")  # the second is generated
PAGES = [
    p for p in sorted(DOCS.rglob("*.md")) if p.parts[len(DOCS.parts)] not in IGNORED
]
CELL = re.compile(
    r"^```\{code-cell\} python3\n(?::[^\n]*\n)*\n*(.*?)^```$", re.M | re.S
)
NOTEBOOKS = [  # those of the API are quick
    pytest.param(page, marks=[] if page.parent.name == "api" else pytest.mark.slow)
    for page in PAGES
    if CELL.search(page.read_text())
]
INCLUDE = re.compile(r"^```\{include\} (\S+)\n((?::.*\n)*)", re.M)
SMALL = "--config.model.layers=1 --config.model.features=16 --config.train.steps=3"


def name_page(page: Path) -> str:
    """Returns the name of a page, as the id of a test."""
    return page.relative_to(DOCS).as_posix()


def test_every_public_name_has_one_entry():
    stub = (ROOT / "src/charlm/__init__.pyi").read_text()
    names = re.findall(r" as (\w+)$", stub, re.M)
    pages = "".join(page.read_text() for page in DOCS.glob("api/*.md"))
    entries = re.findall(r"^\.\. (?:auto|py:)\w+:: charlm\.(\w+)$", pages, re.M)
    assert sorted(entries) == sorted(names)


def test_what_pages_include_is_there():
    count = 0
    for page in PAGES:
        for path, options in INCLUDE.findall(page.read_text()):
            text = (page.parent / path).read_text()
            marks = dict(re.findall(r':(start-after|end-before): "(.*)"\n', options))
            assert len(marks) == options.count("\n"), f"{page}: {options}"
            start = text.index(marks.get("start-after", ""))
            assert marks.get("end-before", "") in text[start:], f"{page}: {marks}"
            count += 1
    assert count > 5


def test_links_between_pages_and_to_files_lead_somewhere():
    count = 0
    for page in PAGES:
        prose = re.sub(r"^```.*?^```$", "", page.read_text(), flags=re.M | re.S)
        for target in re.findall(r"\]\(([^)#]+)[^)]*\)", prose):
            if "://" in target:
                continue
            file = (page.parent / target).resolve()
            if file.parent == DOCS / "experiments":  # generated
                file = ROOT / "experiments" / file.stem / "README.md"
            assert file.is_file(), f"{page}: {target}"
            count += 1
    assert count > 20


def test_options_in_the_table_of_char_rnn_exist():
    rows = re.findall(r"^\| .*$", (DOCS / "tutorials/char_rnn.md").read_text(), re.M)
    names = re.findall(r"`((?:data|model|optim|train)\.\w+)`", "".join(rows))
    assert len(names) > 10
    assert set(names) <= set(list_options())


def shorten(code: str) -> str:
    """Returns code with small nets and few steps, and without magics."""
    code = re.sub(r"\bsteps=\d+", "steps=3", code)
    code = re.sub(r"\b(features|embedding)=\d\d+", r"\1=16", code)
    code = code.replace("range(streams.steps_per_epoch)", "range(3)")
    return code.replace("%time ", "")


def run_commands(script: str) -> None:
    """Runs the lines of a script of the shell; those of charlm in this process."""
    for line in script.replace("\\\n", " ").strip().splitlines():
        command, may_fail, _ = line.partition(" || true")
        name, *words = shlex.split(command, comments=True)
        if name == "charlm" and not words[0].startswith("-"):
            small = (
                SMALL.split() if words[0] == "train" and "--help" not in words else []
            )
            done = door(*words, *small, cwd=Path.cwd())
            assert bool(done.returncode) == bool(may_fail), (line, done.stderr)
        elif name != "charlm":
            subprocess.run(command, shell=True, check=True, capture_output=True)


# Matplotlib draws to files here; JAX leaves files to the garbage collector.
@pytest.mark.filterwarnings("ignore:FigureCanvasAgg is non-interactive")
@pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning")
@pytest.mark.parametrize("page", NOTEBOOKS, ids=name_page)
def test_the_cells_of_a_page_run(page, tmp_path, monkeypatch):
    monkeypatch.setenv("MPLBACKEND", "agg")
    cells = CELL.findall(page.read_text())
    if any("import pandas" in cell for cell in cells):
        pytest.importorskip("pandas", reason="pandas is not installed: extra docs")
    values = {"__name__": "__main__"}
    with contextlib.chdir(tmp_path):
        for cell in cells:
            if cell.startswith("%%sh\n"):
                run_commands(cell.removeprefix("%%sh\n"))
            else:
                exec(compile(shorten(cell), str(page), "exec"), values)


def test_the_commands_of_the_first_page_run(tmp_path):
    (tmp_path / "my.txt").write_text(MADE_TEXT.replace("The", "Once"))
    [script] = re.findall(r"```sh\n([^`]*)```", (DOCS / "index.md").read_text())
    with contextlib.chdir(tmp_path):
        run_commands(script)


def test_a_link_that_leads_nowhere_is_found(tmp_path):
    from docs.check_links import find_broken_links

    (tmp_path / "a.html").write_text(
        '<a href="b.html#there"></a><a href="b.html#not"></a><a href="#here"></a>'
        '<a href="https://example.com/"></a><img src="c.png"><p id="here"></p>'
    )
    (tmp_path / "b.html").write_text('<p id="there"></p>')
    assert find_broken_links(tmp_path) == ["a.html: b.html#not", "a.html: c.png"]


@pytest.mark.slow
def test_the_site_builds_without_a_warning(tmp_path):
    """All of it but what its notebooks print, which `make docs` adds."""
    for module in ("sphinx", "sphinx_book_theme", "myst_nb"):
        pytest.importorskip(module, reason=f"{module} is not installed: extra docs")
    from docs.check_links import find_broken_links

    command = [
        "-m",
        "sphinx",
        "-W",
        "--keep-going",
        "-q",
        "-D",
        "nb_execution_mode=off",
    ]
    done = subprocess.run(
        [sys.executable, *command, "-d", tmp_path / "trees", DOCS, tmp_path / "html"],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert not find_broken_links(tmp_path / "html")
