"""A model's parameters as text, for a page that runs the model itself.

A matrix [n, m] becomes {"shape": [n, m], "scale": float32[m], "ints": int16[m, n]}, its
arrays base64 of little-endian bytes: column j is scale[j] times row j of ints. So what
one unit reads lies together, as a program without a matrix product needs it. A bias
becomes base64 of its float32s.
"""

import base64
from typing import Any

import jax
import numpy as np

from charlm.errors import UserError

PyTree = Any
CELLS = ("lstm", "gru", "rnn")  # which static/model.js runs
MAX_INT = 32767  # the largest integer of a column


def check_cell(cell: Any) -> None:
    """Raises UserError for a cell that the page does not run."""
    if cell not in CELLS:
        raise UserError(
            "the page runs lstm, gru and rnn; for another cell use"
            " charlm.record_activations"
        )


def quantize(params: PyTree, *, cell: str) -> dict[str, Any]:
    """Returns the parameters as data that JSON can write, in 16 bits a weight.

    A weight is off by no more than its column's largest divided by 65534.

    Returns:
      The sizes (an embedding of 0: characters are read one-hot), and under "params" the
      parameters, nested and named as they are, each as this file's head says.

    A UserError is raised for a cell that the page does not run, or a value not finite.
    """
    check_cell(cell)
    return {
        "cell": cell,
        "layers": sum(name.startswith("layer_") for name in params),
        "features": int(params["layer_0"]["wh"].shape[0]),
        "vocab_size": len(params["head"]["b"]),
        "embedding": int(params["embed"].shape[1]) if "embed" in params else 0,
        "params": jax.tree.map(_quantize_array, params),
    }


def _quantize_array(array) -> dict[str, Any] | str:
    values = np.asarray(array, np.float32)
    if not np.isfinite(values).all():
        raise UserError("the model has weights that are not finite; take another one")
    if values.ndim == 1:
        return encode(values, "<f4")
    # A column of zeros has a scale too, so that nothing is divided by zero.
    largest = np.abs(values).max(axis=0)
    scale = np.maximum(largest / np.float32(MAX_INT), np.finfo(np.float32).tiny)
    ints = np.rint(values.astype(np.float64) / scale)
    return {
        "shape": list(values.shape),
        "scale": encode(scale, "<f4"),
        "ints": encode(ints.T, "<i2"),
    }


def encode(values: np.ndarray, dtype: str) -> str:
    """Returns the base64 of an array."""
    return base64.b64encode(values.astype(dtype).tobytes()).decode("ascii")
