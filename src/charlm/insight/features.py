"""labels(text): what can be said of each place of a text, from the text alone.

Whatever the text is (prose, a play, C, Python, TeX, a wiki's XML), all labels are
tried, and those that occur are kept. The value at t is of the point just after
character t was read, and is decided by the characters up to t, which is all that a
recurrent net has read there; labels that are `ahead` look at what follows instead.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from charlm.insight import places, spans
from charlm.insight.code import depths, lex

RARE = 0.002  # of the places
SWITCHES = 10  # up, and as many down
SOUND = 0.75  # of the stretches end as they should, else the text is of another kind


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


def labels(text: str) -> list[Label]:
    """The labels that tell places of this text apart.

    Left out are those that have one value at all but 0.2 % of the places where they
    are defined, that are defined at fewer than 0.2 % of all, that rise or fall fewer
    than 10 times, that equal an earlier one, and those of stretches of which a quarter
    never end as they should: so in prose a % begins no comment.

    Args:
      text: any; a line ends with \\n, \\r or both.
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
    return counts.max() <= (1 - RARE) * len(values) and switches >= SWITCHES


def every(text: str) -> Iterator[tuple[Label, float]]:
    """All labels, whether or not they occur.

    Yields:
      The label, and which share of its stretches ended as they should.
    """
    # The two characters of a line's end are one place, and it is the first of them.
    lines = text.replace("\r\n", "\n").replace("\r", "\n")
    codes = places.codes_of(text)
    second = (codes[1:] == ord("\n")) & (codes[:-1] == ord("\r"))
    place = np.arange(len(text)) - np.concatenate([[0], np.cumsum(second)])[: len(text)]
    for label, sound in _all(lines):
        where = None if label.where is None else label.where[place]
        values = label.values[place].astype(np.float32)
        yield label._replace(values=values, where=where), sound


def yes(name: str, values, about: str, *, sound=1.0, post=False, ahead=False):
    """A label of yes and no, and its soundness."""
    return Label(name, values, False, None, about, post, ahead), sound


def graded(name: str, values, about: str, *, where=None, post=False, ahead=False):
    """A label of many values, and its soundness."""
    return Label(name, values, True, where, about, post, ahead), 1.0


def _all(text: str) -> Iterator[tuple[Label, float]]:
    yield from _of_lines(text)
    yield from _of_words(text)
    yield from _of_quotations(text)
    yield from _of_code(text)
    yield from _of_markup(text)


def _of_lines(text: str):
    yield graded(
        "position in line",
        places.position_in_line(text),
        "Characters read since the line began.",
        post=True,
    )
    yield graded(
        "left in line",
        places.left_in_line(text),
        "Characters that still stand before the line's end.",
        post=True,
        ahead=True,
    )
    for n in 5, 10:
        yield yes(
            f"line end within {n}",
            places.within(text, "\n", n),
            f"The line ends among the next {n} characters.",
            post=True,
            ahead=True,
        )
    yield graded(
        "line of paragraph",
        places.line_of_paragraph(text),
        "Lines since the last blank one.",
    )
    yield graded(
        "indentation",
        places.indentation(text),
        "Columns of white space with which the line begins; a tab is eight.",
    )
    yield yes(
        "in indentation",
        places.indenting(text),
        "In the white space with which the line begins.",
    )
    for name, signs, kind in [
        ("# line", "#", ""),
        ("list line", "*:", ", as those of a wiki's lists do"),
        ("table line", "|!", ", as those of a wiki's tables do"),
    ]:
        about = f"In a line that begins with {' or '.join(signs)}{kind}."
        yield yes(name, places.line_beginning(text, signs), about)
    yield yes(
        "heading",
        places.in_heading(text),
        "In a line that begins with two signs =, as a wiki's headings do.",
    )
    named = spans.matches(text, spans.SPEAKER)
    yield yes(
        "speaker's line",
        named.inside(len(text)),
        "In the name with a colon that is the first line after a blank one, in a play.",
        sound=spans.sound_of([named]),
    )


def _of_words(text: str):
    yield yes("in word", places.word(text), "A letter, a digit or _.")
    yield graded(
        "position in word",
        places.position_in_word(text),
        "Letters, digits and _ of the word so far; 0 outside words.",
    )
    yield yes(
        "capitalised word",
        places.capitalised(text),
        "In a word that begins with a capital.",
    )
    yield yes(
        "in capitals",
        places.all_capitals(text),
        "In a word of which two capitals and no small letters were read.",
    )
    yield yes("in number", places.in_number(text), "A digit.")
    yield graded(
        "position in sentence",
        places.position_in_sentence(text),
        "Characters since the white space after a . ! or ?, or since a blank line.",
    )
    yield yes(
        "sentence end within 5",
        places.within(text, ".!?", 5),
        "A . ! or ? is among the next 5 characters.",
        ahead=True,
    )


def _of_quotations(text: str):
    quoted = spans.quotations(text)
    inside = quoted.inside(len(text))
    yield yes(
        "inside quotes",
        inside,
        "Between double quotes, straight, curly, TeX's or &quot;.",
        post=True,
    )
    yield graded(
        "length of quotation",
        quoted.position(len(text)) * inside,
        "Characters since the double quote, inside of one.",
        where=inside,
    )
    single = spans.matches(text, spans.SINGLE)
    yield yes(
        "inside single quotes",
        single.inside(len(text)),
        "Between single quotes of one line.",
        sound=spans.sound_of([single]),
    )


def _of_code(text: str):
    lexed = lex(text)
    for name, kinds, about in [
        (
            "inside string",
            [lexed.strings],
            "Between double quotes of one line, as a program's string.",
        ),
        (
            "inside comment",
            [lexed.blocks, lexed.lines],
            "In a comment: /* */, <!-- -->, or from //, # or % to the line's end.",
        ),
        ("inside block comment", [lexed.blocks], "Between /* */ or <!-- -->."),
        (
            "inside line comment",
            [lexed.lines],
            "From //, # or TeX's % to the line's end.",
        ),
        ("inside docstring", [lexed.docstrings], "Between three double quotes."),
        (
            "comment or string",
            lexed[:4],
            "In a comment, a string or a docstring.",
        ),
    ]:
        inside = np.any([each.inside(len(text)) for each in kinds], axis=0)
        yield yes(name, inside, about, sound=spans.sound_of(kinds), post=True)
    round_, square, curly, conditions, sound = depths(lexed.code)
    about = "How many {} are open, outside comments and strings."
    for name, depth, signs in [
        ("depth of brackets", round_ + square + curly, "brackets ( [ {"),
        ("depth of ( )", round_, "brackets ("),
        ("depth of { }", curly, "braces {"),
    ]:
        yield graded(name, depth, about.format(signs), post=True)
    for signs, depth in [("( )", round_), ("[ ]", square), ("{ }", curly)]:
        yield yes(f"inside {signs}", depth > 0, f"Between {signs}.")
    yield yes(
        "condition of if",
        conditions,
        "In the brackets after an if, or between Python's if and its colon.",
        sound=sound,
        post=True,
    )
    yield graded(
        "depth of environments",
        spans.environment_depth(text),
        r"How many \begin are open since the last \section.",
    )


def _of_markup(text: str):
    t = len(text)
    links = spans.nested(text, spans.LINK)
    inside = links.inside(t)
    yield yes("inside [[ ]]", inside, "In a wiki's link.", post=True)
    yield graded(
        "position in [[ ]]",
        links.position(t) * inside,
        "Characters since the link began, in a wiki's link.",
        where=inside,
        post=True,
    )
    for name, found, about, post in [
        (
            "inside {{ }}",
            spans.nested(text, spans.TEMPLATE),
            "In a wiki's template.",
            False,
        ),
        ("in URL", spans.matches(text, spans.URL), "In a web address.", True),
        (
            "inside < >",
            spans.matches(text, spans.TAG),
            "In a tag, whose < may be written &lt;.",
            False,
        ),
        (
            "italic or bold",
            spans.matches(text, spans.ITALICS),
            "Between two or three apostrophes, as in a wiki.",
            False,
        ),
        ("inside $ $", spans.formulas(text), "In a formula of TeX.", False),
    ]:
        values, sound = found.inside(t), spans.sound_of([found])
        yield yes(name, values, about, sound=sound, post=post)
