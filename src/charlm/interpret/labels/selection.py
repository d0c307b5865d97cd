"""labels(text): what can be said of each place of a text, from the text alone.

Whatever the text is (prose, a play, C, Python, TeX, a wiki's XML), all labels are
tried, and those that occur are kept. The value at t is of the point just after
character t was read, and is decided by the characters up to t, which is all that a
recurrent net has read there; labels that are `ahead` look at what follows instead.
"""

from collections.abc import Iterator

import numpy as np

from charlm.interpret.labels.labels import Label, all_kinds

RARE = 0.002  # of the places
SWITCHES = 10  # up, and as many down
SOUND = 0.75  # of the stretches end as they should, else the text is of another kind


def labels(text: str) -> list[Label]:
    """The labels that tell places of this text apart.

    Left out are those that have one value at all but 0.2 % of the places where they
    are defined, that are defined at fewer than 0.2 % of all, that rise or fall fewer
    than 10 times, that equal an earlier one, and those of stretches of which a quarter
    never end as they should: so in prose a % begins no comment.

    Args:
      text: any; a line ends with \\n, and a \\r is white space of its line.
    """
    kept: list[Label] = []
    for label, sound in every(text):
        same = any(np.array_equal(label.values, other.values) for other in kept)
        if sound >= SOUND and common(label) and not same:
            kept.append(label)
    return kept


def common(label: Label) -> bool:
    """Whether it has more than one value, and both often enough."""
    values = label.values if label.where is None else label.values[label.where]
    if len(values) < max(RARE * len(label.values), 1):
        return False
    _, counts = np.unique(values, return_counts=True)
    steps = np.diff(values)
    switches = min(np.count_nonzero(steps > 0), np.count_nonzero(steps < 0))
    often = counts.max() <= (1 - RARE) * len(values)
    return bool(often and switches >= SWITCHES)


def every(text: str) -> Iterator[tuple[Label, float]]:
    """All labels, whether or not they occur.

    Yields:
      The label, and which share of its stretches ended as they should.
    """
    # A net reads the two characters of \r\n, and its line goes on until the second.
    for label, sound in all_kinds(text.replace("\r", " ")):
        yield label._replace(values=label.values.astype(np.float32)), sound
