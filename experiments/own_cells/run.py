"""Trains cells of one's own beside the built-in ones: make experiment NAME=own_cells

Each network is that of configs/tiny_shakespeare.py:cpu with another cell, in
runs/own_cells/CELL. A second run resumes. It writes results.json and the table.
"""

from pathlib import Path

import jax

import charlm
from charlm.corpora.fetch import fetch
from configs import tiny_shakespeare
from experiments.own_cells.cells import make_janet, make_min_gru
from experiments.report import table, write_report

FOLDER = Path(__file__).parent
CELLS = {
    "lstm": "lstm",
    "gru": "gru",
    "rnn": "rnn",
    "minGRU": make_min_gru(),
    "JANET": make_janet(),
}
STREAMS = 16


def main() -> None:
    config = tiny_shakespeare.get_config("cpu")
    text = fetch("tiny_shakespeare").read_text()
    rows = {}
    for name, cell in CELLS.items():
        model = charlm.fit(config, f"runs/own_cells/{name}", cell=cell)
        ids = model.vocab.encode(text[round(0.9 * len(text)) :])
        result = charlm.score(model.lm, model.params, ids, streams=STREAMS)
        size = sum(leaf.size for leaf in jax.tree.leaves(model.params))
        rows[name] = {"parameters": size, "nats_per_char": result.nats_per_char}
    head = ["cell", "parameters", "validation loss, nats"]
    lines = [[name, *row.values()] for name, row in rows.items()]
    blocks = [table(head, lines)]
    write_report(FOLDER, {"cells": rows}, blocks)
    print(*blocks, sep="\n\n")


if __name__ == "__main__":
    main()
