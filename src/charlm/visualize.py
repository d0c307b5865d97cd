"""charlm look WORKDIR [TEXT] [--output=page.html]

Makes a page, one file that needs nothing else. It shows a text by what every unit of
the model does at each character, the model's guesses, and the units that follow
something; and the model itself writes there.
"""

import json
import sys
from functools import partial
from pathlib import Path

from absl import flags

from charlm.cli.app import MODEL_FLAGS, TEXT_FLAGS, run_app
from charlm.errors import UserError
from charlm.files import LocalPath, atomic_write

MAX_ROWS = 20  # of the table of units

FLAGS = {
    **MODEL_FLAGS,
    **TEXT_FLAGS,
    "output": (LocalPath("page.html"), "the page, an HTML file"),
    "characters": (20_000, "of the text that the page shows"),
    "start": (int, "the character that is marked when the page opens"),
    "search": (100_000, "characters searched for cells; 0: none are"),
    "title": ("", "the page's heading; else the workdir's name"),
    "cells": (LocalPath(), "a JSON file for what every unit follows"),
}


def visualize(options: flags.FlagValues) -> None:
    """Writes the page that the flags ask for, and says what it holds."""
    check(options)  # before JAX is imported: it takes a second

    from charlm.cli import trained
    from charlm.interpret.viewer.notebook import show

    config, model, restored = trained.load(options)
    text = trained.read_text(options, config, model, restored)
    net = config.model
    source = Path(options.text).name or f"the {options.split} text"
    page = show(
        model,
        text,
        characters=options.characters,
        search=options.search,
        start=options.start,
        title=options.title or Path(options.workdir).resolve().name,
        about=f"{net.layers} x {net.features} {str(net.cell).upper()} after"
        f" {restored.step:,} steps of training, reading {source}.",
    )
    trained.announce(options, restored)
    write(options.output, page.html)
    report(page, options.output, options.cells)


def check(options) -> None:
    """Raises UserError for what cannot work, before anything takes time."""
    if options.characters < 1 or options.search < 0:
        raise UserError("--characters must be at least 1, and --search at least 0")
    for name in ("output", "cells"):
        path = Path(options[name].value)
        if options[name].value and (path.is_dir() or not path.parent.is_dir()):
            why = "is a folder" if path.is_dir() else "is in a folder that is not there"
            raise UserError(f"--{name}={path} {why}; give the path of a file")


def write(path: str, text: str) -> None:
    try:
        atomic_write(Path(path), text)
    except OSError as error:
        raise UserError(
            f"{path} cannot be written ({error.strerror}); give another path"
        ) from error


def report(page, output: str, cells: str) -> None:
    """Prints what the page holds, and which units passed the controls."""
    from charlm.interpret.units import selection
    from charlm.interpret.viewer.html import MIN_SEARCH, read_sizes

    units = page.results.by_unit if page.results else []
    passed = [result for result in units if result.passed]
    for signal, unit, label, score, *_ in passed[:MAX_ROWS]:
        print(f"{signal:>12} {unit:>4}  {score:+.3f}  {label}")
    if page.results is None:
        print(f"no search for units: the text, or --search, is below {MIN_SEARCH:,}")
    elif not units:
        print("no unit was scored: no label changes often enough in this text")
    else:
        shares = selection.compute_interpretable_shares(page.results).items()
        text = ", ".join(f"{share:.1%} at {bar}" for bar, share in shares)
        print(f"units that passed all controls on held-out text: {text} or more")
    if cells:
        write(cells, json.dumps(selection.as_records(units), indent=1) + "\n")
    sizes = read_sizes(page.html).items()
    parts = ", ".join(f"{name} {count / 1e6:.1f}" for name, count in sizes)
    print(f"{output}: {len(page.html) / 1e6:.1f} MB ({parts}); open it in a browser")


POSITIONAL = ["workdir", "text"]
# (argv) -> exit status
main = partial(run_app, __doc__ or "", FLAGS, visualize, positional=POSITIONAL)

if __name__ == "__main__":
    sys.exit(main())
