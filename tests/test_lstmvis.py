"""Activations as LSTMVis reads them: its own reader's steps, on what is written."""

import json

import h5py
import numpy as np
import pytest
from pages import TEXT, make_net

from charlm import UserError
from experiments.lstmvis import escape, main, write_lstmvis


def read_table(path, name):
    with h5py.File(path) as file:
        table = file[name]
        assert isinstance(table, h5py.Dataset)
        return table[:]


@pytest.mark.parametrize("cell", ["lstm", "gru"])
def test_its_files_are_what_lstmvis_opens(tmp_path, cell):
    activations = make_net(cell=cell)[2]
    folder = tmp_path / "cats"
    write_lstmvis(activations, folder)
    project = json.loads((folder / "lstm.yml").read_text())  # JSON is a kind of YAML
    files, sequence = project["files"], project["word_sequence"]
    symbols = {}
    for line in (folder / files[sequence["dict_file"]]).read_text().splitlines():
        symbol, id = line.split()  # exactly two, as LSTMVis splits them
        symbols[int(id)] = symbol
    ids = read_table(folder / files[sequence["file"]], sequence["path"])
    escapes = str.maketrans({" ": "\\u0020", "\n": "\\n", "\t": "\\t"})
    assert "".join(symbols[id] for id in ids) == TEXT.translate(escapes)
    memory = "c" if cell == "lstm" else "h"
    states = folder / files[project["states"]["file"]]
    for table in project["states"]["types"]:
        signal = memory if table["type"] == "state" else "h"
        rows = read_table(states, table["path"])
        assert rows.dtype == np.float32 and rows.shape == (len(TEXT), 8)
        name = f"layer_{table['layer'] - 1}/{signal}"
        np.testing.assert_allclose(rows[:, 3], activations.get_values(name, 3))
        assert table["transform"] == ("tanh" if signal == "c" else "raw")
    with h5py.File(states) as file:
        assert sorted(file) == ["output1", "output2", "states1", "states2"]


def test_every_symbol_is_one_word_of_one_line():
    symbols = [" ", "\n", "\u2028", "\x00", "\xa0", "\u3000", "\\", "a", "é", "\u202e"]
    words = [escape(symbol) for symbol in symbols]
    assert all(w.split() == [w] and w.isprintable() for w in words)
    assert len(set(words)) == len(symbols) and words[-3:-1] == ["a", "é"]


def test_a_folder_in_use_is_left_alone(tmp_path):
    (tmp_path / "mine").write_text("kept")
    with pytest.raises(UserError, match="is not empty"):
        write_lstmvis(make_net()[2], tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == ["mine"]


def test_the_activations_of_a_workdir(trained, tmp_path, capsys):
    flags = (f"--workdir={trained}/run", f"--text={trained}/text.txt")
    assert main([*flags, f"--output={tmp_path}/vis", "--characters=300"]) == 0
    assert "300 characters" in capsys.readouterr().out
    assert read_table(tmp_path / "vis/states.h5", "states1").shape == (300, 16)
    assert json.loads((tmp_path / "vis" / "lstm.yml").read_text())["name"] == "vis"
