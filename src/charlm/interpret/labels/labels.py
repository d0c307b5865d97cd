"""The labels of a text: what holds at each of its characters.

Whatever the text is (prose, a play, C, Python, TeX, a wiki's XML), all are computed.
values[t] is of the point just after character t was read, and depends on the
characters up to t alone, which is all that a recurrent net has read there. Only "left
in line" and the labels of an end within some characters depend on what follows.
"""

from collections.abc import Callable, Iterator
from functools import cached_property
from typing import NamedTuple

import numpy as np

from charlm.interpret.labels import positions, spans
from charlm.interpret.labels.brackets import BARE_CONDITION, CONDITION, match_brackets
from charlm.interpret.labels.lexer import lex
from charlm.interpret.labels.positions import (
    find_characters,
    find_class,
    since_event,
    until_event,
)
from charlm.interpret.labels.spans import (
    Span,
    compute_depth,
    compute_position,
    find_matches,
)

MIN_SHARE = 0.002  # of the characters
MIN_CHANGES = 10  # rises, and as many falls
MIN_CLOSED_SHARE = 0.75  # of the spans; the text is of another kind if fewer are closed


class Label(NamedTuple):
    """A label of the t characters of a text."""

    name: str  # short, as "inside quotes"
    values: np.ndarray  # float32[t]; 0 or 1 unless it is graded
    graded: bool = False  # whether it has more values than these two
    where: np.ndarray | None = None  # bool[t], where it is defined; None is all
    # Whether a unit that follows it is shown in "The Unreasonable Effectiveness of
    # Recurrent Neural Networks" or "Visualizing and Understanding Recurrent Networks"
    # (Karpathy, Johnson and Li, 2015).
    post: bool = False


class Text(str):
    """A text, and what several labels need of it, each computed once."""

    tokens = cached_property(lex)
    brackets = cached_property(lambda self: match_brackets(self.tokens.code))
    quotations = cached_property(spans.find_quotations)
    links = cached_property(lambda self: spans.find_nested(self, spans.LINK))

    def depth(self, openers: str) -> np.ndarray:
        """Returns int[t]: how many brackets with these openers are open."""
        brackets = sum((self.brackets[opener] for opener in openers), [])
        return compute_depth(brackets, len(self))


# fmt: off
RULES: list[tuple[str, bool, bool, Callable[[Text], np.ndarray | list[Span]]]] = [
    # Name, graded, post, function. A function returns the values[t]; or spans, inside
    # which the label holds, or, if it is graded, is the position.
    ("position in line", True, True, lambda t: since_event(find_characters(t, "\n"))),
    ("left in line", True, True, lambda t: until_event(find_characters(t, "\n")) - 1),
    ("line end within 5", False, True, lambda t: positions.is_before(t, "\n", 5)),
    ("line end within 10", False, True, lambda t: positions.is_before(t, "\n", 10)),
    ("line of paragraph", True, False, positions.line_of_paragraph),
    ("indentation", True, False, positions.indentation),
    ("in indentation", False, False, positions.is_indentation),
    ("# line", False, False, lambda t: positions.line_begins_with(t, "#")),
    # As in a wiki's lists, tables and headings.
    ("list line", False, False, lambda t: positions.line_begins_with(t, "*:")),
    ("table line", False, False, lambda t: positions.line_begins_with(t, "|!")),
    ("heading", False, False, positions.is_heading),
    # Of a play: the first line after a blank one, a name with a colon.
    ("speaker's line", False, False, lambda t: find_matches(t, spans.SPEAKER_LINE)),
    ("in word", False, False, positions.is_word),
    ("position in word", True, False, lambda t: since_event(~positions.is_word(t))),
    ("capitalized word", False, False, positions.is_capitalized),
    ("in capitals", False, False, positions.is_in_capitals),
    ("in number", False, False, lambda t: find_class(t, str.isdecimal)),
    ("position in sentence", True, False, positions.position_in_sentence),
    ("sentence end within 5", False, False, lambda t: positions.is_before(t, ".!?", 5)),
    ("inside quotes", False, True, lambda t: t.quotations),
    ("length of quotation", True, False, lambda t: t.quotations),
    ("inside single quotes", False, False,
     lambda t: find_matches(t, spans.SINGLE_QUOTES)),
    ("inside string", False, True, lambda t: t.tokens.strings),
    ("inside comment", False, True, lambda t: t.tokens.blocks + t.tokens.lines),
    ("inside block comment", False, True, lambda t: t.tokens.blocks),
    ("inside line comment", False, True, lambda t: t.tokens.lines),
    ("inside docstring", False, True, lambda t: t.tokens.docstrings),
    ("comment or string", False, True, lambda t: sum(t.tokens[:4], [])),
    # Brackets are those outside comments and strings.
    ("depth of brackets", True, True, lambda t: t.depth("([{" + CONDITION)),
    ("depth of ( )", True, True, lambda t: t.depth("(" + CONDITION)),
    ("depth of { }", True, True, lambda t: t.depth("{")),
    ("inside ( )", False, False, lambda t: t.depth("(" + CONDITION) > 0),
    ("inside [ ]", False, False, lambda t: t.depth("[") > 0),
    ("inside { }", False, False, lambda t: t.depth("{") > 0),
    ("condition of if", False, True,
     lambda t: t.brackets[CONDITION] + t.brackets[BARE_CONDITION]),
    # A wiki's links and templates.
    ("inside [[ ]]", False, True, lambda t: t.links),
    ("position in [[ ]]", True, True, lambda t: t.links),
    ("inside {{ }}", False, False, lambda t: spans.find_nested(t, spans.TEMPLATE)),
    ("in URL", False, True, lambda t: find_matches(t, spans.URL)),
    ("inside < >", False, False, lambda t: find_matches(t, spans.TAG)),
    ("italic or bold", False, False, lambda t: find_matches(t, spans.ITALICS)),
]
# fmt: on


def compute_labels(text: str) -> Iterator[tuple[Label, float]]:
    """Yields every label of a text, whether or not it occurs.

    Args:
      text: any; a line ends with \\n, and a \\r is white space of its line.

    Yields:
      The label, and which share of its spans is closed; 1 if it has no spans.
    """
    # A net reads the two characters of \r\n, and its line goes on until the second.
    text = Text(text.replace("\r", " "))
    for name, graded, post, function in RULES:
        values, where, closed_share = function(text), None, 1.0
        if isinstance(values, list):
            found, values = values, compute_depth(values, len(text)) > 0
            if found:
                closed_share = sum(closed for *_, closed in found) / len(found)
            if graded:
                where, values = values, values * compute_position(found, len(text))
        yield Label(name, values.astype(np.float32), graded, where, post), closed_share


def select_labels(text: str) -> list[Label]:
    """Returns the labels that tell characters of a text apart.

    Left out are labels that have a single value at all but 0.2 % of the characters
    where they are defined, that are defined at fewer than 0.2 % of all, that rise or
    fall fewer than 10 times, that equal an earlier one, and those of which a quarter of
    the spans are not closed: so in prose a % begins no comment.
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
