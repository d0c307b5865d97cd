"""show(model, text): the page of a text, in a notebook or as HTML."""

import html
from collections import Counter
from typing import NamedTuple

import numpy as np

from charlm.errors import UserError
from charlm.interpret.activations import Model, get_cell_name, record_activations
from charlm.interpret.units.pipeline import Study, slice_activations, study
from charlm.interpret.units.selection import UnitResults
from charlm.interpret.viewer.html import (
    MIN_SEARCH,
    REQUIRED_SIGNALS,
    ListedUnit,
    make_html,
)
from charlm.interpret.viewer.quantize import check_cell, quantize
from charlm.model.jax_setup import own_settings

MAX_RESULTS = 60  # in the page's list


class Page(NamedTuple):
    """A page; a notebook shows it where it is the last value of a cell."""

    html: str  # a whole file
    results: UnitResults | None  # of the search for units; None if there was none
    height: int  # of its frame in a notebook, in pixels

    def _repr_html_(self) -> str:
        return (
            f'<iframe srcdoc="{html.escape(self.html)}" title="charlm"'
            f' style="width: 100%; height: {self.height}px; border: 0"></iframe>'
        )


@own_settings()
def show(
    model: Model,
    text: str | bytes | np.ndarray,
    *,
    characters: int = 20_000,
    search: int = 100_000,
    start: int | None = None,
    title: str = "What the cells do",
    about: str = "",
    height: int = 760,
) -> Page:
    """Returns the page of a text: what every unit does there; and the model writes on.

    In Colab or Jupyter, `charlm.load_model(workdir).show(text)` is enough.

    Args:
      model: (lm, params, vocab), of cells lstm, gru or rnn.
      text: to be read, or its ids[t].
      characters: of its beginning that the page shows; a unit takes a byte of each, an
        LSTM's two.
      search: characters of its beginning in which units that follow something are
        searched for; of fewer than 6,000, or with 0, none are.
      start: the character that is marked when the page opens; None: one where the
        best unit varies most.
      title: the page's heading.
      about: a sentence beneath it.
      height: of its frame in a notebook, in pixels.

    Raises:
      UserError: the page does not run the cell, the text is empty or has unseen
        characters, `start` is not in what is shown, or that is nothing.
    """
    if characters < 1:
        raise UserError(f"characters is {characters}; show 1 or more")
    lm, params, vocab = model
    cell = get_cell_name(lm)
    check_cell(cell)
    signals = REQUIRED_SIGNALS[cell]
    ids = text if isinstance(text, np.ndarray) else vocab.encode(text)
    result = activations = None
    if min(search, len(ids)) >= MIN_SEARCH:
        result = study(model, ids[:search], signals=signals, thorough=False)
        activations = result.activations
    if activations is None or len(activations.ids) < min(characters, len(ids)):
        activations = record_activations(model, ids[:characters], signals=signals)
    page = make_html(
        slice_activations(activations, slice(0, characters)),
        model=quantize(params, cell=cell),
        unit_results=rank_listed_units(result) if result else None,
        title=title,
        about=about,
        start=start,
    )
    return Page(page, result.results if result else None, height)


def rank_listed_units(study: Study) -> list[ListedUnit]:
    """Returns the units of a study that passed all controls, as the page lists them.

    The best unit of each label comes before the second of any, and the labels that the
    post has before the others.
    """
    post_labels = {label.name for label in study.labels if label.post}
    ranks: Counter[str] = Counter()
    ranked: dict[tuple[int, int], tuple[tuple[int, bool], ListedUnit]] = {}
    for result in study.results.by_unit:  # the best first
        place, label = (result.layer, result.unit), result.label
        if result.passed and place not in ranked:
            signal = result.signal.partition("/")[2]
            signal = "tanh_c" if signal == "c" else signal
            unit = ListedUnit(*place, signal, label, result.score, passed=True)
            ranked[place] = (ranks[label], label not in post_labels), unit
            ranks[label] += 1
    ordered = sorted(ranked.values(), key=lambda pair: pair[0])
    return [unit for _, unit in ordered[:MAX_RESULTS]]
