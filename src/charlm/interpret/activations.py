"""record_activations(model, text): what every unit does at each character of a text."""

import math
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from charlm.data.vocab import Vocab
from charlm.errors import UserError
from charlm.model.jax_setup import own_settings
from charlm.model.lm import LanguageModel, cached_by_config, observe
from charlm.options import CUSTOM

PyTree = Any
Model = tuple[LanguageModel, PyTree, Vocab]
CHUNK_CHARS = 2048  # of one dispatch
BYTE_SCALE, WIDE_SCALE, PROBABILITY_SCALE = 1 / 127, 1 / 256, 1 / 65535
# Signals of the built-in cells that are between -1 and 1.
BOUNDED = ("h", "tanh_c", "i", "f", "g", "o", "r", "z", "n")


class Activations(NamedTuple):
    """Activations of a model at each of the t characters of a text.

    The text is read from the zero carry. Row t of each array is of the moment after
    character t was read. Arrays are NumPy's, memory-mapped when they lie in a folder.

    Attributes:
      vocab: of the model.
      cell: "lstm", "gru", "rnn", or "custom" for a cell of its user's own.
      layers: how many.
      features: h, units of a layer.
      ids: ids[t] of the text.
      signals: by "layer_0/h" and so on, integers[t, h]: h, of an LSTM c, tanh_c and the
        gates i f g o, of a GRU the gates r z n, of another cell what it shows.
      scales: the value of 1 in these integers: 1/127 in int8 for what is between -1 and
        1, otherwise 1/256 in int16, clipped at 128.
      top_k_ids: ids[t, k] of the likeliest next characters, the likeliest first.
      top_k_probs: probs[t, k], their probabilities in 1/65535.
      nats: nats[t], -ln of the probability of character t; nan at 0.
    """

    vocab: Vocab
    cell: str
    layers: int
    features: int
    ids: np.ndarray
    signals: dict[str, np.ndarray]
    scales: dict[str, float]
    top_k_ids: np.ndarray
    top_k_probs: np.ndarray
    nats: np.ndarray

    @property
    def text(self) -> str:
        """A character for each id; U+FFFD for bytes that are not ASCII."""
        codes = np.asarray(self.vocab.codes)[np.asarray(self.ids)]
        if self.vocab.unit == "byte":
            codes = np.where(codes < 128, codes, 0xFFFD)
        return codes.astype("<u4").tobytes().decode("utf-32-le")

    def get_values(self, name: str, unit: int) -> np.ndarray:
        """Returns values[t] of a unit's signal, as "layer_0/h", in float32."""
        return self.signals[name][:, unit] * np.float32(self.scales[name])


@own_settings()
def record_activations(
    model: Model,
    text: str | bytes | np.ndarray,
    *,
    top_k: int = 5,
    signals: Sequence[str] = (),
    folder: str | os.PathLike | None = None,
) -> Activations:
    """Returns the activations over a text, which is read once, chunk by chunk.

    Args:
      model: (lm, params, vocab).
      text: to be read, or its ids[t].
      top_k: predictions recorded at each character.
      signals: which to record, as "h" or "f"; without any, all that the cell has.
      folder: new or empty, where the arrays are to lie, each in a .npy file, if memory
        does not hold them: a million characters of 512 units are 512 MB a signal, and
        twice that for c. None is memory.

    Raises UserError if the text is empty or has unseen characters or ids, the cell has
    no such signal, or the folder is not empty or cannot be written.
    """
    lm, params, vocab = model
    ids = text if isinstance(text, np.ndarray) else vocab.encode(text)
    if not len(ids):
        raise UserError("the text is empty; activations need characters to read")
    if ids.min() < 0 or ids.max() >= len(vocab):
        raise UserError(f"ids must be 0 to {len(vocab) - 1}; or give the text itself")
    widths = list_signals(lm, params)
    available = list(dict.fromkeys(name.rpartition("/")[2] for name in widths))
    for name in signals:
        if name not in available:
            raise UserError(
                f"the units of this model have no {name!r}; choose among"
                f" {', '.join(available)}"
            )
    names = [n for n in widths if not signals or n.rpartition("/")[2] in signals]
    t, k = len(ids), min(top_k, len(vocab))
    shapes = {name: (_get_type(lm, name)[0], (t, widths[name])) for name in names}
    others = {
        "ids": (vocab.dtype, (t,)),
        "top_k_ids": (vocab.dtype, (t, k)),
        "top_k_probs": (np.dtype(np.uint16), (t, k)),
        "nats": (np.dtype(np.float32), (t,)),
    }
    arrays = _make_arrays(shapes | others, folder)
    arrays["ids"][:] = ids
    for part, values in read_chunks(lm, params, arrays["ids"], names, k):
        for name, rows in values.items():
            arrays[name][part] = rows[:, 0]
    return Activations(
        vocab=vocab,
        cell=get_cell_name(lm),
        layers=lm.config.layers,
        features=lm.config.features,
        signals={name: arrays[name] for name in names},
        scales={name: _get_type(lm, name)[1] for name in names},
        **{name: arrays[name] for name in others},
    )


def _make_arrays(
    shapes: dict[str, tuple[np.dtype, tuple[int, ...]]],
    folder: str | os.PathLike | None,
) -> dict[str, np.ndarray]:
    """Returns new arrays of these types and shapes, by name, in a folder or memory."""
    if folder is None:
        return {name: np.empty(shape, dtype) for name, (dtype, shape) in shapes.items()}
    folder = Path(folder)
    needed = sum(dtype.itemsize * math.prod(shape) for dtype, shape in shapes.values())
    arrays = {}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if any(folder.iterdir()):
            raise UserError(f"{folder} is not empty; name a new folder")
        free = shutil.disk_usage(folder).free
        if needed > free:  # a mapped file fails too late
            raise UserError(
                f"{folder} has room for {free / 1e9:.1f} GB and {needed / 1e9:.1f} GB"
                " are needed; name a folder on a larger disk, or keep fewer signals"
            )
        for name, (dtype, shape) in shapes.items():
            path = folder / f"{name.replace('/', '.')}.npy"
            arrays[name] = np.lib.format.open_memmap(path, "w+", dtype, shape)
        return arrays
    except OSError as error:
        raise UserError(
            f"{folder} cannot be written ({error.strerror}); name another folder"
        ) from error


def list_signals(lm: LanguageModel, params: PyTree) -> dict[str, int]:
    """Returns the signals of a model with their widths, {"layer_0/h": h}."""
    inputs = params, lm.initial_carry(1), jnp.zeros(1, jnp.int32)
    _, _, values = jax.eval_shape(partial(observe, lm), *inputs)
    return {name: value.shape[1] for name, value in values.items() if value.ndim == 2}


def get_cell_name(lm: LanguageModel) -> str:
    """Returns "lstm", "gru", "rnn" or "custom"."""
    return lm.config.cell if isinstance(lm.config.cell, str) else CUSTOM


def _get_type(lm: LanguageModel, name: str) -> tuple[np.dtype, float]:
    """Returns the integer type of a signal, and its scale."""
    if get_cell_name(lm) != CUSTOM and name.rpartition("/")[2] in BOUNDED:
        return np.dtype(np.int8), BYTE_SCALE
    return np.dtype(np.int16), WIDE_SCALE


def read_chunks(
    lm: LanguageModel,
    params: PyTree,
    ids: np.ndarray,
    names: Sequence[str] = (),
    top_k: int = 0,
    lanes: int = 1,
    holds: Mapping[str, np.ndarray] | None = None,
) -> Iterator[tuple[slice, dict[str, np.ndarray]]]:
    """Yields each part of ids[t], and arrays[t, b] by name of what happens there.

    The b lanes read the same. holds[signal][b, h] is the value at which a unit of a
    lane is held; nan is none.
    """
    read = get_reader(lm, tuple(names), top_k)
    # Nothing predicts the first character.
    loop = lm.initial_carry(lanes), jnp.full((lanes, lm.config.vocab_size), jnp.nan)
    for start in range(0, len(ids), CHUNK_CHARS):
        chunk = np.asarray(ids[start : start + CHUNK_CHARS], np.int32)
        count = len(chunk)
        chunk = np.pad(chunk, (0, CHUNK_CHARS - count))
        loop, arrays = read(params, holds or {}, loop, chunk)
        rows = {name: np.asarray(array)[:count] for name, array in arrays.items()}
        yield slice(start, start + count), rows


@cached_by_config
def get_reader(lm: LanguageModel, names: tuple[str, ...], top_k: int):
    """Returns the compiled (params, holds, loop, ids[t]) -> (loop, arrays[t, b])."""

    @jax.jit
    def read(params, holds, loop, ids):
        def edit(name, value):
            held = holds.get(name)
            return value if held is None else jnp.where(jnp.isnan(held), value, held)

        def read_id(loop, id):
            carry, log_p = loop
            nats = -log_p[:, id]
            same_ids = jnp.broadcast_to(id, nats.shape)
            carry, logits, signals = observe(lm, params, carry, same_ids, edit)
            log_p = jax.nn.log_softmax(logits.astype(jnp.float32))
            rows = {name: _quantize(lm, name, signals[name]) for name in names}
            if top_k:
                best, top_k_ids = jax.lax.top_k(log_p, top_k)
                probs = jnp.round(jnp.exp(best) / PROBABILITY_SCALE).astype(jnp.uint16)
                rows |= {"top_k_ids": top_k_ids, "top_k_probs": probs}
            return (carry, log_p), rows | {"nats": nats}

        return jax.lax.scan(read_id, loop, ids)

    return read


def _quantize(lm: LanguageModel, name: str, values):
    """Returns values as the integers of their signal, clipped to their type."""
    dtype, scale = _get_type(lm, name)
    limits = np.iinfo(dtype)
    return jnp.clip(jnp.round(values / scale), limits.min, limits.max).astype(dtype)
