"""Which cells mean something: found in nets trained here, with all controls."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
from charlm.interpret.units.results import as_records, interpretable

from charlm.interpret.labels.labels import Label
from charlm.interpret.units.pipeline import Study, cut, study
from charlm.interpret.viewer.html import make_html, read_sizes
from charlm.interpret.viewer.listed_units import rank_listed_units
from charlm.interpret.viewer.quantize import quantize
from experiments.cells.gate_statistics import saturation, time_scales
from experiments.cells.kinds import BAR, KINDS, Cell, best_of_nets, counts, fails
from experiments.cells.pictures import draw_text, stretch
from experiments.cells.tables import (
    BARS,
    kinds_table,
    labels_table,
    pictures,
    shares_table,
    slug,
)
from experiments.corpus import ROOT, TrainedRun, get_config, train_run, train_small
from experiments.depth_and_width.run import Architecture, get_flags
from experiments.report import table, write_report
from experiments.style import figure

FOLDER = Path(__file__).parent
CHARACTERS = 200_000  # of text that the net was not trained on
PAGE = 20_000  # of those, on the page of a net
PAGES = ROOT / "runs/cells"  # large, and not for the repository
GATES = {"i": "input", "f": "forget", "o": "output"}
LONGEST = 254  # characters: more the integers of a trace cannot tell of a forget gate


class Net(NamedTuple):
    """A trained net, and what was found in it."""

    name: str
    run: TrainedRun
    study: Study
    cells: list[Cell]


def main() -> None:
    nets = [look(name, run()) for name, run in NETS.items()]
    cells = [cell for net in nets for cell in net.cells]
    best = {kind: best_of_nets(cells, names) for kind, names in KINDS.items()}
    for kind, cell in best.items():
        if cell is not None:
            draw_cell(nets, kind, cell)
    draw_gates(nets)
    draw_time_scales(nets)
    came = sum(map(counts, best.values()))
    told = (
        f"{came} of the post's {len(KINDS)} kinds came back with a held-out score of"
        f" {BAR} or more and all controls passed."
    )
    shares = shares_table({net.name: net.study for net in nets})
    blocks = [told, kinds_table(best), *pictures(best), shares]
    drawn = [f"![]({name}.png)" for name in ("gates", "gates_by_layer", "time_scales")]
    blocks += [*drawn, pages_table(nets)]
    for net in nets:
        blocks += [f"### {net.name}", labels_table(net.cells)]
    write_report(FOLDER, {net.name: results(net) for net in nets}, blocks)
    print(*blocks, sep="\n\n")


NETS = {
    "war_and_peace": lambda: train_small("war_and_peace"),
    "linux": lambda: train_small("linux"),
    "wikipedia": lambda: train_small("wikipedia"),
    "shakespeare": lambda: train_small("shakespeare"),
    "python": lambda: train_run("demo.py:small", "runs/python-small"),
    "two_layers": lambda: two_layers(),
    "wikipedia_narrow": lambda: train_run(
        "wikipedia.py:small", "runs/wikipedia-narrow", *NARROW
    ),
}
NARROW = ("--config.model.layers=2", "--config.model.features=96")


def two_layers() -> TrainedRun:
    """The two-layered LSTM of 2 x 84 of experiments/depth_and_width."""
    cell = Architecture(128, 2, "lstm")
    workdir = f"runs/depth_and_width/{cell.name}"
    return train_run("war_and_peace.py", workdir, *get_flags(cell))


def look(name: str, run: TrainedRun) -> Net:
    """The study of a net on text that it was not trained on, the test text first."""
    text = np.concatenate([run.text["test"], run.text["valid"]])[:CHARACTERS]
    found = study(run.lm, run.params, run.vocab, text)
    cells = [Cell(name, each, found.costs.get(each)) for each in found.findings.labels]
    PAGES.mkdir(parents=True, exist_ok=True)
    page = make_html(
        cut(found.trace, slice(0, PAGE)),
        model=quantize(run.params, cell=found.trace.cell),
        unit_results=rank_listed_units(found),
        title=TITLES[name],
        about=about(run),
    )
    (PAGES / f"{name}.html").write_text(page, encoding="utf-8")
    print(f"{name}: {len(cells)} findings", flush=True)
    return Net(name, run, found, cells)


TITLES = {
    "war_and_peace": "War and Peace",
    "linux": "The Linux kernel",
    "wikipedia": "Wikipedia",
    "shakespeare": "Shakespeare",
    "python": "Python's library",
    "two_layers": "War and Peace, two layers",
    "wikipedia_narrow": "Wikipedia, two narrow layers",
}


def about(run: TrainedRun) -> str:
    model = get_config(run)["model"]
    return (
        f"{model['layers']} x {model['features']} {model['cell'].upper()},"
        f" {run.records[-1]['step']:,} steps, reading text that it was not trained on."
    )


def pages_table(nets: list[Net]) -> str:
    rows = []
    for net in nets:
        size = read_sizes((PAGES / f"{net.name}.html").read_text(encoding="utf-8"))
        parts = [f"{count / 1e6:.1f} MB" for count in size.values()]
        rows.append([f"runs/cells/{net.name}.html", *parts])
    head = ["page", "text and guesses", "values of units", "model", "the page itself"]
    return table(head, rows)


def label_of(net: Net, name: str) -> Label:
    [label] = [label for label in net.study.labels if label.name == name]
    return label


def draw_cell(nets: list[Net], kind: str, cell: Cell) -> None:
    [net] = [net for net in nets if net.name == cell.net]
    seen, finding = net.study.trace, cell.finding
    part = stretch(seen.text, label_of(net, finding.label), len(seen.ids) // 2)
    values = seen.get_values(finding.signal, finding.unit)
    low, high = np.percentile(values, [1, 99])
    title = (
        f"{kind}: unit {finding.unit}'s {finding.signal.partition('/')[2]},"
        f" {TITLES[net.name]}; held-out score {finding.score:+.3f}"
    )
    path = FOLDER / f"{slug(kind)}.png"
    draw_text(path, seen.text[part], values[part], ends=(low, high), title=title)


def draw_gates(nets: list[Net]) -> None:
    """How often gates are shut and open: nets of one layer, then layers of the others.

    The legend stands where no dot can, above the line on which the shares add up to 1.
    """
    for name, deep in (("gates.png", False), ("gates_by_layer.png", True)):
        some = [net for net in nets if (net.study.trace.layers > 1) == deep]
        with figure(FOLDER / name, columns=3, width=10, height=3.6) as columns:
            for axes, gate in zip(columns, GATES, strict=True):
                for net in some:
                    scatter(axes, net, gate, legend=gate == [*GATES][-1])
                axes.plot([0, 1], [1, 0], color="black", linewidth=0.5)
                axes.set(xlabel="share below 0.1", title=f"{GATES[gate]} gate")
            columns[0].set(ylabel="share above 0.9")


def scatter(axes, net: Net, gate: str, *, legend: bool) -> None:
    """A dot a unit, a colour a layer."""
    seen = net.study.trace
    for n in range(seen.layers):
        key = f"layer_{n}/{gate}"
        left, right = saturation(seen.signals[key], seen.scales[key])
        label = of_layer(net, n) if legend else None
        axes.scatter(left, right, s=5, alpha=0.5, label=label)


def of_layer(net: Net, n: int) -> str:
    return net.name if net.study.trace.layers == 1 else f"{net.name}, layer {n}"


def draw_time_scales(nets: list[Net]) -> None:
    with figure(FOLDER / "time_scales.png") as axes:
        for net in nets:
            seen = net.study.trace
            for n in range(seen.layers):
                key = f"layer_{n}/f"
                scales = np.sort(time_scales(seen.signals[key], seen.scales[key]))
                shares = np.linspace(1, 0, len(scales))
                axes.plot(np.minimum(scales, LONGEST), shares, label=of_layer(net, n))
        axes.set(xscale="log", xlabel="characters, -1 / mean(log f)")
        axes.set(ylabel="share of units that hold as long")


def results(net: Net) -> dict:
    found = net.study
    of_labels = zip(as_records([c.finding for c in net.cells]), net.cells, strict=True)
    labels = [
        record
        | {"fails": fails(cell)}
        | ({"clamped": as_records([cell.cost])[0]} if cell.cost else {})
        for record, cell in of_labels
    ]
    passed = [each for each in found.findings.units if each.passed]
    return {
        "labels": labels,
        "left_out": found.findings.left_out,
        "interpretable": interpretable(found.findings, bars=BARS),
        "untrained": interpretable(found.twin, bars=BARS),
        "units_that_passed": as_records(passed),
        "config": get_config(net.run),
    }


if __name__ == "__main__":
    main()
