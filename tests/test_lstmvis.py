"""A trace as LSTMVis reads it: its own reader's steps, on what is written."""

import json

import h5py
import numpy as np
import pytest
from test_trace import TEXT, made

from charlm import UserError
from charlm.interpret.activations import trace
from charlm.interpret.viewer.lstmvis import word, write_lstmvis


@pytest.mark.parametrize("cell", ["lstm", "gru"])
def test_its_files_are_what_lstmvis_opens(tmp_path, cell):
    seen = trace(*made(cell), TEXT)
    folder = tmp_path / "cats"
    write_lstmvis(seen, folder, name="cats")
    about = json.loads((folder / "lstm.yml").read_text())  # JSON is a kind of YAML
    files = about["files"]
    ids_of = {}
    dictionary = folder / files[about["word_sequence"]["dict_file"]]
    for line in dictionary.read_text().splitlines():
        symbol, id = line.split()  # exactly two, as LSTMVis splits them
        ids_of[int(id)] = symbol
    with h5py.File(folder / files[about["word_sequence"]["file"]]) as words:
        ids = words[about["word_sequence"]["path"]][:]
    text = "".join(ids_of[id] for id in ids)
    assert text == TEXT.replace(" ", "\\u0020")
    inner = "c" if cell == "lstm" else "h"
    with h5py.File(folder / files[about["states"]["file"]]) as states:
        for kind in about["states"]["types"]:
            signal = inner if kind["type"] == "state" else "h"
            rows = states[kind["path"]][:]
            assert rows.dtype == np.float32 and rows.shape == (len(TEXT), 5)
            name = f"layer_{kind['layer'] - 1}/{signal}"
            np.testing.assert_allclose(rows[:, 3], seen.real(name, 3))
            assert kind["transform"] == ("tanh" if signal == "c" else "raw")
        assert sorted(states) == ["output1", "output2", "states1", "states2"]


def test_every_symbol_is_one_word_of_one_line():
    symbols = [" ", "\n", "\u2028", "\x00", "\xa0", "\u3000", "\\", "a", "é", "\u202e"]
    words = [word(symbol) for symbol in symbols]
    assert all(w.split() == [w] and w.isprintable() for w in words)
    assert len(set(words)) == len(symbols) and words[-3:-1] == ["a", "é"]


def test_a_folder_in_use_is_left_alone(tmp_path):
    (tmp_path / "mine").write_text("kept")
    with pytest.raises(UserError, match="is not empty"):
        write_lstmvis(trace(*made(), "the"), tmp_path, name="x")
    assert [p.name for p in tmp_path.iterdir()] == ["mine"]
