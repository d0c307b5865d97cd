"""python -m charlm.visualize --workdir=runs/demo [--text=FILE] --output=page.html

Makes a page, one file that needs nothing else: the text by what every unit of the
model does at each character, its guesses, the cells that mean something; and the model
itself, which writes there.
"""

import json
from pathlib import Path

from absl import flags

from charlm.cli.app import run
from charlm.errors import UserError

SHOWN = 20  # cells in the table


def main() -> None:
    given = flags.FLAGS
    check(given)  # before JAX is there: it takes a second

    from charlm.cli.text_source import read_text
    from charlm.interpret.viewer.notebook import show
    from charlm.model.jax_setup import configure_jax
    from charlm.workdir import model_files

    configure_jax()
    config = model_files.read_config(given.workdir)
    model, kept = model_files.load(given.workdir, given.checkpoint)
    text = read_text(
        config, model.vocab, kept.notes, text=given.text, split=given.split
    )
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
            about=told(config, kept.step, given.text, given.split),
        )
        write(given.output, shown.html)
        report(shown, given.output, given.cells)


def check(given) -> None:
    """Raises UserError for what cannot work, before anything takes time."""
    if not given.workdir:
        raise UserError("say into whose model to look with --workdir=runs/NAME")
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
    model = {"layers": "?", "features": "?", "cell": "?"} | config["model"]
    read = Path(text).name or f"the {split} text"
    return (
        f"{model['layers']} x {model['features']} {model['cell'].upper()} after"
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
    from charlm.interpret.units import selection
    from charlm.interpret.units.permutation_test import MIN_CHARS
    from charlm.interpret.viewer.html import sizes

    size = sizes(shown.html)
    parts = ", ".join(f"{name} {count / 1e6:.1f}" for name, count in size.items())
    found = shown.findings
    passed = [each for each in found.by_unit if each.passed] if found else []
    for each in passed[:SHOWN]:
        print(f"{each.signal:>12} {each.unit:>4}  {each.score:+.3f}  {each.label}")
    if found and not found.by_unit:
        print("no cells were found: no label changes often enough in this text")
    elif found:
        shares = ", ".join(
            f"{x:.1%} at {bar}"
            for bar, x in selection.compute_interpretable_shares(found).items()
        )
        print(f"units that passed all controls on held-out text: {shares} or more")
    else:
        least = f"{2 * MIN_CHARS:,}"
        print(f"no cells were searched for: the text, or --search, is below {least}")
    if cells:
        records = selection.as_records(found.by_unit) if found else []
        write(cells, json.dumps(records, indent=1) + "\n")
    print(f"{output}: {len(shown.html) / 1e6:.1f} MB ({parts}); open it in a browser")


if __name__ == "__main__":
    flags.DEFINE_string("workdir", "", "of the run into whose model to look")
    flags.DEFINE_string("checkpoint", "best", "best, latest, or a step")
    flags.DEFINE_string("text", "", "a file to be read")
    flags.DEFINE_string("split", "valid", "without --text: train, valid or test")
    flags.DEFINE_string("output", "", "the page, an HTML file")
    flags.DEFINE_integer("characters", 20_000, "of the text that the page shows")
    flags.DEFINE_integer(
        "start", None, "the character that is marked when it opens; else a lively one"
    )
    flags.DEFINE_integer(
        "search", 100_000, "characters searched for cells; 0: none are"
    )
    flags.DEFINE_string("title", "", "the page's heading; else the workdir's name")
    flags.DEFINE_string("cells", "", "a JSON file for what every unit follows")
    flags.DEFINE_string(
        "lstmvis", "", "a new folder for the trace, as LSTMVis reads it"
    )
    run(main, about=__doc__ or "")
