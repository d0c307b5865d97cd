"""Writes weights to NAME.npz in float32 or bfloat16, and reads them.

NumPy has no bfloat16: the bits of each number are stored as a uint16. A file has at
most MAX_BYTES of arrays; the others are in NAME-2.npz, NAME-3.npz and so on.
"""

from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np

PyTree = Any
MAX_BYTES = 15_000_000


def write_weights(
    folder: Path, name: str, params: PyTree, dtype: str, max_bytes: int = MAX_BYTES
) -> list[Path]:
    """Writes the parameters of a model.

    Args:
      folder: of the files.
      name: of the files.
      params: {"layer_0": {"wx": array, ...}, ...}.
      dtype: "float32" or "bfloat16".
      max_bytes: of a file's arrays, unless one array has more.

    Returns:
      The files.
    """
    files, arrays, size = [], {}, 0
    for key, array in flatten(params, dtype).items():
        if arrays and size + array.nbytes > max_bytes:
            files.append(_write_file(folder, name, len(files) + 1, arrays))
            arrays, size = {}, 0
        arrays[key], size = array, size + array.nbytes
    return [*files, _write_file(folder, name, len(files) + 1, arrays)]


def _write_file(folder: Path, name: str, number: int, arrays: dict) -> Path:
    path = get_path(folder, name, number)
    np.savez(path, **arrays)
    return path


def get_path(folder: Path, name: str, number: int) -> Path:
    """Returns the path of a model's n-th file; the first is number 1."""
    return folder / f"{name}{'' if number == 1 else f'-{number}'}.npz"


def flatten(params: PyTree, dtype: str) -> dict[str, np.ndarray]:
    """Returns the arrays of a nested dict, by names with dots between the keys."""
    arrays = {}
    for key, value in params.items():
        if isinstance(value, dict):
            inner = flatten(value, dtype)
            arrays |= {f"{key}.{name}": array for name, array in inner.items()}
        elif dtype == "bfloat16":
            arrays[key] = np.asarray(value).astype(ml_dtypes.bfloat16).view(np.uint16)
        else:
            arrays[key] = np.asarray(value, np.float32)
    return arrays


def read_weights(folder: Path, name: str) -> PyTree:
    """Returns the parameters that `write_weights` wrote, in float32."""
    params: dict[str, Any] = {}
    number, path = 1, get_path(folder, name, 1)
    while path.exists() or number == 1:
        with np.load(path, allow_pickle=False) as arrays:
            for key in arrays.files:
                *keys, last = key.split(".")
                tree = params
                for inner in keys:
                    tree = tree.setdefault(inner, {})
                tree[last] = to_float32(arrays[key])
        number += 1
        path = get_path(folder, name, number)
    return params


def to_float32(array: np.ndarray) -> np.ndarray:
    """Returns an array in float32; one of uint16 holds bfloat16."""
    if array.dtype == np.uint16:
        return array.view(ml_dtypes.bfloat16).astype(np.float32)
    return array
