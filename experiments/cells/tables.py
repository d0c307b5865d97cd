"""The measured part of the README, made of the results alone."""

import math
from collections.abc import Iterable, Mapping
from typing import Any

from experiments.cells.behaviors import (
    BEHAVIORS,
    MIN_SCORE,
    Record,
    choose_best,
    choose_best_network,
    is_reproduced,
)
from experiments.report import DASH, table

BARS = (0.5, 0.7, 0.9)  # held-out scores
HEAD = (
    *("unit", "held out", "chosen at", "threshold", "untrained", "8 characters"),
    *("ablation: inside", "outside", "percentile", "most of it at", "fails"),
)
CHARACTER_NAMES = {" ": "space", "\n": "newline", "\t": "tab", "\r": "CR"}
GATE_PICTURES = ("gates.png", "time_scales.png")

Results = Mapping[str, Mapping[str, Any]]


def make_blocks(networks: Results) -> list[str]:
    """Returns the README's blocks of Markdown.

    Args:
      networks: by name, the results of each, as `experiments.cells.run` makes them.
    """
    best = choose_records(networks)
    reproduced = sum(
        choice is not None and is_reproduced(choice[1]) for choice in best.values()
    )
    summary = (
        f"{reproduced} of the post's {len(best)} behaviors were reproduced: a held-out"
        f" score of {MIN_SCORE} or more, and all controls passed."
    )
    pictures = [
        f"![{behavior}]({get_picture_name(behavior)})"
        for behavior, choice in best.items()
        if choice is not None
    ]
    blocks = [summary, behaviors_table(best), *pictures, shares_table(networks)]
    blocks += [f"![]({name})" for name in GATE_PICTURES]
    blocks.append(pages_table(networks))
    for name, results in networks.items():
        blocks += [f"### {name}", labels_table(results["labels"])]
    return blocks


def choose_records(networks: Results) -> dict[str, tuple[str, Record] | None]:
    """Returns, by behavior, the network that does best and its record."""
    records = {name: results["labels"] for name, results in networks.items()}
    return {
        behavior: choose_best_network(records, labels)
        for behavior, labels in BEHAVIORS.items()
    }


def behaviors_table(best: Mapping[str, tuple[str, Record] | None]) -> str:
    """Returns which of the post's behaviors were reproduced, and where."""
    rows = []
    for behavior, choice in best.items():
        if choice is None:
            rows.append([behavior, "no such text", *[DASH] * (len(HEAD) + 1)])
        else:
            network, record = choice
            verdict = "**yes**" if is_reproduced(record) else "no"
            where = f"{network}: {record['label']}"
            rows.append([behavior, verdict, where, *make_row(record)])
    return table(["behavior", "reproduced", "where", *HEAD], rows)


def labels_table(records: Iterable[Record]) -> str:
    """Returns the best unit of each label of a network, by `choose_best`."""
    records = list(records)
    names = dict.fromkeys(record["label"] for record in records)
    best = [choose_best(records, [name]) for name in names]
    rows = [[record["label"], *make_row(record)] for record in best if record]
    return table(["label", *HEAD], rows)


def make_row(record: Record) -> list:
    """Returns the cells of a record and its controls."""
    ablation = record.get("ablation")
    columns = [DASH] * 4
    if ablation:
        where = ", ".join(
            f"{CHARACTER_NAMES.get(c, f'`{c}`')} {share:.0%}"
            for c, share in ablation["symbols"].items()
        )
        percentile = ablation["percentile"]
        columns = [to_float(ablation["inside"]), to_float(ablation["outside"])]
        columns += [DASH if percentile is None else f"{percentile:.0%}", where]
    names = ("score", "chosen_score", "threshold", "untrained", "context")
    return [
        f"{record['signal'].removeprefix('layer_')} {record['unit']}",
        *(to_float(record[name]) for name in names),
        *columns,
        "; ".join(record["fails"]) or "none",
    ]


def to_float(value: float | None) -> float:
    """Returns nan for None, which JSON has in its place."""
    return math.nan if value is None else value


def get_picture_name(behavior: str) -> str:
    """Returns the file name of a behavior's picture."""
    name = behavior.replace("[[ ]]", "links")
    letters = "".join(c if c.isalnum() else "_" for c in name)
    return f"{letters.strip('_').replace('__', '_').lower()}.png"


def shares_table(networks: Results) -> str:
    """Returns the shares of interpretable units, trained and untrained."""
    rows = []
    for name, results in networks.items():
        shares = (results["interpretable"], results["untrained"])
        cells = [f"{share[str(bar)]:.1%}" for share in shares for bar in BARS]
        rows.append([name, results["units"], *cells])
    head = [f"{bar} or more" for bar in BARS]
    head += [f"untrained, {bar}" for bar in BARS]
    return table(["network", "units", *head], rows)


def pages_table(networks: Results) -> str:
    """Returns the sizes of the parts of each network's page."""
    rows = []
    for name, results in networks.items():
        sizes = (f"{size:.1f} MB" for size in results["page_megabytes"].values())
        rows.append([f"runs/cells/{name}.html", *sizes])
    head = ["page", "text and guesses", "values of units", "model", "the page itself"]
    return table(head, rows)
