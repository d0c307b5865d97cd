"""python -m charlm.visualize --workdir=runs/demo [--text=FILE] --output=page.html

Makes a page, one file that needs nothing else: the text by what every unit of the
model does at each character, its guesses, the cells that mean something; and the model
itself, which writes there.
"""

import json
import sys
from collections.abc import Sequence
from pathlib import Path

from absl import flags

from charlm.cli.app import run_app
from charlm.errors import UserError

SHOWN = 20  # cells in the table


FLAGS = {
    "workdir": ("", "directory of the training run"),
    "checkpoint": ("best", "best, latest, or a step"),
    "text": ("", "a file to be read"),
    "split": ("valid", "without --text: train, valid or test"),
    "output": ("", "the page, an HTML file"),
    "characters": (20_000, "of the text that the page shows"),
    "start": (int, "the character that is marked when the page opens"),
    "search": (100_000, "characters searched for cells; 0: none are"),
    "title": ("", "the page's heading; else the workdir's name"),
    "cells": ("", "a JSON file for what every unit follows"),
    "lstmvis": ("", "a new folder for the activations, as LSTMVis reads them"),
}


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the front door and returns its exit status."""
    return run_app(__doc__ or "", FLAGS, visualize, argv)


def visualize(given: flags.FlagValues) -> None:
    """Writes what the flags ask for."""
    check(given)  # before JAX is there: it takes a second

    from charlm.cli.text_source import read_text
    from charlm.interpret.viewer.notebook import show
    from charlm.model.jax_setup import configure_jax
    from charlm.workdir import model_files

    configure_jax()
    config = model_files.read_config(given.workdir)
    model, restored = model_files.load(given.workdir, given.checkpoint)
    text = read_text(config.data, model.vocab, restored.notes, given.text, given.split)
    if given.lstmvis:
        write_trace(*model, text[: given.characters], given.lstmvis)
    if given.output:
        shown = show(
            *model,
            text,
            characters=given.characters,
            search=given.search,
            start=given.start,
            title=given.title or Path(given.workdir).resolve().name,
            about=told(config, restored.step, given.text, given.split),
        )
        write(given.output, shown.html)
        report(shown, given.output, given.cells)


def check(given) -> None:
    """Raises UserError for what cannot work, before anything takes time."""
    if not given.workdir:
        raise UserError("--workdir is required, for example --workdir=runs/demo")
    if not given.output and not given.lstmvis:
        raise UserError("say where the page is to be written with --output=page.html")
    if given.characters < 1 or given.search < 0:
        raise UserError("--characters must be at least 1, and --search at least 0")
    for name in ("output", "cells"):
        path = Path(given[name].value)
        if given[name].value and (path.is_dir() or not path.parent.is_dir()):
            why = "is a folder" if path.is_dir() else "is in a folder that is not there"
            raise UserError(f"--{name}={path} {why}; give the path of a file")


def told(config, step: int, text: str, split: str) -> str:
    """A sentence on the model and the text."""
    model = config.model
    read = Path(text).name or f"the {split} text"
    return (
        f"{model.layers} x {model.features} {model.cell.upper()} after"
        f" {step:,} steps of training, reading {read}."
    )


def write_trace(lm, params, vocab, text, folder: str) -> None:
    from charlm.interpret.activations import cell_of, trace
    from charlm.interpret.viewer.lstmvis import write_lstmvis

    needed = ("h", "c") if cell_of(params) == "lstm" else ("h",)
    seen = trace(lm, params, vocab, text, signals=needed)
    write_lstmvis(seen, folder, name=Path(folder).resolve().name)
    print(f"{folder}: {len(text):,} characters for LSTMVis")


def write(path: str, text: str) -> None:
    from charlm.files import atomic_write

    try:
        atomic_write(Path(path), text)
    except OSError as error:
        raise UserError(
            f"{path} cannot be written ({error.strerror}); give another path"
        ) from error


def report(shown, output: str, cells: str) -> None:
    """Says what the page holds, and which cells were found."""
    from charlm.interpret.units.permutation_test import LEAST
    from charlm.interpret.units.results import as_records, interpretable
    from charlm.interpret.viewer.html import sizes

    size = sizes(shown.html)
    parts = ", ".join(f"{name} {count / 1e6:.1f}" for name, count in size.items())
    found = shown.findings
    passed = [each for each in found.units if each.passed] if found else []
    for each in passed[:SHOWN]:
        print(f"{each.signal:>12} {each.unit:>4}  {each.score:+.3f}  {each.label}")
    if found and not found.units:
        print("no cells were found: no label changes often enough in this text")
    elif found:
        shares = ", ".join(
            f"{x:.1%} at {bar}" for bar, x in interpretable(found).items()
        )
        print(f"units that passed all controls on held-out text: {shares} or more")
    else:
        least = f"{2 * LEAST:,}"
        print(f"no cells were searched for: the text, or --search, is below {least}")
    if cells:
        records = as_records(found.units) if found else []
        write(cells, json.dumps(records, indent=1) + "\n")
    print(f"{output}: {len(shown.html) / 1e6:.1f} MB ({parts}); open it in a browser")


if __name__ == "__main__":
    sys.exit(main())
