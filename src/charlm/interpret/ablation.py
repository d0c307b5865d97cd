"""What a unit does for the model: the loss that clamping it costs, and where.

A label that can be read off a unit need not be read off it by the model (encoded is not
used). So the unit is held at its mean, and the text is predicted again.
"""

import functools
import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from charlm.interpret.activations import Activations, cell_of
from charlm.model.cells import CELLS, LSTMState
from charlm.model.lm import LanguageModel, with_matmul_precision
from charlm.model.matmul import embedding_lookup, product

PyTree = Any
PIECE = 1024  # characters of one dispatch
LANES = 32  # clamps tried side by side


class Hold(NamedTuple):
    """A unit held at a value: an LSTM's c, with h as o tanh(c) follows; else h."""

    layer: int
    unit: int
    value: float


class AblationEffect(NamedTuple):
    """What clamping a unit at its mean costs, in nats per character of a text.

    Attributes:
      total: over all characters.
      inside: of those that follow where the unit's label holds; nan if it never does.
      outside: of the others; nan if there are none.
      matched: inside too, of other units of about the same variance.
      beaten: the share of those that cost less there; nan if there are no others.
      symbols: the symbols whose prediction suffers most, and their shares of the whole
        loss that is added.
    """

    total: float
    inside: float
    outside: float
    matched: list[float]
    beaten: float
    symbols: dict[str, float]


def ablated_nats(
    lm: LanguageModel, params: PyTree, ids: np.ndarray, clamps: Sequence[Hold | None]
) -> Float[np.ndarray, "n t"]:
    """nats[n, t], -ln p of character t with the n-th clamp; nan at 0; None is none."""
    rows = [
        _lanes(lm, params, ids, [*clamps[start : start + LANES]])
        for start in range(0, len(clamps), LANES)
    ]
    return np.concatenate(rows)


def _lanes(lm, params, ids, clamps):
    """`ablated_nats` of at most LANES clamps."""
    used = len(clamps)
    clamps += [None] * (LANES - used if used > 8 else 8 - used)  # two shapes compile
    carry = lm.initial_carry(len(clamps))
    mask = [np.zeros(state.h.shape, bool) for state in carry]
    values = np.zeros(len(clamps), np.float32)
    for lane, clamp in enumerate(clamps):
        if clamp is not None:
            mask[clamp.layer][lane, clamp.unit] = True
            values[lane] = clamp.value
    read = _reader_of(cell_of(params))
    log_p = jnp.full((len(clamps), params["head"]["b"].shape[0]), jnp.nan)
    found = []
    for start in range(0, len(ids), PIECE):
        part = np.asarray(ids[start : start + PIECE], np.int32)
        padded = np.pad(part, (0, PIECE - len(part)))
        carry, log_p, nats = read(params, carry, log_p, mask, values[:, None], padded)
        found.append(np.asarray(nats)[: len(part)])
    return np.concatenate(found).T[:used]


@functools.lru_cache(maxsize=8)
def _reader_of(cell: str):
    """The compiled (params, carry, log_p, mask, values, ids[t]) -> ..., nats[t, b]."""
    kind = CELLS[cell]

    def held(state, mask, value, gates):
        """The state with the masked units at their value."""
        if not isinstance(state, LSTMState):
            return state._replace(h=jnp.where(mask, value, state.h))
        c = jnp.where(mask, value, state.c)
        return LSTMState(c, jnp.where(mask, gates.o * jnp.tanh(c), state.h))

    @jax.jit
    @with_matmul_precision("float32")
    def read(params, carry, log_p, mask, values, ids):
        def body(loop, id):
            carry, log_p = loop
            nats = -log_p[:, id]
            same = jnp.broadcast_to(id, (len(values),))
            x: Any = (
                embedding_lookup(params["embed"], same) if "embed" in params else same
            )
            states = []
            for n, before in enumerate(carry):
                layer = params[f"layer_{n}"]
                gates = kind.gates(layer, before, x)
                state, _ = kind.step(layer, before, x)
                states.append(held(state, mask[n], values, gates))
                x = states[-1].h
            logits = product(x, params["head"]["w"]) + params["head"]["b"]
            return (tuple(states), jax.nn.log_softmax(logits)), nats

        (carry, log_p), nats = jax.lax.scan(body, (carry, log_p), ids)
        return carry, log_p, nats

    return read


def matched_units(
    trace: Activations, signal: str, unit: int, *, count: int
) -> list[int]:
    """The `count` other units of a layer whose variance is nearest to a unit's."""
    deviations = trace.signals[signal].astype(np.float32).std(axis=0)
    order = np.argsort(np.abs(np.log((deviations + 1e-6) / (deviations[unit] + 1e-6))))
    return [int(other) for other in order if other != unit][:count]


def ablation_effects(
    lm: LanguageModel,
    params: PyTree,
    trace: Activations,
    cells: Sequence[tuple[int, int]],
    holds: Sequence[np.ndarray],
    *,
    controls: int = 10,
) -> list[AblationEffect]:
    """What clamping each of some units costs on the text of a trace.

    Args:
      lm: the model.
      params: its parameters.
      trace: of the text, with c (of a GRU or an RNN with h).
      cells: (layer, unit) of each.
      holds: holds[t] for each: whether its label holds after character t; the cost
        there is that of predicting character t + 1.
      controls: other units of about the same variance that are clamped beside each.
    """
    groups = []
    for layer, unit in cells:
        signal = f"layer_{layer}/{'c' if trace.cell == 'lstm' else 'h'}"
        units = [unit, *matched_units(trace, signal, unit, count=controls)]
        means = [float(trace.real(signal, u).mean()) for u in units]
        groups.append([Hold(layer, u, m) for u, m in zip(units, means, strict=True)])
    ids = np.asarray(trace.ids)
    clamps = dict.fromkeys(clamp for group in groups for clamp in group)
    plain, *nats = ablated_nats(lm, params, ids, [None, *clamps])
    added = {c: (n - plain)[1:] for c, n in zip(clamps, nats, strict=True)}
    return [
        _cost([added[clamp] for clamp in group], held[:-1].astype(bool), trace)
        for group, held in zip(groups, holds, strict=True)
    ]


def _cost(
    added: list[np.ndarray], holds: np.ndarray, trace: Activations
) -> AblationEffect:
    """The effect of a unit, by what it and its controls add at each character."""
    own = added[0]
    inside, *matched = (
        float(nats[holds].mean()) if holds.any() else math.nan for nats in added
    )
    compared = bool(matched) and holds.any()
    return AblationEffect(
        total=float(own.mean()),
        inside=inside,
        outside=float(own[~holds].mean()) if not holds.all() else math.nan,
        matched=matched,
        beaten=float(np.mean(np.asarray(matched) < inside)) if compared else math.nan,
        symbols=_worst(own, np.asarray(trace.ids[1:]), trace.vocab),
    )


def _worst(added: np.ndarray, ids: np.ndarray, vocab, count: int = 3):
    """The symbols with the largest shares of what is added, where it is positive."""
    sums = np.bincount(ids, added, minlength=len(vocab))
    whole = sums[sums > 0].sum()
    worst = [n for n in np.argsort(-sums)[:count].tolist() if sums[n] > 0]
    return {vocab.symbols[n]: float(sums[n] / whole) for n in worst}
