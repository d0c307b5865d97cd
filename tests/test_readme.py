"""The README's code runs, as a stranger runs it: in a folder of its own."""

import re
import subprocess
import sys

import pytest
from conftest import MADE_TEXT, ROOT

README = (ROOT / "README.md").read_text()
SCRIPTS = re.findall(r"```python\n([^`]*)```", README)


def test_the_post_s_example_prints_what_the_readme_shows(capsys):
    [(code, output)] = re.findall(
        r"```python\n([^`]*)```\n\n```text\n([^`]*)```", README
    )
    exec(compile(code, "README.md", "exec"), {})
    assert capsys.readouterr().out.split() == output.split()


@pytest.mark.parametrize("code", SCRIPTS, ids=lambda code: code.split("\n")[0])
def test_a_script_of_the_readme_runs_and_is_short(tmp_path, code):
    """With fewer steps, and words that the small text has."""
    assert len([line for line in code.splitlines() if line.strip()]) <= 40
    (tmp_path / "my.txt").write_text(MADE_TEXT)
    code = re.sub(r"steps=\d+", "steps=3, features=16", code)
    text = re.sub(r'"a text", "another"|"a text"', '"the cat", "a mat."', code)
    text = text.replace('show("the cat", "a mat.")', 'show("the cat", search=0)')
    text = text.replace('"Once "', '"the "')
    (tmp_path / "script.py").write_text(text)
    done = subprocess.run(
        [sys.executable, "script.py"], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
