"""How much of a language's structure a text has: brackets, quotes, tags, functions.

The same measures serve samples of a model and passages of real text of the same
lengths, so that they can be compared.
"""

import bisect
import math
from collections.abc import Iterator, Sequence

from charlm.errors import UserError
from experiments.structure import c_source, latex, prose, python_source, wiki
from experiments.structure.bracket_matching import Verdict

# By kind of text, the function that reads it, and its measures.
READERS = {
    "latex": (latex.read_latex, latex.MEASURES),
    "wiki": (wiki.read_wiki, wiki.MEASURES),
    "c": (c_source.read_c, c_source.MEASURES),
    "python": (python_source.read_python, python_source.MEASURES),
    "prose": (prose.read_prose, prose.MEASURES),
    "names": (prose.read_names, prose.NAMES_MEASURES),
}
KINDS = tuple(READERS)
MIN_DISTANCES = (1, 10, 30, 100, 300, 1000)  # of each bucket, in characters


def measure(texts: Sequence[str], *, kind: str) -> dict[str, float]:
    """Returns by measure the share, from 0 to 1, of what is correct in some texts.

    A text begins and ends anywhere: what it opens and has not closed when it ends does
    not count unless something contradicts it. `bracket_matching` has the rule, and the
    function that reads a kind (`read_latex` and so on) its details. Real text scores
    near 1; where it does not (kernel C has macros that no parser of C reads), its own
    share is what to compare with.

    Args:
      texts: samples of a model, or passages of held-out text of the same lengths.
      kind: one of KINDS.

    Returns:
      The shares over all texts together: the same keys in the same order for all texts
      of a kind. nan where there was nothing to judge.

    Raises:
      UserError: there is no such kind, or its parser is not installed.
    """
    verdicts = list(_judge(texts, kind))
    return {
        name: _compute_share([v.correct for v in verdicts if v.measure == name])
        for name in READERS[kind][1]
    }


def closing_by_distance(
    texts: Sequence[str], *, kind: str
) -> dict[str, dict[str, float]]:
    """Returns the share of openers that their own closer closed, by its distance.

    An opener that something else contradicts counts as wrong, at the distance to that.
    See `measure` for the texts, the kind, and what is left out.

    Returns:
      {"10-29": {"share": ..., "count": ...}, ...}: the distances in characters, from
      where the opener begins to where its closer does; the share from 0 to 1, nan of
      no openers.
    """
    buckets: list[list[bool]] = [[] for _ in MIN_DISTANCES]
    for verdict in _judge(texts, kind):
        if verdict.distance is not None:
            bucket = bisect.bisect(MIN_DISTANCES, verdict.distance) - 1
            buckets[bucket].append(verdict.correct)
    ends = [f"-{least - 1}" for least in MIN_DISTANCES[1:]] + ["+"]
    return {
        f"{least}{end}": {"share": _compute_share(each), "count": float(len(each))}
        for least, end, each in zip(MIN_DISTANCES, ends, buckets, strict=True)
    }


def _judge(texts: Sequence[str], kind: str) -> Iterator[Verdict]:
    if kind not in READERS:
        raise UserError(f"kind is {kind!r}; take one of: {', '.join(KINDS)}")
    read, _ = READERS[kind]
    for text in texts:
        # Some corpora end their lines as Windows does.
        yield from read(text.replace("\r\n", "\n"))


def _compute_share(correct: Sequence[bool]) -> float:
    return sum(correct) / len(correct) if correct else math.nan
