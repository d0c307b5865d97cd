"""The notebook: its two forms agree, and it runs on a workdir that it is given zipped.

That it runs when given none is seen by `pytest --nbmake notebooks/sample.ipynb`.
"""

import shutil

import jupytext
from conftest import ROOT, door, train_flags
from nbclient import NotebookClient

from charlm.api import load_model

NOTEBOOK = ROOT / "notebooks" / "sample.ipynb"


def cells(path):
    return [(cell.cell_type, cell.source) for cell in jupytext.read(path).cells]


def test_the_two_forms_agree():
    assert cells(NOTEBOOK) == cells(NOTEBOOK.with_suffix(".py"))


def test_it_holds_no_output():
    assert not any(cell.get("outputs") for cell in jupytext.read(NOTEBOOK).cells)


def test_a_zipped_workdir(tmp_path, text_file, monkeypatch):
    done = door("train", *train_flags(text_file, tmp_path / "run"))
    assert done.returncode == 0, done.stderr
    shutil.make_archive(str(tmp_path / "run"), "zip", tmp_path, "run")
    monkeypatch.delenv("CHARLM_WORKDIR", raising=False)  # the zip beside it is found
    notebook = jupytext.read(NOTEBOOK)
    NotebookClient(
        notebook, timeout=120, resources={"metadata": {"path": tmp_path}}
    ).execute()
    printed = "".join(
        output.get("text", "")
        for cell in notebook.cells
        for output in cell.get("outputs", [])
    )
    symbols = load_model(tmp_path / "run").vocab.symbols
    assert f"{len(symbols)} symbols: {''.join(symbols)}" in printed
    assert printed.count("--- temperature") == 5
    [page] = notebook.cells[-1].outputs
    assert page["data"]["text/html"].startswith("<iframe srcdoc=")
