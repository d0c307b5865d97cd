"""The site: its pages, without Sphinx where that is not installed."""

import contextlib
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import MADE_TEXT, ROOT

from charlm.cli.main import main
from charlm.config import list_options

DOCS = ROOT / "docs"
IGNORED = ("_build", "experiments")  # the second is generated
PAGES = [
    p for p in sorted(DOCS.rglob("*.md")) if p.parts[len(DOCS.parts)] not in IGNORED
]
CELL = re.compile(
    r"^```\{code-cell\} python3\n(?::[^\n]*\n)*\n*(.*?)^```$", re.M | re.S
)
EXAMPLES = sorted(DOCS.glob("api/*.md"))
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


def run_commands(script: str) -> None:
    """Runs the lines of a script, commands of charlm; training is short."""
    for line in script.strip().splitlines():
        name, *words = shlex.split(line, comments=True)
        assert name == "charlm", line
        assert main(words + SMALL.split() * (words[0] == "train")) == 0, line


@pytest.mark.parametrize("page", EXAMPLES, ids=name_page)
def test_the_examples_of_the_api_run(page, tmp_path):
    """The other notebooks take minutes; `make docs` runs them."""
    values = {"__name__": "__main__"}
    with contextlib.chdir(tmp_path):
        for cell in CELL.findall(page.read_text()):
            if cell.startswith("%%sh\n"):
                run_commands(cell.removeprefix("%%sh\n"))
            else:
                exec(compile(cell, str(page), "exec"), values)


def test_all_python_of_the_pages_is_executed():
    """So what a page shows was run: no block of Python stands outside a cell."""
    for page in PAGES:
        assert "```python" not in page.read_text(), page


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

    # A notebook that did not run names no language.
    settings = ["nb_execution_mode=off", "suppress_warnings=myst.header,myst-nb.lexer"]
    command = [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q"]
    command += [word for setting in settings for word in ("-D", setting)]
    done = subprocess.run(
        [*command, "-d", tmp_path / "trees", DOCS, tmp_path / "html"],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert not find_broken_links(tmp_path / "html")
