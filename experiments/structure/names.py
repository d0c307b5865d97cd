"""Names that a model writes: are they new, different, and do they sound like names?"""

import math
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from charlm.errors import UserError
from charlm.evaluation.kneser_ney import KneserNey, kneser_ney, nats_by_context

CONTEXT = 4  # characters before the one that is predicted
QUANTILE = 0.95  # the share of real names that is pronounceable


def names_measures(
    names: Sequence[str], *, known: Sequence[str], held_out: Sequence[str]
) -> dict[str, float]:
    """Returns how new and how name-like some names are.

    A name is pronounceable if a model of character n-grams (interpolated modified
    Kneser-Ney with a context of 4) that was trained on the known names finds it no less
    likely, in nats per character with its end, than 95 % of held-out names.

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
        [name for name in part if name] for part in (names, known, held_out)
    )
    for what, part in (("known", known), ("held_out", held_out)):
        if not part:
            raise UserError(f"there are no names in {what}; give 1 or more")
    characters = sorted({*"\n", *"".join([*known, *held_out, *names])})
    codes = {character: n for n, character in enumerate(characters)}
    model = kneser_ney(_encode(known, codes), vocab_size=len(codes), context=CONTEXT)
    held_out_nats = _compute_nats(model, held_out, codes)
    nats = _compute_nats(model, names, codes)
    known_names = {*known}
    return {
        "new": _compute_mean([name not in known_names for name in names]),
        "distinct": len({*names}) / len(names) if names else math.nan,
        "pronounceable": _compute_mean(nats <= np.quantile(held_out_nats, QUANTILE)),
        "nats per character": _compute_mean(nats),
        "nats per character of held-out names": _compute_mean(held_out_nats),
    }


def _compute_mean(values) -> float:
    return float(np.mean(values)) if len(values) else math.nan


def _encode(names: Sequence[str], codes: dict[str, int]) -> np.ndarray:
    """Returns ids of the names, and between them ends that fill a context.

    So no name is predicted from another.
    """
    ends = "\n" * CONTEXT
    return np.asarray([codes[c] for c in ends + "".join(n + ends for n in names)])


def _compute_nats(
    model: KneserNey, names: Sequence[str], codes: dict[str, int]
) -> Float[np.ndarray, " n"]:
    """Returns the mean nats of the characters of each name and of its first end."""
    lengths = np.asarray([len(name) for name in names], np.int64)
    ends = np.cumsum(lengths + CONTEXT)
    *_, nats = nats_by_context(model, _encode(names, codes))
    sums = np.concatenate([[0], np.cumsum(nats)])
    return (sums[ends + 1] - sums[ends - lengths]) / (lengths + 1)
