"""Weights on their way home: NAME.npz, in float32 or bfloat16, and back.

NumPy knows no bfloat16: the bits of each number lie in a uint16. A file holds at most
PART bytes; what is more is in NAME-2.npz, NAME-3.npz and so on.
"""

from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np

PyTree = Any
PART = 15_000_000  # bytes


def write_weights(
    folder: Path, name: str, params: PyTree, dtype: str, part: int = PART
) -> list[Path]:
    """Writes the parameters of a model.

    Args:
      folder: where to.
      name: of the files.
      params: {"layer_0": {"wx": array, ...}, ...}.
      dtype: "float32" or "bfloat16".
      part: bytes of a file, at most, unless one array has more.

    Returns:
      The files.
    """
    files, now, size = [], {}, 0
    for key, array in pack_tree(params, dtype).items():
        if now and size + array.nbytes > part:
            files.append(write_part(folder, name, len(files) + 1, now))
            now, size = {}, 0
        now[key], size = array, size + array.nbytes
    return [*files, write_part(folder, name, len(files) + 1, now)]


def write_part(folder: Path, name: str, number: int, arrays: dict) -> Path:
    path = folder / f"{name}{'' if number == 1 else f'-{number}'}.npz"
    np.savez(path, **arrays)
    return path


def pack_tree(params: PyTree, dtype: str) -> dict[str, np.ndarray]:
    """Returns the arrays of a nested dict, by names with dots between the keys."""
    packed = {}
    for key, value in params.items():
        if isinstance(value, dict):
            below = pack_tree(value, dtype)
            packed |= {f"{key}.{name}": array for name, array in below.items()}
        elif dtype == "bfloat16":
            packed[key] = np.asarray(value).astype(ml_dtypes.bfloat16).view(np.uint16)
        else:
            packed[key] = np.asarray(value, np.float32)
    return packed


def read_weights(folder: Path, name: str) -> PyTree:
    """Returns the parameters that `write_weights` wrote, in float32."""
    params: dict[str, Any] = {}
    number, path = 1, folder / f"{name}.npz"
    while path.exists() or number == 1:
        with np.load(path, allow_pickle=False) as arrays:
            for key in arrays.files:
                put(params, key.split("."), widen(arrays[key]))
        number += 1
        path = folder / f"{name}-{number}.npz"
    return params


def widen(array: np.ndarray) -> np.ndarray:
    """Returns an array in float32; one of uint16 holds bfloat16."""
    if array.dtype == np.uint16:
        return array.view(ml_dtypes.bfloat16).astype(np.float32)
    return array


def put(tree: dict, path: list[str], leaf: np.ndarray) -> None:
    """Puts a leaf into a nested dict."""
    for key in path[:-1]:
        tree = tree.setdefault(key, {})
    tree[path[-1]] = leaf
