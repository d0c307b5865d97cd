"""What of a language's structure a text keeps: brackets, quotes, tags, functions.

The same measures serve samples of a model and stretches of real text that are cut to
the same lengths, so that they stand side by side.
"""

import bisect
import math
from collections.abc import Iterator, Sequence

from charlm.errors import UserError
from experiments.structure import c_source, latex, prose, python_source, wiki
from experiments.structure.bracket_matching import Judged
from experiments.structure.memorization import copying, words_known
from experiments.structure.names import names_measures

__all__ = [
    "KINDS",
    "closing_by_distance",
    "copying",
    "measure",
    "names_measures",
    "words_known",
]


# How each kind of text is read, and what it is judged by.
READERS = {
    "latex": (latex.read_latex, latex.ROWS),
    "wiki": (wiki.read_wiki, wiki.ROWS),
    "c": (c_source.read_c, c_source.ROWS),
    "python": (python_source.read_python, python_source.ROWS),
    "prose": (prose.read_prose, prose.ROWS),
    "names": (prose.read_names, prose.NAMES_ROWS),
}
KINDS = tuple(READERS)
BUCKETS = (1, 10, 30, 100, 300, 1000)  # the least distance of each


def measure(texts: Sequence[str], *, kind: str) -> dict[str, float]:
    """The share of right ones, from 0 to 1, of each thing that a kind of text has.

    A text begins and ends anywhere: what it opens and has not closed when it ends does
    not count unless something contradicts it. `bracket_matching` has the
    rule, and the function that reads a kind (`read_latex` and so on) its details.
    Real text scores near 1; where it does not (kernel C has macros that no parser of C
    reads), its own share is what to compare with.

    Args:
      texts: samples of a model, or stretches of held-out text of the same lengths.
      kind: one of KINDS.

    Returns:
      The shares over all texts together, by what they are of: the same keys in the
      same order for all texts of a kind. nan where there was none to judge.

    Raises:
      UserError: there is no such kind, or its parser is not installed.
    """
    _, rows = _reader_of(kind)
    right: dict[str, list[bool]] = {row: [] for row in rows}
    for judged in _judged(texts, kind):
        right[judged.row].append(judged.right)
    return {row: _share(each) for row, each in right.items()}


def closing_by_distance(
    texts: Sequence[str], *, kind: str
) -> dict[str, dict[str, float]]:
    """The share of openings that their own closer closed, by how far away it stands.

    An opening that something else contradicts counts as wrong, at the distance to that.
    See `measure` for the texts, the kind, and what is left out.

    Returns:
      {"10-29": {"share": ..., "count": ...}, ...}: the distances in characters, from
      where the opening begins to where its closer does; the share from 0 to 1, nan of
      no openings.
    """
    right: list[list[bool]] = [[] for _ in BUCKETS]
    for judged in _judged(texts, kind):
        if judged.distance is not None:
            right[bisect.bisect(BUCKETS, judged.distance) - 1].append(judged.right)
    ends = [f"-{least - 1}" for least in BUCKETS[1:]] + ["+"]
    return {
        f"{least}{end}": {"share": _share(each), "count": float(len(each))}
        for least, end, each in zip(BUCKETS, ends, right, strict=True)
    }


def _judged(texts: Sequence[str], kind: str) -> Iterator[Judged]:
    read, _ = _reader_of(kind)
    for text in texts:
        # Some corpora end their lines as Windows does.
        yield from read(text.replace("\r\n", "\n"))


def _reader_of(kind: str):
    """The function that reads a kind of text, and its rows.

    Raises:
      UserError: there is no such kind.
    """
    if kind not in READERS:
        raise UserError(f"no measure of {kind!r}; take one of: {', '.join(KINDS)}")
    return READERS[kind]


def _share(right: Sequence[bool]) -> float:
    return sum(right) / len(right) if right else math.nan
