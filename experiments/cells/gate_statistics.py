"""What gates do over a text: how often they are shut or open, how long units remember.

After A. Karpathy, J. Johnson, L. Fei-Fei, "Visualizing and understanding recurrent
networks", 2015, section 4.2.
"""

import math

import numpy as np
from jaxtyping import Float, Integer


def saturation(
    gate: Integer[np.ndarray, "t h"], scale: float
) -> tuple[Float[np.ndarray, " h"], Float[np.ndarray, " h"]]:
    """(left[h], right[h]): the fractions of time below 0.1 and above 0.9.

    Args:
      gate: integers, as in Activations.
      scale: what one of them is worth.
    """
    left = (gate < math.ceil(0.1 / scale)).mean(axis=0)
    right = (gate > math.floor(0.9 / scale)).mean(axis=0)
    return left, right


def time_scales(f: Integer[np.ndarray, "t h"], scale: float) -> Float[np.ndarray, " h"]:
    """The time scale of each unit, -1 / mean(log f), in characters.

    What stands in c falls by a factor e in that many characters. A gate that rounds to
    0 is taken as half of the least integer, so that its log is finite. One that never
    was below 1 gives inf. A gate that rounds to 1 may forget up to scale / 2 at each
    character: scales beyond 2 / scale characters (254) are of the right order only.

    Args:
      f: forget gates, integers, as in Activations.
      scale: what one of them is worth.
    """
    highest = max(1, int(f.max()))
    logs = np.log(np.maximum(np.arange(highest + 1), 0.5) * scale)
    counts = np.stack(
        [np.bincount(f[:, u], minlength=highest + 1) for u in range(f.shape[1])]
    )
    mean = counts @ logs / len(f)
    with np.errstate(divide="ignore"):
        return 1 / np.maximum(-mean, 0)
