"""show(lm, params, vocab, text): the page of a text, in a notebook or as HTML."""

import html
from typing import Any, NamedTuple

import numpy as np

from charlm.insight.findings import Finding, Findings
from charlm.insight.null import LEAST
from charlm.insight.page import NEEDED, page
from charlm.insight.study import cut, layer_of, study
from charlm.insight.trace import cell_of, trace
from charlm.insight.weights import packed
from charlm.model.lm import LanguageModel
from charlm.text.vocab import Vocab

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
    findings: Findings | None
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
    start: int = 0,
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
        searched for; of fewer than 8,000, or with 0, none are.
      start: the character that is marked when the page opens.
      title: the page's heading.
      about: a sentence beneath it.
      height: of its frame in a notebook, in pixels.

    Raises:
      UserError: the text is empty or has unseen characters, or `start` is not in what
        is shown.
    """
    ids = text if isinstance(text, np.ndarray) else vocab.encode(text)
    kept, found, seen = NEEDED[cell_of(params)], None, None
    if min(search, len(ids)) >= 2 * LEAST:
        whole = study(lm, params, vocab, ids[:search], signals=kept, clamp=False)
        found, seen = whole.findings, whole.trace
    if seen is None or len(seen.ids) < min(characters, len(ids)):
        seen = trace(lm, params, vocab, ids[:characters], signals=kept)
    made = page(
        cut(seen, slice(0, characters)),
        weights=packed(params),
        cells=listed(found) if found else (),
        title=title,
        about=about,
        start=start,
    )
    return Shown(made, found, height)


def listed(findings: Findings) -> list[dict[str, Any]]:
    """The cells of a page's list: for each unit what it follows, the best first."""
    cells: dict[tuple[int, int], Finding] = {}
    for each in findings.units:
        cells.setdefault((layer_of(each), each.unit), each)
    passed = [each for each in cells.values() if each.passed]
    return [
        {
            "layer": layer_of(each),
            "unit": each.unit,
            "signal": {"c": "tanh_c"}.get(name := each.signal.partition("/")[2], name),
            "label": each.label,
            "score": round(abs(each.score), 4),
            "passed": each.passed,
            "sign": 1 if each.score > 0 else -1,
        }
        for each in passed[:LISTED]
    ]
