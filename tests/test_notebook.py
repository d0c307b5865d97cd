"""The notebook: its two forms agree, and it runs on a workdir that it is given zipped.

That it runs when given none, and in a kernel, is seen by
`pytest --nbmake notebooks/sample.ipynb`.
"""

import ast
import contextlib
import shutil

import jupytext
from conftest import ROOT, door, train_flags

from charlm.api import load_model

NOTEBOOK = ROOT / "notebooks" / "sample.ipynb"


def cells(path):
    return [(cell.cell_type, cell.source) for cell in jupytext.read(path).cells]


def test_the_two_forms_agree():
    assert cells(NOTEBOOK) == cells(NOTEBOOK.with_suffix(".py"))


def test_it_holds_no_output():
    assert not any(cell.get("outputs") for cell in jupytext.read(NOTEBOOK).cells)


def run_cells(path):
    """Runs the code of a notebook, and returns the value that its last cell shows."""
    code = "\n".join(source for kind, source in cells(path) if kind == "code")
    *body, last = ast.parse(code).body
    assert isinstance(last, ast.Expr)
    names = {}
    exec(compile(ast.Module(body, []), str(path), "exec"), names)
    return eval(compile(ast.Expression(last.value), str(path), "eval"), names)


def test_a_zipped_workdir(tmp_path, text_file, monkeypatch, capsys):
    done = door("train", *train_flags(text_file, tmp_path / "run"))
    assert done.returncode == 0, done.stderr
    shutil.make_archive(str(tmp_path / "run"), "zip", tmp_path, "run")
    monkeypatch.delenv("CHARLM_WORKDIR", raising=False)  # the zip beside it is found
    with contextlib.chdir(tmp_path):
        page = run_cells(NOTEBOOK)
    printed = capsys.readouterr().out
    symbols = load_model(tmp_path / "run").vocab.symbols
    assert f"{len(symbols)} symbols: {''.join(symbols)}" in printed
    assert printed.count("--- temperature") == 5
    assert page._repr_html_().startswith("<iframe srcdoc=")
