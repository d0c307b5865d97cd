"""show(lm, params, vocab, text): the page of a text, in a notebook or as HTML."""

import html
from collections import Counter
from typing import Any, NamedTuple

import numpy as np

from charlm.data.vocab import Vocab
from charlm.errors import UserError
from charlm.interpret.activations import cell_of, trace
from charlm.interpret.units.permutation_test import MIN_CHARS
from charlm.interpret.units.pipeline import Study, slice_activations, study
from charlm.interpret.units.selection import UnitResult, UnitResults
from charlm.interpret.viewer.html import NEEDED, page
from charlm.interpret.viewer.quantize import packed
from charlm.model.lm import LanguageModel

PyTree = Any
LISTED = 60  # cells in the page's list


class Shown(NamedTuple):
    """A page; a notebook shows it where it is the last value of a cell.

    Attributes:
      html: the page, a whole file.
      findings: what its list of cells was made of; None if none were searched for.
      height: of its frame in a notebook, in pixels.
    """

    html: str
    findings: UnitResults | None
    height: int

    def _repr_html_(self) -> str:
        return (
            f'<iframe srcdoc="{html.escape(self.html)}" title="charlm"'
            f' style="width: 100%; height: {self.height}px; border: 0"></iframe>'
        )


def show(
    lm: LanguageModel,
    params: PyTree,
    vocab: Vocab,
    text: str | bytes | np.ndarray,
    *,
    characters: int = 20_000,
    search: int = 100_000,
    start: int | None = None,
    title: str = "What the cells do",
    about: str = "",
    height: int = 760,
) -> Shown:
    """The page of a text: what every unit does at each character; and it writes on.

    In Colab or Jupyter, `charlm.show(*charlm.load_model(workdir), text)` is enough.

    Args:
      lm: the model.
      params: its parameters.
      vocab: its symbols.
      text: to be read, or its ids[t].
      characters: of its beginning that the page shows; a unit takes a byte of each, an
        LSTM's two.
      search: characters of its beginning in which cells that mean something are
        searched for; of fewer than 6,000, or with 0, none are.
      start: the character that is marked when the page opens; None: one where what
        the best cell does varies most.
      title: the page's heading.
      about: a sentence beneath it.
      height: of its frame in a notebook, in pixels.

    Raises:
      UserError: the text is empty or has unseen characters, `start` is not in what
        is shown, or that is nothing.
    """
    if characters < 1:
        raise UserError(f"characters={characters}: show 1 or more")
    ids = text if isinstance(text, np.ndarray) else vocab.encode(text)
    kept, whole, seen = NEEDED[cell_of(params)], None, None
    if min(search, len(ids)) >= 2 * MIN_CHARS:
        whole = study(lm, params, vocab, ids[:search], signals=kept, thorough=False)
        seen = whole.activations
    if seen is None or len(seen.ids) < min(characters, len(ids)):
        seen = trace(lm, params, vocab, ids[:characters], signals=kept)
    made = page(
        slice_activations(seen, slice(0, characters)),
        weights=packed(params),
        cells=listed(whole) if whole else None,
        title=title,
        about=about,
        start=start,
    )
    return Shown(made, whole.results if whole else None, height)


def listed(found: Study) -> list[dict[str, Any]]:
    """The cells of a page's list: what units follow, by what passed all controls.

    The best unit of each label comes before the second of any, and the labels that the
    post has before the others.
    """
    of_post = {label.name for label in found.labels if label.post}
    seen: set[tuple[int, int]] = set()
    places: Counter[str] = Counter()
    order = []
    for each in found.results.by_unit:  # the best first
        place = (each.layer, each.unit)
        if each.passed and place not in seen:
            seen.add(place)
            rank, post = places[each.label], each.label in of_post
            order.append(((rank, not post, -abs(each.score)), each))
            places[each.label] += 1
    order.sort(key=lambda pair: pair[0])
    return [_as_cell(each) for _, each in order[:LISTED]]


def _as_cell(result: UnitResult) -> dict[str, Any]:
    """A result as the page knows it."""
    signal = result.signal.partition("/")[2]
    return {
        "layer": result.layer,
        "unit": result.unit,
        "signal": "tanh_c" if signal == "c" else signal,
        "label": result.label,
        "score": round(abs(result.score), 4),
        "passed": result.passed,
        "sign": 1 if result.score > 0 else -1,
    }
