"""charlm's programs, lowered for devices that are not here."""

import importlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from charlm.data.streams import Streams
from charlm.evaluation import score
from charlm.generation.sampler import (
    CHUNK_READ,
    SamplerState,
    SamplingParams,
    make_sampler,
)
from charlm.model import sharding
from charlm.model.lm import LanguageModel, make_language_model
from charlm.training.guard import make_guarded_step
from charlm.training.multi_step import make_train_steps, state_shardings
from charlm.training.optimizer import make_optimizer
from charlm.training.step import TrainState, init_state, make_train_step

SYMBOLS = 96  # v, of a text in English
WINDOWS = 20  # of every stream, in the text
CONFIGS = Path(__file__).parent.parent.parent / "configs"


class Size(NamedTuple):
    """The size of a model and of its windows.

    Attributes:
      layers: of LSTM, unless `cell` is another.
      features: h.
      batch: b, streams a device.
      length: t, characters of a window.
      dropout: of each layer's output.
      dtype: of products; "tf32" is float32 of that precision.
      embedding: width of the characters' embedding; 0 reads them one-hot.
      cell: "lstm", "gru" or "rnn".
    """

    layers: int
    features: int
    batch: int
    length: int
    dropout: float = 0.0
    dtype: str = "float32"
    embedding: int = 0
    cell: str = "lstm"

    def make_model(self) -> LanguageModel:
        """Returns the language model, traced anew by each program."""
        return make_language_model(
            vocab_size=SYMBOLS,
            cell=self.cell,
            layers=self.layers,
            features=self.features,
            embedding=self.embedding,
            dropout=self.dropout,
            dtype="float32" if self.dtype == "tf32" else self.dtype,
            precision="tf32" if self.dtype == "tf32" else "highest",
        )


def read_sizes() -> dict[str, Size]:
    """Returns the sizes of all configs, without their variants, by name."""
    sizes = {}
    for path in sorted(CONFIGS.glob("*.py")):
        config = importlib.import_module(f"configs.{path.stem}").get_config()
        model, train = config.model, config.train
        sizes[path.stem] = Size(
            layers=model.layers,
            features=model.features,
            batch=train.batch_size,
            length=train.seq_length,
            dropout=model.dropout,
            dtype=model.dtype,
            embedding=model.embedding,
            cell=model.cell,
        )
    return sizes


def place(tree: Any, sharding: Any) -> Any:
    """Returns the types of a tree's arrays, on the devices of a sharding."""

    def to_type(x):
        return jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=sharding)

    return jax.tree.map(to_type, tree)


def lower_training(size: Size, mesh: Mesh, platform: str):
    """Lowers the steps of a dispatch: the text is on the device."""
    batch = size.batch * mesh.size
    lm, optimizer = size.make_model(), make_optimizer(learning_rate=2e-3)
    ids = np.zeros(batch * size.length * WINDOWS + 1, np.uint8)
    streams = Streams(ids, batch, size.length, reset_probability=0.02)
    state = jax.eval_shape(lambda: init_state(lm, optimizer, batch_size=batch))
    state = TrainState(*map(place, state, state_shardings(mesh)))
    text = place(jax.ShapeDtypeStruct(ids.shape, ids.dtype), sharding.replicate(mesh))
    count = place(jax.ShapeDtypeStruct((), jnp.int32), sharding.replicate(mesh))
    guarded_step = make_guarded_step(make_train_step(lm, optimizer), vocab_size=SYMBOLS)
    train_steps = make_train_steps(
        guarded_step, lambda ids, n, _: streams.device_batch(ids, n), mesh
    )
    traced = train_steps.trace(state, text, count)
    return traced.lower(lowering_platforms=(platform,))


def lower_scoring(size: Size, mesh: Mesh, platform: str):
    """Lowers the reading of a window without gradients."""
    lm, batch = size.make_model(), size.batch * mesh.size
    window = NamedSharding(mesh, PartitionSpec(None, sharding.AXIS))
    params = jax.eval_shape(lm.init, jax.random.key(0))
    carry = jax.eval_shape(lambda: lm.initial_carry(batch))
    ids = jax.ShapeDtypeStruct((size.length, batch), jnp.int32, sharding=window)
    counted = jax.ShapeDtypeStruct(ids.shape, jnp.bool_, sharding=window)
    traced = score.make_scorer(lm).trace(
        place(params, sharding.replicate(mesh)),
        place(carry, sharding.shard_rows(mesh)),
        *(ids, ids, counted),
    )
    return traced.lower(lowering_platforms=(platform,))


def lower_reading(size: Size, mesh: Mesh, platform: str):
    """Lowers the reading of a piece of a prompt."""
    lm, whole = size.make_model(), sharding.replicate(mesh)
    params = place(jax.eval_shape(lm.init, jax.random.key(0)), whole)
    carry = place(jax.eval_shape(lambda: lm.initial_carry(1)), whole)
    ids = jax.ShapeDtypeStruct((CHUNK_READ, 1), jnp.int32, sharding=whole)
    traced = jax.jit(lm.unroll).trace(params, carry, ids)
    return traced.lower(lowering_platforms=(platform,))


def lower_drawing(size: Size, mesh: Mesh, platform: str, texts: int = 1):
    """Lowers the drawing of characters of one text."""
    lm, whole = size.make_model(), sharding.replicate(mesh)
    sampler = make_sampler(lm)
    params = jax.eval_shape(lm.init, jax.random.key(0))
    logits, zero = jnp.zeros((texts, SYMBOLS)), jnp.int32(0)
    given = (
        jax.eval_shape(sampler.pack_params, params),
        jax.eval_shape(lambda: SamplerState(lm.initial_carry(texts), logits, zero)),
        jax.eval_shape(lambda: jax.random.split(jax.random.key(0), texts)),
        jax.eval_shape(
            lambda: SamplingParams(jnp.float32(1), jnp.int32(0), jnp.float32(1))
        ),
        jax.ShapeDtypeStruct((), jnp.int32),
    )
    traced = sampler.decode.trace(*place(given, whole))
    return traced.lower(lowering_platforms=(platform,))


Lower = Callable[[Size, Mesh, str], Any]
PROGRAMS: dict[str, Lower] = {
    "training": lower_training,
    "scoring": lower_scoring,
    "reading": lower_reading,
    "drawing": lower_drawing,
}
