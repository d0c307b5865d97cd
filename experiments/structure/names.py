"""Names that a model writes: are they new, different, and do they sound like names?"""

import math
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from charlm.errors import UserError
from charlm.evaluation.kneser_ney import KneserNey, kneser_ney, nats_of_each

CONTEXT = 4  # characters before the one that is predicted
QUANTILE = 0.95  # of real names, so many are pronounceable


def names_measures(
    names: Sequence[str], *, known: Sequence[str], held_out: Sequence[str]
) -> dict[str, float]:
    """How new and how name-like some names are.

    A name is pronounceable if a model of character n-grams (interpolated modified
    Kneser-Ney with a context of 4) that was trained on the known names finds it no less
    likely, in nats per character with its end, than 95 % of real ones it has not seen.

    Args:
      names: those to judge, with repetitions; empty ones are left out.
      known: names that the model behind `names` was trained on.
      held_out: real names that it was not trained on.

    Returns:
      "new", the share not among the known, capitals told apart; "distinct", that of
      different ones; "pronounceable"; these from 0 to 1; "nats per character" and "nats
      per character of held-out names", the means over names. nan of no names.

    Raises:
      UserError: there are no known or no held-out names.
    """
    names, known, held_out = (
        [n for n in some if n] for some in (names, known, held_out)
    )
    for what, some in (("known", known), ("held_out", held_out)):
        if not some:
            raise UserError(f"there are no names in {what}; give 1 or more")
    characters = sorted({*"\n", *"".join([*known, *held_out, *names])})
    codes = {character: n for n, character in enumerate(characters)}
    model = kneser_ney(_ids(known, codes), vocab_size=len(codes), context=CONTEXT)
    real = _nats(model, held_out, codes)
    nats = _nats(model, names, codes)
    seen = {*known}
    return {
        "new": _mean([name not in seen for name in names]),
        "distinct": len({*names}) / len(names) if names else math.nan,
        "pronounceable": _mean(nats <= np.quantile(real, QUANTILE)),
        "nats per character": _mean(nats),
        "nats per character of held-out names": _mean(real),
    }


def _mean(values) -> float:
    return float(np.mean(values)) if len(values) else math.nan


def _ids(names: Sequence[str], codes: dict[str, int]) -> np.ndarray:
    """The names, with ends between them that fill a context: none sees another."""
    ends = "\n" * CONTEXT
    return np.asarray([codes[c] for c in ends + "".join(n + ends for n in names)])


def _nats(
    model: KneserNey, names: Sequence[str], codes: dict[str, int]
) -> Float[np.ndarray, " n"]:
    """The mean nats of the characters of each name and of its end."""
    each = nats_of_each(model, _ids(names, codes))
    lengths = np.asarray([len(name) for name in names], np.int64)
    ends = np.cumsum(lengths + CONTEXT)
    sums = np.concatenate([[0], np.cumsum(each)])
    # Of the ends behind a name the first is counted, which the name foretells.
    return (sums[ends + 1] - sums[ends - lengths]) / (lengths + 1)
