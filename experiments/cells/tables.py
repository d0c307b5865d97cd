"""The tables of the cells: what was found, and what each finding had to beat."""

from charlm.interpret.units.pipeline import Study
from charlm.interpret.units.results import interpretable
from experiments.cells.kinds import Cell, best_of, counts, fails
from experiments.report import DASH, table

BARS = (0.5, 0.7, 0.9)  # held-out scores
HEAD = (
    *("unit", "held out", "chosen at", "null", "untrained", "8 characters"),
    *("clamped: inside", "outside", "beats", "most of it at", "fails"),
)


def row(cell: Cell) -> list:
    """A finding and its controls, as a table has them."""
    finding, cost = cell.finding, cell.cost
    if cost is None:
        added = [DASH, DASH, DASH, DASH]
    else:
        where = ", ".join(f"{named(s)} {x:.0%}" for s, x in cost.symbols.items())
        beaten = f"{cost.beaten:.0%}" if cost.matched else DASH
        added = [cost.inside, cost.outside, beaten, where]
    return [
        f"{finding.signal.removeprefix('layer_')} {finding.unit}",
        finding.score,
        finding.chosen_score,
        finding.threshold,
        finding.untrained,
        finding.context,
        *added,
        "; ".join(fails(cell)) or "none",
    ]


def named(symbol: str) -> str:
    return {" ": "space", "\n": "newline", "\t": "tab", "\r": "CR"}.get(
        symbol, f"`{symbol}`"
    )


def kinds_table(best: dict[str, Cell | None]) -> str:
    """Which of the post's kinds came back, and where."""
    rows = []
    for kind, cell in best.items():
        if cell is None:
            rows.append([kind, "no such text", *[DASH] * (len(HEAD) + 1)])
        else:
            verdict = "**yes**" if counts(cell) else "no"
            rows.append(
                [kind, verdict, f"{cell.net}: {cell.finding.label}", *row(cell)]
            )
    return table(["kind", "came back", "where", *HEAD], rows)


def labels_table(cells: list[Cell]) -> str:
    """Of each label of a net the best unit, by the rule of `best_of`."""
    names = dict.fromkeys(cell.finding.label for cell in cells)
    best = [best_of(cells, [name]) for name in names]
    return table(["label", *HEAD], [[c.finding.label, *row(c)] for c in best if c])


def pictures(best: dict[str, Cell | None]) -> list[str]:
    return [
        f"![{kind}]({slug(kind)}.png)"
        for kind, cell in best.items()
        if cell is not None
    ]


def slug(kind: str) -> str:
    letters = "".join(c if c.isalnum() else "_" for c in kind.replace("[[ ]]", "links"))
    return letters.strip("_").replace("__", "_").lower()


def shares_table(studies: dict[str, Study]) -> str:
    """The share of units that mean something, and of the twins' units."""
    rows = []
    for net, study in studies.items():
        shares = [interpretable(f, bars=BARS) for f in (study.findings, study.twin)]
        cells = [f"{of[bar]:.1%}" for of in shares for bar in BARS]
        rows.append([net, sum(study.findings.widths.values()), *cells])
    head = [f"{bar} or more" for bar in BARS]
    return table(["net", "units", *head, *(f"untrained, {b}" for b in BARS)], rows)
