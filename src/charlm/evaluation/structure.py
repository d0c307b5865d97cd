"""What of a language's structure a text keeps: brackets, quotes, tags, functions.

The same measures serve samples of a model and stretches of real text that are cut to the
same lengths, so that they stand side by side.
"""

import math
from collections.abc import Sequence

from charlm.errors import UserError
from charlm.evaluation import latex, prose, wiki
from charlm.evaluation.nesting import Judged

READERS = {
    "latex": (latex.read_latex, latex.ROWS),
    "wiki": (wiki.read_wiki, wiki.ROWS),
    "prose": (prose.read_prose, prose.ROWS),
    "names": (prose.read_names, prose.NAMES_ROWS),
}
KINDS = tuple(READERS)
