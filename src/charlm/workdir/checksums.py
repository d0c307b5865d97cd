"""The SHA-256 of a pytree of arrays, and the one inside a JSON object."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

import jax
import numpy as np

PyTree = Any
SEAL = "sha256"


def tree_sha256(tree: PyTree) -> str:
    """The SHA-256 of a tree's leaves: their paths, types, shapes and bytes."""
    digest = hashlib.sha256()
    for path, leaf in jax.tree_util.tree_leaves_with_path(tree):
        if jax.dtypes.issubdtype(leaf.dtype, jax.dtypes.prng_key):
            leaf = jax.random.key_data(leaf)
        array = np.ascontiguousarray(leaf)
        head = f"{jax.tree_util.keystr(path)} {array.dtype} {array.shape}\n"
        digest.update(head.encode())
        digest.update(array.tobytes())
    return digest.hexdigest()


def sealed(record: Mapping[str, Any]) -> dict[str, Any]:
    """A JSON object with the SHA-256 of the rest of it as one more value."""
    return {**record, SEAL: _json_sha256(record)}


def unsealed(record: Mapping[str, Any]) -> dict[str, Any]:
    """The object that `sealed` took; one that has no seal, as it is.

    Raises:
      ValueError: it is not what was sealed.
    """
    rest = {key: value for key, value in record.items() if key != SEAL}
    if SEAL in record and record[SEAL] != _json_sha256(rest):
        raise ValueError(
            "it is not as it was written; put it back, or take out its line"
            f' "{SEAL}" if the change is yours'
        )
    return rest


def _json_sha256(record: Mapping[str, Any]) -> str:
    text = json.dumps(record, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()
