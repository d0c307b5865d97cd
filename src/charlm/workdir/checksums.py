"""The SHA-256 of a pytree of arrays."""

import hashlib
from typing import Any

import jax
import numpy as np

PyTree = Any


def tree_sha256(tree: PyTree) -> str:
    """Returns the SHA-256 of a tree's leaves: paths, types, shapes and bytes."""
    digest = hashlib.sha256()
    for path, leaf in jax.tree_util.tree_leaves_with_path(tree):
        if jax.dtypes.issubdtype(leaf.dtype, jax.dtypes.prng_key):
            leaf = jax.random.key_data(leaf)
        array = np.ascontiguousarray(leaf)
        head = f"{jax.tree_util.keystr(path)} {array.dtype} {array.shape}\n"
        digest.update(head.encode())
        digest.update(array.tobytes())
    return digest.hexdigest()
