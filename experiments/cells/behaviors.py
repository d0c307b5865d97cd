"""The behaviors of units that the post and the paper show, and which are reproduced.

A record is a `UnitResult` as data for JSON, with "fails", the controls that it does not
pass, and, if its unit was ablated, "ablation".
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from charlm.interpret.ablation import AblationEffect
from charlm.interpret.units.selection import UnitResult, as_records, exceeds

# Each with the labels of charlm.interpret.labels.labels that express it.
BEHAVIORS = {
    "position in the line": ["position in line"],
    "inside quotes": ["inside quotes"],
    "inside the condition of an if": ["condition of if"],
    "inside comments and strings": ["comment or string", "inside comment"],
    "depth of an expression": [
        "depth of brackets",
        "depth of ( )",
        "depth of { }",
        "indentation",
    ],
    "the line's end ahead": ["line end within 5", "line end within 10", "left in line"],
    "inside URLs": ["in URL"],
    "inside [[ ]]": ["inside [[ ]]"],
    "position in [[ ]]": ["position in [[ ]]"],
}
MIN_SCORE = 0.9  # on held-out text, of a behavior that is reproduced
MIN_PERCENTILE = 0.9  # of the ablated units of its variance, so many must cost less

Record = dict[str, Any]


def make_record(result: UnitResult, effect: AblationEffect | None) -> Record:
    """Returns the record of a result; the effect is None if its unit is not ablated."""
    [record] = as_records([result])
    limits = {
        "threshold": result.threshold,
        "untrained": result.untrained,
        "8 characters": result.context,
    }
    fails = [name for name, x in limits.items() if not exceeds(result.score, x)]
    if result.score * result.chosen_score <= 0:
        fails.insert(0, "sign")
    if effect is None:
        return record | {"fails": fails}
    if not (effect.inside > 0 and effect.beaten >= MIN_PERCENTILE):
        fails.append("ablation")
    [ablation] = as_records([effect])
    ablation["control_units"] = ablation.pop("matched")
    ablation["percentile"] = ablation.pop("beaten")
    return record | {"fails": fails, "ablation": ablation}


def choose_best(records: Iterable[Record], labels: Collection[str]) -> Record | None:
    """Returns the record that represents some labels in a network.

    Of the records that pass all controls but perhaps ablation, and of all if there is
    none, it is the one that did best on the half on which units were chosen. Ablation
    does not choose: by luck alone two units in eleven cost more than nine of ten
    others, so of many one would.
    """
    candidates = [record for record in records if record["label"] in labels]
    passed = [record for record in candidates if not {*record["fails"]} - {"ablation"}]
    return max(
        passed or candidates,
        key=lambda record: abs(record["chosen_score"]),
        default=None,
    )


def choose_best_network(
    records: Mapping[str, Sequence[Record]], labels: Collection[str]
) -> tuple[str, Record] | None:
    """Returns the network, and its record, that does best on some labels.

    Of the networks' best records it is one that reproduces the behavior, or else passes
    all controls, with the highest held-out score.
    """
    best = {name: choose_best(each, labels) for name, each in records.items()}
    return max(
        ((name, record) for name, record in best.items() if record is not None),
        key=lambda pair: (
            is_reproduced(pair[1]),
            not pair[1]["fails"],
            abs(pair[1]["score"]),
        ),
        default=None,
    )


def is_reproduced(record: Record) -> bool:
    """Returns whether a record passes all controls with MIN_SCORE or more."""
    is_good = "ablation" in record and not record["fails"]
    return is_good and abs(record["score"]) >= MIN_SCORE
