"""packed(params): a model's parameters as text, for a page that runs the model itself.

A matrix [n, m] becomes {"shape": [n, m], "scale": float32[m], "ints": int16[m, n]}, its
arrays base64 of little-endian bytes: column j is scale[j] times row j of ints. So what
one unit reads lies together, as a program without a matrix product wants it. A bias
becomes base64 of its float32s.
"""

import base64
from typing import Any

import jax.numpy as jnp
import numpy as np

from charlm.errors import UserError
from charlm.interpret.activations import cell_of

PyTree = Any
MOST = 32767  # the largest integer of a column


def packed(params: PyTree) -> dict[str, Any]:
    """The parameters as data that JSON can write, in 16 bits a weight.

    A weight is off by no more than its column's largest divided by 65534.

    Returns:
      cell, layers, features h, vocab v and embedding e (0: characters are read
      one-hot), and under "params" the parameters, nested and named as they are, each as
      this file's head says.

    Raises:
      UserError: a parameter is not finite.
    """
    first = params["layer_0"]
    return {
        "cell": cell_of(params),
        "layers": sum(name.startswith("layer_") for name in params),
        "features": int(first["wh"].shape[0]),
        "vocab": len(params["head"]["b"]),
        "embedding": int(params["embed"].shape[1]) if "embed" in params else 0,
        "params": _pack(params),
    }


def unpacked(data: dict[str, Any]) -> PyTree:
    """The parameters in float32, as rounded, of what `packed` gave."""
    return _unpack(data["params"])


def _pack(params: PyTree) -> Any:
    if isinstance(params, dict):
        return {name: _pack(value) for name, value in params.items()}
    values = np.asarray(params, np.float32)
    if not np.isfinite(values).all():
        raise UserError("the model has weights that are not finite; take another one")
    if values.ndim == 1:
        return _as_text(values, "<f4")
    # A column of zeros has a scale too, so that nothing is divided by zero.
    largest = np.abs(values).max(axis=0)
    scale = np.maximum(largest / np.float32(MOST), np.finfo(np.float32).tiny)
    ints = np.rint(values.astype(np.float64) / scale)
    return {
        "shape": list(values.shape),
        "scale": _as_text(scale, "<f4"),
        "ints": _as_text(ints.T, "<i2"),
    }


def _unpack(data: Any) -> PyTree:
    if isinstance(data, str):
        return jnp.asarray(_of_text(data, "<f4").astype(np.float32))
    if "ints" not in data:
        return {name: _unpack(value) for name, value in data.items()}
    ints = _of_text(data["ints"], "<i2").reshape(data["shape"][::-1])
    scale = _of_text(data["scale"], "<f4").astype(np.float32)
    return jnp.asarray(ints.T.astype(np.float32) * scale)


def _as_text(values: np.ndarray, dtype: str) -> str:
    return base64.b64encode(values.astype(dtype).tobytes()).decode("ascii")


def _of_text(text: str, dtype: str) -> np.ndarray:
    return np.frombuffer(base64.b64decode(text), dtype)
