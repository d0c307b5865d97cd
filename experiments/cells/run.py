"""Which units have a meaning? Searched in networks trained here, with all controls."""

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from charlm.interpret.units.pipeline import Study, slice_activations, study
from charlm.interpret.units.selection import (
    UnitResults,
    as_records,
    compute_interpretable_shares,
)
from charlm.interpret.viewer.html import make_html, read_sizes
from charlm.interpret.viewer.notebook import rank_listed_units
from charlm.interpret.viewer.quantize import quantize
from experiments.cells.behaviors import Record, make_record
from experiments.cells.gates import draw_saturation, draw_time_scales
from experiments.cells.pictures import choose_passage, draw_text
from experiments.cells.tables import (
    BARS,
    GATE_PICTURES,
    choose_records,
    get_picture_name,
    make_blocks,
)
from experiments.corpus import ROOT, TrainedRun, get_config, train_run, train_small
from experiments.depth_and_width.recipe import Architecture, get_flags
from experiments.report import round_floats, write_report

FOLDER = Path(__file__).parent
TEXT_CHARS = 200_000  # of text that the network was not trained on
PAGE_CHARS = 20_000  # of those, on the page of a network
PAGES = ROOT / "runs/cells"  # large, and not for the repository
NETWORKS = {
    "war_and_peace": "War and Peace",
    "linux": "The Linux kernel",
    "wikipedia": "Wikipedia",
    "shakespeare": "Shakespeare",
    "python": "Python's library",
    "two_layers": "War and Peace, two layers",
    "wikipedia_narrow": "Wikipedia, two narrow layers",
}


class Network(NamedTuple):
    """A trained network and its study."""

    name: str
    run: TrainedRun
    study: Study


def main() -> None:
    networks = {name: study_network(name) for name in NETWORKS}
    results = {name: make_results(network) for name, network in networks.items()}
    rounded: Any = round_floats(results)  # as results.json has them
    for behavior, choice in choose_records(rounded).items():
        if choice is not None:
            name, record = choice
            draw_unit(networks[name], behavior, record)
    activations = {name: n.study.activations for name, n in networks.items()}
    draw_saturation(FOLDER / GATE_PICTURES[0], activations)
    draw_time_scales(FOLDER / GATE_PICTURES[1], activations)
    blocks = make_blocks(rounded)
    write_report(FOLDER, {"networks": results}, blocks)
    print(*blocks, sep="\n\n")


def train_network(name: str) -> TrainedRun:
    """Returns the run of a network, trained to its end if it is not yet."""
    match name:
        case "python":
            return train_run("demo.py:small", "runs/python-small")
        case "two_layers":  # an entry of experiments/depth_and_width
            entry = Architecture(128, 2, "lstm")
            workdir = f"runs/depth_and_width/{entry.name}"
            return train_run("war_and_peace.py", workdir, *get_flags(entry))
        case "wikipedia_narrow":
            flags = ["--config.model.layers=2", "--config.model.features=96"]
            return train_run("wikipedia.py:small", "runs/wikipedia-narrow", *flags)
        case _:
            return train_small(name)


def study_network(name: str) -> Network:
    """Studies a network on text that it was not trained on, and writes its page."""
    run = train_network(name)
    text = np.concatenate([run.text["test"], run.text["valid"]])[:TEXT_CHARS]
    result = study((run.lm, run.params, run.vocab), text)
    model = get_config(run)["model"]
    html = make_html(
        slice_activations(result.activations, slice(0, PAGE_CHARS)),
        model=quantize(run.params, cell=str(run.lm.config.cell)),
        unit_results=rank_listed_units(result),
        title=NETWORKS[name],
        about=f"{model['layers']} x {model['features']} {model['cell'].upper()},"
        f" {run.records[-1]['step']:,} steps, reading text that it was not trained on.",
    )
    PAGES.mkdir(parents=True, exist_ok=True)
    (PAGES / f"{name}.html").write_text(html, encoding="utf-8")
    print(f"{name}: {len(result.results.by_label)} results", flush=True)
    return Network(name, run, result)


def make_results(network: Network) -> dict[str, Any]:
    """Returns the results of a network as data for JSON."""
    studied = network.study
    results, control = studied.results, studied.untrained_control
    assert control is not None
    html = (PAGES / f"{network.name}.html").read_text(encoding="utf-8")
    return {
        "units": sum(results.widths.values()),
        "interpretable": get_shares(results),
        "untrained": get_shares(control),
        "page_megabytes": {
            part: round(size / 1e6, 1) for part, size in read_sizes(html).items()
        },
        "unfit_labels": results.unfit_labels,
        "labels": [make_record(r, studied.ablations.get(r)) for r in results.by_label],
        "units_that_passed": as_records(r for r in results.by_unit if r.passed),
        "config": get_config(network.run),
    }


def get_shares(results: UnitResults) -> dict[str, float]:
    """Returns the shares of interpretable units by bar, as JSON has its keys."""
    shares = compute_interpretable_shares(results, bars=BARS)
    return {str(bar): share for bar, share in shares.items()}


def draw_unit(network: Network, behavior: str, record: Record) -> None:
    """Draws a passage colored by the unit of a record."""
    activations = network.study.activations
    signal, unit = record["signal"], record["unit"]
    [label] = [x for x in network.study.labels if x.name == record["label"]]
    part = choose_passage(activations.text, label, len(activations.ids) // 2)
    values = activations.get_values(signal, unit)
    title = (
        f"{behavior}: unit {unit}'s {signal.partition('/')[2]},"
        f" {NETWORKS[network.name]}; held-out score {record['score']:+.3f}"
    )
    low, high = np.percentile(values, [1, 99])
    path = FOLDER / get_picture_name(behavior)
    text = activations.text[part]
    draw_text(path, text, values[part], limits=(low, high), title=title)


if __name__ == "__main__":
    main()
