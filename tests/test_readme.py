"""The README's code runs, as a stranger runs it: in a folder of its own."""

import contextlib
import re
import subprocess
import sys

import pytest
from conftest import MADE_TEXT, ROOT

README = (ROOT / "README.md").read_text()
SCRIPTS = re.findall(r"```python\n([^`]*)```", README)
EXAMPLES = re.findall(r"```python\n([^`]*)```\n\n```text\n([^`]*)```", README)


def test_the_post_s_example_prints_what_the_readme_shows(capsys):
    [(code, output)] = EXAMPLES
    exec(compile(code, "README.md", "exec"), {})
    assert capsys.readouterr().out.split() == output.split()


def test_every_script_is_short():
    for code in SCRIPTS:
        assert len([line for line in code.splitlines() if line.strip()]) <= 40


def shorten(code: str) -> str:
    """Returns a script with a small net, few steps, and words that its text has."""
    small = "steps=3, layers=1, features=16, batch_size=4, seq_length=10"
    code = re.sub(r"steps=\d+", small, code)
    code = re.sub(r'"a text", "another"|"a text"', '"the cat", "a mat."', code)
    code = code.replace('show("the cat", "a mat.")', 'show("the cat", search=0)')
    return code.replace('"Once "', '"the "').replace("range(300)", "range(3)")


# The post's example is not among them: it runs above.
FIRST, *OTHERS = (code for code in SCRIPTS if code not in dict(EXAMPLES))


def test_the_first_script_runs_in_a_process_of_its_own(tmp_path):
    (tmp_path / "my.txt").write_text(MADE_TEXT)
    (tmp_path / "script.py").write_text(shorten(FIRST))
    done = subprocess.run(
        [sys.executable, "script.py"], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning")
@pytest.mark.parametrize("code", OTHERS, ids=lambda code: code.split("\n")[0])
def test_another_script_runs(tmp_path, code):
    (tmp_path / "my.txt").write_text(MADE_TEXT)
    with contextlib.chdir(tmp_path):
        exec(compile(shorten(code), "README.md", "exec"), {})
