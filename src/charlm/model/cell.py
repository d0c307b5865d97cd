"""Cell: what a recurrent layer computes, as pure functions that anyone can write.

Shapes: b batch, d input width, h hidden width, t time. A layer's parameters are any
pytree, and so is its state. See `charlm.model.cells` for the built-in ones.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
from jaxtyping import Array

PyTree = Any
Edit = Callable[[str, Array], Array]  # (name, value) -> the value in its place


def no_edit(name: str, value: Array) -> Array:
    """Returns the value as it is."""
    return value


class Cell(NamedTuple):
    """A recurrent cell. Only the first three functions are required.

    `step(params, state, x)` must equal `step_from_projection(params, state,
    project(params, x))`, and `unroll` a `lax.scan` of `step`, in value and gradient.

    Attributes:
      init: (key, d, h) -> params.
      initial_state: (batch_size, h) -> state, whose arrays have the batch first.
      step: (params, state, x[b, d]) -> (state, y[b, h]).
      project: (params, x) -> z; the part of a step that does not read the state. It is
        called for a whole window at once, x[t, b, d].
      step_from_projection: (params, state, z) -> (state, y[b, h]).
      activations: (params, state, x, edit) -> (state, y[b, h], {name: array[b, h]}); a
        step with its values shown. Each value passes through edit(name, value), and
        what is computed from it reads the result. Without it, the arrays of the new
        state are shown.
      unroll: (params, state, xs[t, b, d]) -> (state, ys[t, b, h]); a fast path.
      reads_ids: whether an input may also be integer ids [b], in place of one-hot
        vectors. Otherwise a layer that reads characters gets one-hot vectors.
    """

    init: Callable[[Array, int, int], PyTree]
    initial_state: Callable[[int, int], PyTree]
    step: Callable[[PyTree, PyTree, Array], tuple[PyTree, Array]]
    project: Callable[[PyTree, Array], PyTree] | None = None
    step_from_projection: (
        Callable[[PyTree, PyTree, Array], tuple[PyTree, Array]] | None
    ) = None
    activations: Callable[..., tuple[PyTree, Array, dict[str, Array]]] | None = None
    unroll: Callable[[PyTree, PyTree, Array], tuple[PyTree, Array]] | None = None
    reads_ids: bool = False


def observe_step(
    cell: Cell, params: PyTree, state: PyTree, x: Array, edit: Edit = no_edit
) -> tuple[PyTree, Array, dict[str, Array]]:
    """Runs a step and returns (state, y, activations by name)."""
    if cell.activations is not None:
        return cell.activations(params, state, x, edit)
    state, y = cell.step(params, state, x)
    named = {name or "state": leaf for name, leaf in name_leaves(state, "_").items()}
    named = {name: edit(name, value) for name, value in named.items()}
    state = jax.tree.unflatten(jax.tree.structure(state), named.values())
    named["y"] = edit("y", y)
    return state, named["y"], named


def name_leaves(tree: PyTree, separator: str) -> dict[str, Array]:
    """Returns the arrays of a tree by their paths; the path of a lone array is ""."""
    leaves, _ = jax.tree_util.tree_flatten_with_path(tree)
    return {
        jax.tree_util.keystr(path, simple=True, separator=separator): leaf
        for path, leaf in leaves
    }
