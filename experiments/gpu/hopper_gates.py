"""The gates' arithmetic of the Hopper kernels, which their emulation runs as well.

The equations are those of charlm's model/recurrence.py. The arrays are of JAX in the
kernels, and of NumPy in the emulation.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

Array = Any


def run_gates(
    tanh: Callable[[Array], Array], c: Array, z: Sequence[Array]
) -> tuple[Array, Array, tuple[Array, ...]]:
    """Returns (the new c, h, residuals): the arrays that `run_gates_backward` reads.

    Args:
      tanh: of arrays.
      c: the cell state before the step.
      z: sums of the gates i, f, g and o.
    """
    i, f, o = (0.5 + 0.5 * tanh(0.5 * z[gate]) for gate in (0, 1, 3))
    g = tanh(z[2])
    slope_f = c * f * (1 - f)
    c = f * c + i * g
    tanh_c = tanh(c)
    h = o * tanh_c
    slopes = (g * i * (1 - i), slope_f, i * (1 - g * g), h * (1 - o))
    return c, h, (*slopes, o * (1 - tanh_c * tanh_c), f)


def run_gates_backward(
    dh: Array, dc: Array, residuals: Sequence[Array]
) -> tuple[Array, Iterator[Array]]:
    """Returns (the gradient of the new c, those of z one after the other).

    The gradient of the c before the step is the first times f, the last residual.

    Args:
      dh: gradient of h.
      dc: gradient of the new c, without the part through h.
      residuals: of `run_gates`.
    """
    *slopes, dh_dc, _ = residuals
    dc = dc + dh * dh_dc
    return dc, ((dh if gate == 3 else dc) * slope for gate, slope in enumerate(slopes))
