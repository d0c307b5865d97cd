"""The labels there are, and what each says.

Each comes with its soundness: the share of its stretches that ended with what closes
them. The texts have lines that end in \\n alone.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from charlm.interpret.labels import positions, spans
from charlm.interpret.labels.brackets import Depths, depths
from charlm.interpret.labels.lexer import Lexed, lex
from charlm.interpret.labels.spans import Spans


class Label(NamedTuple):
    """What holds at each of the t places of a text.

    Attributes:
      name: short, as "inside quotes".
      values: float32[t]; 0 or 1 unless it is graded.
      graded: whether it has more values than yes and no.
      where: bool[t], the places at which it is defined; None is all.
      about: what it says, in one sentence.
      post: whether "The Unreasonable Effectiveness of Recurrent Neural Networks", or
        "Visualizing and Understanding Recurrent Networks" (Karpathy, Johnson and Li,
        2015) shows such a cell.
      ahead: whether it tells what follows, and not what was read.
    """

    name: str
    values: np.ndarray
    graded: bool
    where: np.ndarray | None
    about: str
    post: bool
    ahead: bool = False


def yes(name: str, values: np.ndarray, about: str, *, post=False, ahead=False):
    """A label of yes and no, and its soundness."""
    return Label(name, values, False, None, about, post, ahead), 1.0


def graded(name: str, values: np.ndarray, about: str, *, post=False, ahead=False):
    """A label of many values, and its soundness."""
    return Label(name, values, True, None, about, post, ahead), 1.0


def inside(name: str, text: str, about: str, *kinds: Spans, post=False):
    """Whether t is in a stretch of the kinds, and how sound they are."""
    values = np.any([each.inside(len(text)) for each in kinds], axis=0)
    return Label(name, values, False, None, about, post), spans.sound_of(kinds)


def position(name: str, text: str, about: str, kind: Spans, post=False):
    """Characters since the stretch began, where t is in one, and how sound they are."""
    where = kind.inside(len(text))
    values = kind.position(len(text)) * where
    return Label(name, values, True, where, about, post), spans.sound_of([kind])


def all_kinds(text: str) -> Iterator[tuple[Label, float]]:
    """Every label of a text, and its soundness."""
    lexed = lex(text)
    yield from _of_lines(text)
    yield from _of_words(text)
    yield from _of_quotations(text)
    yield from _of_comments(text, lexed)
    yield from _of_brackets(depths(lexed.code))
    yield from _of_markup(text)


def _of_lines(text: str):
    about = "Characters read since the line began."
    yield graded("position in line", positions.position_in_line(text), about, post=True)
    about = "Characters that still stand before the line's end."
    values = positions.left_in_line(text)
    yield graded("left in line", values, about, post=True, ahead=True)
    for n in 5, 10:
        about = f"The line ends among the next {n} characters."
        values = positions.within(text, "\n", n)
        yield yes(f"line end within {n}", values, about, post=True, ahead=True)
    about = "Lines since the last blank one."
    yield graded("line of paragraph", positions.line_of_paragraph(text), about)
    about = "Columns of white space with which the line begins; a tab is eight."
    yield graded("indentation", positions.indentation(text), about)
    about = "In the white space with which the line begins."
    yield yes("in indentation", positions.indenting(text), about)
    about = "In a line that begins with #."
    yield yes("# line", positions.line_beginning(text, "#"), about)
    about = "In a line that begins with * or :, as those of a wiki's lists do."
    yield yes("list line", positions.line_beginning(text, "*:"), about)
    about = "In a line that begins with | or !, as those of a wiki's tables do."
    yield yes("table line", positions.line_beginning(text, "|!"), about)
    about = "In a line that begins with two signs =, as a wiki's headings do."
    yield yes("heading", positions.in_heading(text), about)
    about = "In a play: in the first line after a blank one, a name with a colon."
    named = spans.matches(text, spans.SPEAKER)
    yield inside("speaker's line", text, about, named)


def _of_words(text: str):
    yield yes("in word", positions.word(text), "A letter, a digit or _.")
    about = "Letters, digits and _ of the word so far; 0 outside words."
    yield graded("position in word", positions.position_in_word(text), about)
    about = "In a word that begins with a capital."
    yield yes("capitalised word", positions.capitalised(text), about)
    about = "In a word of which two capitals and no small letters were read."
    yield yes("in capitals", positions.all_capitals(text), about)
    yield yes("in number", positions.in_number(text), "A digit.")
    about = "Characters since the white space after a . ! or ?, or since a blank line."
    yield graded("position in sentence", positions.position_in_sentence(text), about)
    about = "A . ! or ? is among the next 5 characters."
    values = positions.within(text, ".!?", 5)
    yield yes("sentence end within 5", values, about, ahead=True)


def _of_quotations(text: str):
    quoted = spans.quotations(text)
    about = "Between double quotes, straight, curly, TeX's or &quot;."
    yield inside("inside quotes", text, about, quoted, post=True)
    about = "Characters since the double quote, inside of one."
    yield position("length of quotation", text, about, quoted)
    about = "Between single quotes of one line."
    yield inside("inside single quotes", text, about, spans.matches(text, spans.SINGLE))


def _of_comments(text: str, lexed: Lexed):
    blocks, lines, docstrings, strings, _ = lexed
    about = "Between double quotes of one line, as a program's string."
    yield inside("inside string", text, about, strings, post=True)
    about = "In a comment: /* */, <!-- -->, or from //, # or % to the line's end."
    yield inside("inside comment", text, about, blocks, lines, post=True)
    about = "Between /* */ or <!-- -->."
    yield inside("inside block comment", text, about, blocks, post=True)
    about = "From //, # or TeX's % to the line's end."
    yield inside("inside line comment", text, about, lines, post=True)
    about = "Between three double quotes."
    yield inside("inside docstring", text, about, docstrings, post=True)
    about = "In a comment, a string or a docstring."
    yield inside("comment or string", text, about, *lexed[:4], post=True)


def _of_brackets(found: Depths):
    outside = "outside comments and strings."
    about = f"How many brackets ( [ {{ are open, {outside}"
    yield graded("depth of brackets", found.all, about, post=True)
    about = f"How many brackets ( are open, {outside}"
    yield graded("depth of ( )", found.round, about, post=True)
    about = f"How many braces {{ are open, {outside}"
    yield graded("depth of { }", found.curly, about, post=True)
    yield yes("inside ( )", found.round > 0, f"Between ( and ), {outside}")
    yield yes("inside [ ]", found.square > 0, f"Between [ and ], {outside}")
    yield yes("inside { }", found.curly > 0, f"Between {{ and }}, {outside}")
    about = "In the brackets after an if, or between Python's if and its colon."
    label, _ = yes("condition of if", found.conditions > 0, about, post=True)
    yield label, found.sound


def _of_markup(text: str):
    links = spans.nested(text, spans.LINK)
    yield inside("inside [[ ]]", text, "In a wiki's link.", links, post=True)
    about = "Characters since the link began, in a wiki's link."
    yield position("position in [[ ]]", text, about, links, post=True)
    templates = spans.nested(text, spans.TEMPLATE)
    yield inside("inside {{ }}", text, "In a wiki's template.", templates)
    addresses = spans.matches(text, spans.URL)
    yield inside("in URL", text, "In a web address.", addresses, post=True)
    about = "In a tag, whose < may be written &lt;."
    yield inside("inside < >", text, about, spans.matches(text, spans.TAG))
    about = "Between two or three apostrophes, as in a wiki."
    yield inside("italic or bold", text, about, spans.matches(text, spans.ITALICS))
    yield inside("inside $ $", text, "In a formula of TeX.", spans.formulas(text))
    about = r"How many \begin are open since the last \section."
    yield graded("depth of environments", spans.environment_depth(text), about)
