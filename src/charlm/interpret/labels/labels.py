"""The table of labels: what each says of every character of a text.

Whatever the text is (prose, a play, C, Python, TeX, a wiki's XML), all are computed.
values[t] is of the point just after character t was read, and depends on the
characters up to t alone, which is all that a recurrent net has read there. Labels that
are `ahead` depend on what follows instead.
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
from charlm.interpret.labels.spans import Spans, find_matches, merge_spans


class Label(NamedTuple):
    """A label of the t characters of a text.

    Attributes:
      name: short, as "inside quotes".
      values: float32[t]; 0 or 1 unless it is graded.
      graded: whether it has more values than these two.
      where: bool[t], the characters at which it is defined; None is all.
      about: what it says, in one sentence.
      post: whether "The Unreasonable Effectiveness of Recurrent Neural Networks", or
        "Visualizing and Understanding Recurrent Networks" (Karpathy, Johnson and Li,
        2015) shows a unit that follows it.
      ahead: whether it depends on what follows, and not on what was read.
    """

    name: str
    values: np.ndarray
    graded: bool = False
    where: np.ndarray | None = None
    about: str = ""
    post: bool = False
    ahead: bool = False


class Text(str):
    """A text, and what several labels need of it, each computed once."""

    tokens = cached_property(lex)
    brackets = cached_property(lambda self: match_brackets(self.tokens.code))
    quotations = cached_property(spans.find_quotations)
    links = cached_property(lambda self: spans.find_nested(self, spans.LINK))

    def depth(self, openers: str) -> np.ndarray:
        """Returns int[t]: how many brackets with these openers are open."""
        return merge_spans(*(self.brackets[o] for o in openers)).compute_depth(
            len(self)
        )


# fmt: off
RULES: list[tuple[str, Callable[[Text], np.ndarray | Spans], bool, bool, bool, str]] = [
    # Name, function, graded, post, ahead, about. A function returns the values[t]; or
    # Spans, inside which the label holds, or, if it is graded, is the position.
    ("position in line", lambda t: since_event(find_characters(t, "\n")),
     True, True, False, "Characters read since the line began."),
    ("left in line", lambda t: until_event(find_characters(t, "\n")) - 1,
     True, True, True, "Characters that follow before the line's end."),
    ("line end within 5", lambda t: positions.is_before(t, "\n", 5), False, True, True,
     "The line ends among the next 5 characters."),
    ("line end within 10", lambda t: positions.is_before(t, "\n", 10),
     False, True, True, "The line ends among the next 10 characters."),
    ("line of paragraph", positions.line_of_paragraph, True, False, False,
     "Lines since the last blank one."),
    ("indentation", positions.indentation, True, False, False,
     "Columns of white space with which the line begins; a tab is eight."),
    ("in indentation", positions.is_indentation, False, False, False,
     "In the white space with which the line begins."),
    ("# line", lambda t: positions.line_begins_with(t, "#"), False, False, False,
     "In a line that begins with #."),
    ("list line", lambda t: positions.line_begins_with(t, "*:"), False, False, False,
     "In a line that begins with * or :, as in a wiki's lists."),
    ("table line", lambda t: positions.line_begins_with(t, "|!"), False, False, False,
     "In a line that begins with | or !, as in a wiki's tables."),
    ("heading", positions.is_heading, False, False, False,
     "In a line that begins with two signs =, as a wiki's headings do."),
    ("speaker's line", lambda t: find_matches(t, spans.SPEAKER_LINE),
     False, False, False,
     "In a play: in the first line after a blank one, a name with a colon."),
    ("in word", positions.is_word, False, False, False,
     "A letter, a digit or _."),
    ("position in word", lambda t: since_event(~positions.is_word(t)),
     True, False, False, "Letters, digits and _ of the word so far; 0 outside words."),
    ("capitalised word", positions.is_capitalized, False, False, False,
     "In a word that begins with a capital."),
    ("in capitals", positions.is_in_capitals, False, False, False,
     "In a word of which two capitals and no small letters were read."),
    ("in number", lambda t: find_class(t, str.isdecimal), False, False, False,
     "A digit."),
    ("position in sentence", positions.position_in_sentence, True, False, False,
     "Characters since the white space after a . ! or ?, or since a blank line."),
    ("sentence end within 5", lambda t: positions.is_before(t, ".!?", 5),
     False, False, True, "A . ! or ? is among the next 5 characters."),
    ("inside quotes", lambda t: t.quotations, False, True, False,
     "Between double quotes, straight, curly, TeX's or &quot;."),
    ("length of quotation", lambda t: t.quotations, True, False, False,
     "Characters since the double quote, inside of one."),
    ("inside single quotes", lambda t: find_matches(t, spans.SINGLE_QUOTES),
     False, False, False, "Between single quotes of one line."),
    ("inside string", lambda t: t.tokens.strings, False, True, False,
     "Between double quotes of one line, as a program's string."),
    ("inside comment", lambda t: merge_spans(t.tokens.blocks, t.tokens.lines),
     False, True, False,
     "In a comment: /* */, <!-- -->, or from //, # or % to the line's end."),
    ("inside block comment", lambda t: t.tokens.blocks, False, True, False,
     "Between /* */ or <!-- -->."),
    ("inside line comment", lambda t: t.tokens.lines, False, True, False,
     "From //, # or TeX's % to the line's end."),
    ("inside docstring", lambda t: t.tokens.docstrings, False, True, False,
     "Between three double quotes."),
    ("comment or string", lambda t: merge_spans(*t.tokens[:4]), False, True, False,
     "In a comment, a string or a docstring."),
    ("depth of brackets", lambda t: t.depth("([{" + CONDITION), True, True, False,
     "How many brackets ( [ { are open, outside comments and strings."),
    ("depth of ( )", lambda t: t.depth("(" + CONDITION), True, True, False,
     "How many brackets ( are open, outside comments and strings."),
    ("depth of { }", lambda t: t.depth("{"), True, True, False,
     "How many braces { are open, outside comments and strings."),
    ("inside ( )", lambda t: t.depth("(" + CONDITION) > 0, False, False, False,
     "Between ( and ), outside comments and strings."),
    ("inside [ ]", lambda t: t.depth("[") > 0, False, False, False,
     "Between [ and ], outside comments and strings."),
    ("inside { }", lambda t: t.depth("{") > 0, False, False, False,
     "Between { and }, outside comments and strings."),
    ("condition of if",
     lambda t: merge_spans(t.brackets[CONDITION], t.brackets[BARE_CONDITION]),
     False, True, False,
     "In the brackets after an if, or between Python's if and its colon."),
    ("inside [[ ]]", lambda t: t.links, False, True, False,
     "In a wiki's link."),
    ("position in [[ ]]", lambda t: t.links, True, True, False,
     "Characters since the link began, in a wiki's link."),
    ("inside {{ }}", lambda t: spans.find_nested(t, spans.TEMPLATE),
     False, False, False, "In a wiki's template."),
    ("in URL", lambda t: find_matches(t, spans.URL), False, True, False,
     "In a web address."),
    ("inside < >", lambda t: find_matches(t, spans.TAG), False, False, False,
     "In a tag, whose < may be written &lt;."),
    ("italic or bold", lambda t: find_matches(t, spans.ITALICS), False, False, False,
     "Between two or three apostrophes, as in a wiki."),
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
    for name, function, graded, post, ahead, about in RULES:
        values, where, closed_share = function(text), None, 1.0
        if isinstance(values, Spans):
            inside = values.compute_depth(len(text)) > 0
            where, closed_share = inside if graded else None, values.closed_share
            values = inside * values.compute_position(len(text)) if graded else inside
        values = values.astype(np.float32)
        yield Label(name, values, graded, where, about, post, ahead), closed_share
