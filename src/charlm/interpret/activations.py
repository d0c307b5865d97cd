"""trace(lm, params, vocab, text): what every unit did at each character of a text."""

import functools
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from charlm.data.vocab import Vocab
from charlm.errors import UserError
from charlm.files import atomic_write
from charlm.interpret.arrays import new_arrays, open_arrays
from charlm.model.cells import CELLS, LSTMState
from charlm.model.lm import LanguageModel

PyTree = Any
ABOUT = "trace.json"
PIECE = 2048  # characters of one dispatch
BYTE, C, CHANCE = 1 / 127, 1 / 256, 1 / 65535  # real values of one
SIGNALS = {
    "lstm": ("h", "c", "tanh_c", "i", "f", "g", "o"),
    "gru": ("h", "r", "z", "n"),
    "rnn": ("h",),
}


class Activations(NamedTuple):
    """What a model did at each of the t characters of a text, read from the zero carry.

    Row t of each array is of the moment after character t was read. Arrays are NumPy's,
    memory-mapped when the trace is in a folder.

    Attributes:
      vocab: of the model.
      cell: "lstm", "gru" or "rnn".
      layers: how many.
      features: h, units of a layer.
      ids: ids[t] of the text.
      signals: by "layer_0/h" and so on, integers[t, h]: h, of an LSTM c, tanh_c and the
        gates i f g o, of a GRU the gates r z n.
      scales: what one of these integers is worth: 1/127 of int8, and for c, which knows
        no bound, 1/256 of int16; beyond 128 it stays at that.
      guesses: guesses[t, k], ids of the likeliest next characters, the likeliest first.
      chances: chances[t, k], their probabilities in 1/65535.
      nats: nats[t], -ln of the probability that character t was given; nan at 0.
    """

    vocab: Vocab
    cell: str
    layers: int
    features: int
    ids: np.ndarray
    signals: dict[str, np.ndarray]
    scales: dict[str, float]
    guesses: np.ndarray
    chances: np.ndarray
    nats: np.ndarray

    @property
    def text(self) -> str:
        """A character for each id; of bytes, U+FFFD for those that are not ASCII."""
        codes = np.asarray(self.vocab.codes)[np.asarray(self.ids)]
        if self.vocab.unit == "byte":
            codes = np.where(codes < 128, codes, 0xFFFD)
        return codes.astype("<u4").tobytes().decode("utf-32-le")

    def real(self, name: str, unit: int) -> np.ndarray:
        """values[t] of a unit's signal, as "layer_0/h", in float32."""
        return self.signals[name][:, unit] * np.float32(self.scales[name])


def trace(
    lm: LanguageModel,
    params: PyTree,
    vocab: Vocab,
    text: str | bytes | np.ndarray,
    *,
    top_k: int = 5,
    signals: Sequence[str] = (),
    folder: str | os.PathLike | None = None,
) -> Activations:
    """The trace of a text, in one reading, a piece at a time.

    Args:
      lm: the model.
      params: its parameters.
      vocab: its symbols.
      text: to be read, or its ids[t].
      top_k: guesses kept at each character.
      signals: which are kept, as "h" or "f"; none named is all that the cell has.
      folder: where the arrays are to lie, for a text whose trace no memory holds; a
        million characters of 512 units are 512 MB a signal, and twice that for c.
        It must be new or empty. None keeps them in memory.

    Raises:
      UserError: the text is empty or has unseen characters or ids, the cell has no
        such signal, or the folder is not empty or cannot be written.
    """
    cell = cell_of(params)
    for name in signals:
        if name not in SIGNALS[cell]:
            raise UserError(
                f"the units of this {cell} have no {name!r}; choose among"
                f" {', '.join(SIGNALS[cell])}"
            )
    ids = text if isinstance(text, np.ndarray) else vocab.encode(text)
    if not len(ids):
        raise UserError("the text is empty; a trace needs characters to read")
    if ids.min() < 0 or ids.max() >= len(vocab):
        raise UserError(f"ids must be 0 to {len(vocab) - 1}; or give the text itself")
    about = {
        "cell": cell,
        "layers": sum(name.startswith("layer_") for name in params),
        "features": params["layer_0"]["wh"].shape[0],
        "kept": [name for name in SIGNALS[cell] if not signals or name in signals],
        "vocab": json.loads(vocab.to_json()),
    }
    top_k = min(top_k, len(vocab))
    arrays = new_arrays(_shapes(about, vocab, len(ids), top_k), folder)
    arrays["ids"][:] = ids
    _fill(arrays, lm, params, tuple(_names(about)), top_k)
    if folder is not None:  # last: a folder that has it is whole
        atomic_write(Path(folder) / ABOUT, json.dumps(about) + "\n")
    return _as_trace(about, vocab, arrays)


def open_trace(folder: str | os.PathLike) -> Activations:
    """The trace that lies in a folder, memory-mapped.

    Raises:
      UserError: no whole trace is there.
    """
    try:
        about = json.loads((Path(folder) / ABOUT).read_text(encoding="utf-8"))
        vocab = Vocab.from_json(json.dumps(about["vocab"]))
        names = _shapes(about, vocab, 0, 0)
        return _as_trace(about, vocab, open_arrays(folder, names))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(f"{folder} holds no whole trace: {error}") from error


def cell_of(params: PyTree) -> str:
    """The kind of cell whose parameters these are, by their blocks."""
    layer = params["layer_0"]
    blocks = layer["wh"].shape[1] // layer["wh"].shape[0]
    [name] = [name for name, cell in CELLS.items() if cell.blocks == blocks]
    return name


def _type_of(name: str) -> np.dtype:
    return np.dtype(np.int16 if name.endswith("/c") else np.int8)


def _names(about) -> list[str]:
    """The signals of every layer that a trace keeps."""
    kept = about["kept"]
    return [f"layer_{n}/{name}" for n in range(about["layers"]) for name in kept]


def _shapes(about, vocab: Vocab, length: int, top_k: int):
    """(type, shape) of each array of a trace."""
    units, guesses = (length, about["features"]), (length, top_k)
    return {name: (_type_of(name), units) for name in _names(about)} | {
        "ids": (vocab.dtype, (length,)),
        "guesses": (vocab.dtype, guesses),
        "chances": (np.dtype(np.uint16), guesses),
        "nats": (np.dtype(np.float32), (length,)),
    }


def _as_trace(about, vocab: Vocab, arrays) -> Activations:
    names = _names(about)
    return Activations(
        vocab=vocab,
        cell=about["cell"],
        layers=about["layers"],
        features=about["features"],
        ids=arrays["ids"],
        signals={name: arrays[name] for name in names},
        scales={name: C if name.endswith("/c") else BYTE for name in names},
        guesses=arrays["guesses"],
        chances=arrays["chances"],
        nats=arrays["nats"],
    )


def _fill(arrays, lm, params, names: tuple[str, ...], top_k: int) -> None:
    """Reads ids and writes what is seen into the arrays, a piece at a time."""
    ids, read = arrays["ids"], _reader_of(lm, names, top_k)
    carry = lm.initial_carry(1)
    log_p = jnp.full(params["head"]["b"].shape, jnp.nan)  # nothing foretells the first
    for start in range(0, len(ids), PIECE):
        part = np.asarray(ids[start : start + PIECE])
        count = len(part)
        padded = np.pad(part, (0, PIECE - count)).astype(np.int32)
        (carry, log_p), seen = read(params, carry, log_p, padded)
        for name, rows in seen.items():
            arrays[name][start : start + count] = np.asarray(rows)[:count]


@functools.lru_cache(maxsize=8)
def _reader_of(lm: LanguageModel, names: tuple[str, ...], top_k: int):
    """The compiled (params, carry, log_p[v], ids[t]) -> ((carry, log_p), arrays[t])."""

    def look(params, carry, ids):
        """One step, and by name all that the units did in it."""
        after, logits, gates = lm.observe(params, carry, ids)
        seen = {}
        for n, state in enumerate(after):
            values = gates[n]._asdict() | {"h": state.h}
            if isinstance(state, LSTMState):
                values |= {"c": state.c, "tanh_c": jnp.tanh(state.c)}
            seen |= {f"layer_{n}/{key}": value[0] for key, value in values.items()}
        return after, logits[0].astype(jnp.float32), seen

    @jax.jit
    def read(params, carry, log_p, ids):
        def body(loop, id):
            carry, log_p = loop
            nats = -log_p[id]
            carry, logits, seen = look(params, carry, id[None])
            log_p = jax.nn.log_softmax(logits)
            best, guesses = jax.lax.top_k(log_p, top_k)
            kept = {name: _as_integers(name, seen[name]) for name in names}
            kept |= {"guesses": guesses, "nats": nats}
            kept |= {"chances": jnp.round(jnp.exp(best) / CHANCE).astype(jnp.uint16)}
            return (carry, log_p), kept

        return jax.lax.scan(body, (carry, log_p), ids)

    return read


def _as_integers(name: str, values):
    """Values as the integers of their signal; beyond its type they stay at the end."""
    dtype = _type_of(name)
    scale = C if name.endswith("/c") else BYTE
    limits = np.iinfo(dtype)
    return jnp.clip(jnp.round(values / scale), limits.min, limits.max).astype(dtype)
