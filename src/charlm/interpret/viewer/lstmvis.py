"""A trace as LSTMVis reads it (github.com/HendrikStrobelt/LSTMVis)."""

import json
import os
from pathlib import Path

import numpy as np

from charlm.errors import UserError
from charlm.interpret.activations import Activations

PIECE = 4096  # rows written at once
STATES, WORDS, DICTIONARY, ABOUT = "states.h5", "train.h5", "words.dict", "lstm.yml"


def write_lstmvis(trace: Activations, folder: str | os.PathLike, *, name: str) -> None:
    """Writes a trace as a project of LSTMVis: its three files, and its description.

    states.h5 has states1, states2, ... ([t, h] float32, a layer each: an LSTM's c, the
    h of others) and output1, ... (h); train.h5 has word_ids[t]; words.dict names each
    id. A symbol that would not show, or would break a line, is written as its escape.

    Args:
      trace: with the signals h and, of an LSTM, c.
      folder: new or empty.
      name: of the project.

    Raises:
      UserError: h5py is not installed, or the folder has something in it or cannot be
        written.
    """
    try:
        import h5py
    except ImportError as error:
        raise UserError(
            "LSTMVis reads HDF5, which needs h5py: pip install 'charlm[lstmvis]'"
        ) from error
    folder = Path(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if any(folder.iterdir()):
            raise UserError(f"{folder} is not empty; name a new folder")
        with h5py.File(folder / STATES, "w") as file:
            for path, signal in _tables(trace).items():
                _write(file, path, trace.signals[signal], trace.scales[signal])
        with h5py.File(folder / WORDS, "w") as file:
            file["word_ids"] = np.asarray(trace.ids, np.int64)
        lines = (f"{word(s)} {id}\n" for id, s in enumerate(trace.vocab.symbols))
        (folder / DICTIONARY).write_text("".join(lines), encoding="utf-8")
        (folder / ABOUT).write_text(description(trace, name), encoding="utf-8")
    except OSError as error:
        raise UserError(
            f"{folder} cannot be written ({error.strerror or error}); name another"
        ) from error


def _tables(trace: Activations) -> dict[str, str]:
    """The signal of each table of states.h5."""
    inner = "c" if trace.cell == "lstm" else "h"
    tables = {}
    for n in range(trace.layers):
        tables |= {f"states{n + 1}": f"layer_{n}/{inner}"}
        tables |= {f"output{n + 1}": f"layer_{n}/h"}
    return tables


def _write(file, path: str, rows: np.ndarray, scale: float) -> None:
    table = file.create_dataset(path, rows.shape, np.float32)
    for start in range(0, len(rows), PIECE):
        table[start : start + PIECE] = rows[start : start + PIECE] * np.float32(scale)


def word(symbol: str) -> str:
    """A symbol as a word of the dictionary, whose lines are split at white space."""
    shows = symbol.isprintable() and not symbol.isspace()
    return symbol if shows else json.dumps(symbol)[1:-1].replace(" ", "\\u0020")


def description(trace: Activations, name: str) -> str:
    """lstm.yml, of which JSON is a kind."""
    kinds = {"states": "state", "output": "output"}
    types = [
        {
            "type": kinds[path[:6]],
            "layer": int(path[6:]),
            "path": path,
            # An h is within -1 and 1 as it is; LSTMVis takes the tanh of a c.
            "transform": "tanh" if signal.endswith("/c") else "raw",
        }
        for path, signal in _tables(trace).items()
    ]
    about = {
        "name": name,
        "description": f"{trace.layers} x {trace.features} {trace.cell.upper()}",
        "files": {"states": STATES, "train": WORDS, "words": DICTIONARY},
        "word_sequence": {"file": "train", "path": "word_ids", "dict_file": "words"},
        "states": {"file": "states", "types": types},
    }
    return json.dumps(about, indent=1) + "\n"
