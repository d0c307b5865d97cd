"""python -m experiments.lstmvis --workdir=runs/mine [--text=FILE] --output=FOLDER

Writes what the units of a model do on a text as a project of LSTMVis
(github.com/HendrikStrobelt/LSTMVis), which is no longer maintained.
"""

import json
import os
import sys
from functools import partial
from pathlib import Path

import numpy as np
from absl import flags

from charlm.cli import trained
from charlm.cli.app import MODEL_FLAGS, TEXT_FLAGS, run_app
from charlm.errors import UserError
from charlm.interpret.ablation import get_state_signal
from charlm.interpret.activations import Activations, record_activations
from charlm.options import check_number

FLAGS = {
    **MODEL_FLAGS,
    **TEXT_FLAGS,
    "output": ("lstmvis", "a new folder"),
    "characters": (20_000, "of the text's beginning"),
}
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
            "LSTMVis reads HDF5, which needs h5py: pip install h5py"
        ) from error
    folder = Path(folder)
    words = map(escape, activations.vocab.symbols)
    dictionary = "".join(f"{word} {id}\n" for id, word in enumerate(words))
    signals, description = _describe_project(activations, folder.resolve().name)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if any(folder.iterdir()):
            raise UserError(f"{folder} is not empty; name a new folder")
        with h5py.File(folder / STATES, "w") as file:
            for table, signal in signals.items():
                scale = np.float32(activations.scales[signal])
                file[table] = activations.signals[signal] * scale
        with h5py.File(folder / IDS, "w") as file:
            file["word_ids"] = np.asarray(activations.ids, np.int64)
        (folder / DICTIONARY).write_text(dictionary, encoding="utf-8")
        text = json.dumps(description, indent=1)  # which is YAML too
        (folder / "lstm.yml").write_text(f"{text}\n", encoding="utf-8")
    except OSError as error:
        raise UserError(
            f"{folder} cannot be written ({error.strerror or error}); name another"
        ) from error


def escape(symbol: str) -> str:
    """Returns a symbol as a word of words.dict, which is split at white space."""
    is_visible = symbol.isprintable() and not symbol.isspace()
    return symbol if is_visible else json.dumps(symbol)[1:-1].replace(" ", "\\u0020")


def _describe_project(activations: Activations, name: str) -> tuple[dict, dict]:
    """Returns the signal of each table of states.h5, and the data of lstm.yml."""
    layers, features, cell = activations.layers, activations.features, activations.cell
    state = "c" if cell == "lstm" else "h"
    kinds = (("state", "states", state), ("output", "output", "h"))
    signals, types = {}, []
    for n in range(layers):
        for kind, prefix, signal in kinds:
            path = f"{prefix}{n + 1}"
            signals[path] = f"layer_{n}/{signal}"
            # An h is within -1 and 1 as it is; LSTMVis takes the tanh of a c.
            transform = "tanh" if signal == "c" else "raw"
            table = {"type": kind, "layer": n + 1, "path": path, "transform": transform}
            types.append(table)
    return signals, {
        "name": name,
        "description": f"{layers} x {features} {cell.upper()}",
        "files": {"states": STATES, "train": IDS, "words": DICTIONARY},
        "word_sequence": {"file": "train", "path": "word_ids", "dict_file": "words"},
        "states": {"file": "states", "types": types},
    }


def export(values: flags.FlagValues) -> None:
    """Writes the project that the flags ask for."""
    check_number("--characters", values.characters, low=1)
    config, model, restored = trained.load(values)
    text = trained.read_text(values, config, model, restored)[: values.characters]
    signals = ("h", get_state_signal(model.lm))
    write_lstmvis(record_activations(model, text, signals=signals), values.output)
    print(f"{values.output}: {len(text):,} characters for LSTMVis")


main = partial(run_app, __doc__ or "", FLAGS, export)  # (argv) -> exit status

if __name__ == "__main__":
    sys.exit(main())
