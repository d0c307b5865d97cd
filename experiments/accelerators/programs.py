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
from charlm.training.multi_step import make_train_steps, state_shardings
from charlm.training.optimizer import make_optimizer
from charlm.training.step import (
    TrainState,
    init_state,
    make_guarded_step,
    make_train_step,
)
from experiments.arithmetic import get_arithmetic

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
        """Returns the language model, which each program traces anew."""
        options = self._asdict() | get_arithmetic(self.dtype)
        del options["batch"], options["length"]
        return make_language_model(vocab_size=SYMBOLS, **options)


def read_sizes() -> dict[str, Size]:
    """Returns the sizes of all configs, without their variants, by name."""
    sizes = {}
    for path in sorted(CONFIGS.glob("*.py")):
        config = importlib.import_module(f"configs.{path.stem}").get_config()
        windows = {"batch": config.train.batch_size, "length": config.train.seq_length}
        options = {
            name: config.model[name] for name in Size._fields if name not in windows
        }
        sizes[path.stem] = Size(**windows, **options)
    return sizes


def get_types(tree: Any, placement: Any) -> Any:
    """Returns the types of a tree's arrays with a sharding."""

    def get_type(x):
        return jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=placement)

    return jax.tree.map(get_type, tree)


def lower_training(size: Size, mesh: Mesh, platform: str):
    """Lowers the steps of a dispatch; the text is on the device."""
    batch, replicated = size.batch * mesh.size, sharding.replicate(mesh)
    lm, optimizer = size.make_model(), make_optimizer(learning_rate=2e-3)
    ids = np.zeros(batch * size.length * WINDOWS + 1, np.uint8)
    streams = Streams(ids, batch, size.length, reset_probability=0.02)
    state = jax.eval_shape(lambda: init_state(lm, optimizer, batch_size=batch))
    state = TrainState(*map(get_types, state, state_shardings(mesh)))
    guarded_step = make_guarded_step(make_train_step(lm, optimizer), vocab_size=SYMBOLS)
    train_steps: Any = make_train_steps(
        guarded_step, lambda ids, n, _: streams.device_batch(ids, n), mesh
    )
    count = jax.ShapeDtypeStruct((), jnp.int32, sharding=replicated)
    traced = train_steps.trace(state, get_types(ids, replicated), count)
    return traced.lower(lowering_platforms=(platform,))


def lower_scoring(size: Size, mesh: Mesh, platform: str):
    """Lowers the scoring of a window."""
    lm, batch = size.make_model(), size.batch * mesh.size
    window = NamedSharding(mesh, PartitionSpec(None, sharding.AXIS))
    params = jax.eval_shape(lm.init, jax.random.key(0))
    carry = jax.eval_shape(lambda: lm.initial_carry(batch))
    ids = jax.ShapeDtypeStruct((size.length, batch), jnp.int32, sharding=window)
    counted = jax.ShapeDtypeStruct(ids.shape, jnp.bool_, sharding=window)
    traced = score.make_scorer(lm).trace(
        get_types(params, sharding.replicate(mesh)),
        get_types(carry, sharding.shard_rows(mesh)),
        *(ids, ids, counted),
    )
    return traced.lower(lowering_platforms=(platform,))


def lower_prefill(size: Size, mesh: Mesh, platform: str):
    """Lowers the reading of a whole window of a prompt."""
    lm, replicated = size.make_model(), sharding.replicate(mesh)
    params = get_types(jax.eval_shape(lm.init, jax.random.key(0)), replicated)
    carry = get_types(jax.eval_shape(lambda: lm.initial_carry(1)), replicated)
    ids = jax.ShapeDtypeStruct((CHUNK_READ, 1), jnp.int32, sharding=replicated)
    traced = jax.jit(lm.unroll).trace(params, carry, ids)
    return traced.lower(lowering_platforms=(platform,))


def lower_decode(size: Size, mesh: Mesh, platform: str, texts: int = 1):
    """Lowers the drawing of a dispatch of characters."""
    lm = size.make_model()
    sampler = make_sampler(lm)
    params = jax.eval_shape(lm.init, jax.random.key(0))
    logits, zero = jnp.zeros((texts, SYMBOLS)), jnp.int32(0)
    arguments = (
        jax.eval_shape(sampler.pack_params, params),
        jax.eval_shape(lambda: SamplerState(lm.initial_carry(texts), logits, zero)),
        jax.eval_shape(lambda: jax.random.split(jax.random.key(0), texts)),
        jax.eval_shape(
            lambda: SamplingParams(jnp.float32(1), jnp.int32(0), jnp.float32(1))
        ),
        jax.ShapeDtypeStruct((), jnp.int32),
    )
    decode: Any = sampler.decode
    traced = decode.trace(*get_types(arguments, sharding.replicate(mesh)))
    return traced.lower(lowering_platforms=(platform,))


Lower = Callable[[Size, Mesh, str], Any]
PROGRAMS: dict[str, Lower] = {
    "training": lower_training,
    "scoring": lower_scoring,
    "prefill": lower_prefill,
    "decode": lower_decode,
}
