"""select_labels(text): the labels that occur in a text."""

import numpy as np

from charlm.interpret.labels.labels import Label, compute_labels

MIN_SHARE = 0.002  # of the characters
MIN_CHANGES = 10  # rises, and as many falls
MIN_CLOSED_SHARE = 0.75  # of the spans; the text is of another kind if fewer are closed


def select_labels(text: str) -> list[Label]:
    """Returns the labels that tell characters of a text apart.

    Left out are labels that have a single value at all but 0.2 % of the characters
    where they are defined, that are defined at fewer than 0.2 % of all, that rise or
    fall fewer than 10 times, that equal an earlier one, and those of which a quarter of
    the spans are not closed: so in prose a % begins no comment.

    Args:
      text: as of `compute_labels`.
    """
    selection: list[Label] = []
    for label, closed_share in compute_labels(text):
        is_new = not any(np.array_equal(label.values, o.values) for o in selection)
        if closed_share >= MIN_CLOSED_SHARE and is_frequent(label) and is_new:
            selection.append(label)
    return selection


def is_frequent(label: Label) -> bool:
    """Returns whether a label has more than one value, and changes often enough."""
    values = label.values if label.where is None else label.values[label.where]
    if len(values) < max(MIN_SHARE * len(label.values), 1):
        return False
    _, counts = np.unique(values, return_counts=True)
    steps = np.diff(values)
    changes = min(np.count_nonzero(steps > 0), np.count_nonzero(steps < 0))
    is_varied = counts.max() <= (1 - MIN_SHARE) * len(values)
    return bool(is_varied and changes >= MIN_CHANGES)
