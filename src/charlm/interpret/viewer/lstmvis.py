"""Activations as LSTMVis reads them (github.com/HendrikStrobelt/LSTMVis)."""

import json
import os
from pathlib import Path

import numpy as np

from charlm.errors import UserError
from charlm.interpret.activations import Activations

STATES, IDS, DICTIONARY = "states.h5", "train.h5", "words.dict"  # files


def write_lstmvis(activations: Activations, folder: str | os.PathLike) -> None:
    """Writes activations as a project of LSTMVis: three files and their description.

    states.h5 has states1, states2, ... ([t, h] float32, a layer each: an LSTM's c, the
    h of others) and output1, ... (h); train.h5 has word_ids[t]; words.dict names each
    id. A symbol that would not show, or would break a line, is written as its escape.
    The folder must be new or empty; its name is the project's.

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
    words = map(escape, activations.vocab.symbols)
    dictionary = "".join(f"{word} {id}\n" for id, word in enumerate(words))
    description = json.dumps(_describe(activations, folder.resolve().name), indent=1)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if any(folder.iterdir()):
            raise UserError(f"{folder} is not empty; name a new folder")
        with h5py.File(folder / STATES, "w") as file:
            for table, signal in _list_tables(activations).items():
                scale = np.float32(activations.scales[signal])
                file[table] = activations.signals[signal] * scale
        with h5py.File(folder / IDS, "w") as file:
            file["word_ids"] = np.asarray(activations.ids, np.int64)
        (folder / DICTIONARY).write_text(dictionary, encoding="utf-8")
        (folder / "lstm.yml").write_text(f"{description}\n", encoding="utf-8")
    except OSError as error:
        raise UserError(
            f"{folder} cannot be written ({error.strerror or error}); name another"
        ) from error


def escape(symbol: str) -> str:
    """Returns a symbol as a word of words.dict, which is split at white space."""
    is_visible = symbol.isprintable() and not symbol.isspace()
    return symbol if is_visible else json.dumps(symbol)[1:-1].replace(" ", "\\u0020")


def _list_tables(activations: Activations) -> dict[str, str]:
    """Returns the signal of each table of states.h5."""
    state = "c" if activations.cell == "lstm" else "h"
    return {
        f"{table}{n + 1}": f"layer_{n}/{signal}"
        for n in range(activations.layers)
        for table, signal in (("states", state), ("output", "h"))
    }


def _describe(activations: Activations, name: str) -> dict:
    """Returns the data of lstm.yml, which is written as JSON, a kind of YAML."""
    types = [
        {
            "type": "state" if table.startswith("states") else "output",
            "layer": int(table[6:]),
            "path": table,
            # An h is within -1 and 1 as it is; LSTMVis takes the tanh of a c.
            "transform": "tanh" if signal.endswith("/c") else "raw",
        }
        for table, signal in _list_tables(activations).items()
    ]
    layers, features, cell = activations.layers, activations.features, activations.cell
    return {
        "name": name,
        "description": f"{layers} x {features} {cell.upper()}",
        "files": {"states": STATES, "train": IDS, "words": DICTIONARY},
        "word_sequence": {"file": "train", "path": "word_ids", "dict_file": "words"},
        "states": {"file": "states", "types": types},
    }
