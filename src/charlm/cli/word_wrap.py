"""WordWrap: lines that are longer than the screen break between words."""

import bisect
import itertools
import re

from prompt_toolkit.formatted_text import fragment_list_to_text
from prompt_toolkit.layout.processors import (
    Processor,
    Transformation,
    TransformationInput,
)
from prompt_toolkit.layout.utils import explode_text_fragments
from prompt_toolkit.utils import get_cwidth


def wrap_words(text: str, width: int) -> list[str]:
    """Returns what is shown for each character of a line.

    Before a word that does not fit in its row there are spaces up to the row's end, and
    a space after a full row is not shown. Words longer than a row are cut.

    Args:
      text: one line.
      width: columns of a row.
    """
    shown, column = [], 0
    for word in re.findall(r"\S+|\s", text):
        size, padding = get_cwidth(word), ""
        if word == " " and column == width:
            shown.append("")
            column = 0
            continue
        if not word.isspace() and column + size > width >= size:
            padding, column = " " * (width - column), 0
        shown += [padding + word[0], *word[1:]]
        for columns in map(get_cwidth, word):
            column = columns + (column if column + columns <= width else 0)
    return shown


class WordWrap(Processor):
    """Shows the lines of a control as wrap_words returns them."""

    def apply_transformation(
        self, transformation_input: TransformationInput
    ) -> Transformation:
        fragments = explode_text_fragments(transformation_input.fragments)
        text = fragment_list_to_text(fragments)
        shown = wrap_words(text, transformation_input.width)
        ends = [0, *itertools.accumulate(map(len, shown))]

        def get_shown_place(place: int) -> int:
            """Returns where a character is shown, after the spaces before it."""
            if place >= len(shown):  # the cursor may stand after the line
                return ends[-1] + place - len(shown)
            return max(ends[place], ends[place + 1] - 1)

        return Transformation(
            [(style, new) for (style, *_), new in zip(fragments, shown, strict=True)],
            get_shown_place,
            lambda place: bisect.bisect_right(ends, place) - 1,
        )
