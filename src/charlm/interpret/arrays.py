"""Named arrays, in memory or memory-mapped in the files of a folder."""

import math
import os
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np

from charlm.errors import UserError

Shape = tuple[int, ...]


def new_arrays(
    shapes: Mapping[str, tuple[np.dtype, Shape]], folder: str | os.PathLike | None
) -> dict[str, np.ndarray]:
    """Arrays of these types and shapes, to be filled.

    Args:
      shapes: by name; a name may have slashes.
      folder: new or empty, where each has a file; None keeps them in memory.

    Raises:
      UserError: the folder has something in it, cannot be written, or is on a
        disk that has no room for them.
    """
    if folder is None:
        return {name: np.empty(shape, dtype) for name, (dtype, shape) in shapes.items()}
    folder = Path(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if any(folder.iterdir()):
            raise UserError(f"{folder} is not empty; name a new folder")
        _find_room(folder, shapes)
        return {
            name: np.lib.format.open_memmap(_file_of(folder, name), "w+", dtype, shape)
            for name, (dtype, shape) in shapes.items()
        }
    except OSError as error:
        raise UserError(
            f"{folder} cannot be written ({error.strerror}); name another folder"
        ) from error


def open_arrays(
    folder: str | os.PathLike, names: Iterable[str]
) -> dict[str, np.ndarray]:
    """The arrays of a folder, memory-mapped, not to be written."""
    return {
        name: np.load(_file_of(Path(folder), name), mmap_mode="r", allow_pickle=False)
        for name in names
    }


def _find_room(folder: Path, shapes) -> None:
    """Raises UserError if the arrays do not fit: a mapped file is felt too late."""
    needed = sum(dtype.itemsize * math.prod(shape) for dtype, shape in shapes.values())
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise UserError(
            f"{folder} has room for {free / 1e9:.1f} GB and {needed / 1e9:.1f} GB are"
            " needed; name a folder on a larger disk, or keep fewer signals"
        )


def _file_of(folder: Path, name: str) -> Path:
    return folder / f"{name.replace('/', '.')}.npy"
