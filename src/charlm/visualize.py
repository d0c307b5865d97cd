"""python -m charlm.visualize --workdir=runs/demo [--text=FILE] --output=page.html

Makes a page, one file that needs nothing else. It shows a text by what every unit of
the model does at each character, the model's guesses, and the units that follow
something; and the model itself writes there.
"""

import json
from pathlib import Path

from absl import flags

from charlm.cli.app import run
from charlm.errors import UserError

MAX_ROWS = 20  # of the table of units


def main() -> None:
    options = flags.FLAGS
    check(options)  # before JAX is imported: it takes a second

    from charlm.cli.text_source import read_text
    from charlm.interpret.viewer.notebook import show
    from charlm.model.jax_setup import configure_jax
    from charlm.workdir import model_files

    configure_jax()
    config = model_files.read_config(options.workdir)
    model, metadata = model_files.load(options.workdir, options.checkpoint)
    text = read_text(
        config, model.vocab, metadata.notes, text=options.text, split=options.split
    )
    if options.lstmvis:
        write_trace(*model, text[: options.characters], options.lstmvis)
    if options.output:
        page = show(
            *model,
            text,
            characters=options.characters,
            search=options.search,
            start=options.start,
            title=options.title or Path(options.workdir).resolve().name,
            about=describe_run(config, metadata.step, options.text, options.split),
        )
        write(options.output, page.html)
        report(page, options.output, options.cells)


def check(options) -> None:
    """Raises UserError for what cannot work, before anything takes time."""
    if not options.workdir:
        raise UserError("say into whose model to look with --workdir=runs/NAME")
    if not options.output and not options.lstmvis:
        raise UserError("say where the page is to be written with --output=page.html")
    if options.characters < 1 or options.search < 0:
        raise UserError("--characters must be at least 1, and --search at least 0")
    for name in ("output", "cells"):
        path = Path(options[name].value)
        if options[name].value and (path.is_dir() or not path.parent.is_dir()):
            why = "is a folder" if path.is_dir() else "is in a folder that is not there"
            raise UserError(f"--{name}={path} {why}; give the path of a file")


def describe_run(config, step: int, text: str, split: str) -> str:
    """A sentence on the model and the text."""
    model = {"layers": "?", "features": "?", "cell": "?"} | config["model"]
    source = Path(text).name or f"the {split} text"
    return (
        f"{model['layers']} x {model['features']} {model['cell'].upper()} after"
        f" {step:,} steps of training, reading {source}."
    )


def write_trace(lm, params, vocab, text, folder: str) -> None:
    from charlm.interpret.activations import cell_of, trace
    from charlm.interpret.viewer.lstmvis import write_lstmvis

    signals = ("h", "c") if cell_of(params) == "lstm" else ("h",)
    activations = trace(lm, params, vocab, text, signals=signals)
    write_lstmvis(activations, folder, name=Path(folder).resolve().name)
    print(f"{folder}: {len(text):,} characters for LSTMVis")


def write(path: str, text: str) -> None:
    from charlm.files import atomic_write

    try:
        atomic_write(Path(path), text)
    except OSError as error:
        raise UserError(
            f"{path} cannot be written ({error.strerror}); give another path"
        ) from error


def report(page, output: str, cells: str) -> None:
    """Prints what the page holds, and which units passed the controls."""
    from charlm.interpret.units.results import as_records, interpretable
    from charlm.interpret.viewer.html import read_sizes
    from charlm.interpret.viewer.unit_results import MIN_SEARCH

    units = page.findings.units if page.findings else []
    passed = [finding for finding in units if finding.passed]
    for finding in passed[:MAX_ROWS]:
        print(
            f"{finding.signal:>12} {finding.unit:>4}  {finding.score:+.3f} "
            f" {finding.label}"
        )
    if page.findings is None:
        print(f"no search for units: the text, or --search, is below {MIN_SEARCH:,}")
    elif not units:
        print("no unit was scored: no label changes often enough in this text")
    else:
        shares = interpretable(page.findings).items()
        text = ", ".join(f"{share:.1%} at {bar}" for bar, share in shares)
        print(f"units that passed all controls on held-out text: {text} or more")
    if cells:
        write(cells, json.dumps(as_records(units), indent=1) + "\n")
    sizes = read_sizes(page.html).items()
    parts = ", ".join(f"{name} {count / 1e6:.1f}" for name, count in sizes)
    print(f"{output}: {len(page.html) / 1e6:.1f} MB ({parts}); open it in a browser")


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
        "search", 100_000, "characters in which units are searched for; 0: no search"
    )
    flags.DEFINE_string("title", "", "the page's heading; else the workdir's name")
    flags.DEFINE_string("cells", "", "a JSON file for what every unit follows")
    flags.DEFINE_string(
        "lstmvis", "", "a new folder for the trace, as LSTMVis reads it"
    )
    run(main, about=__doc__ or "")
