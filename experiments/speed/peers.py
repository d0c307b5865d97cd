"""Training steps of charlm and of its peers.

Each function of a shape returns a function of a number of steps, which keeps its state
to itself. A step is forward, loss, backward, clip and Adam, and dropout if the shape
has it.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax.sharding import Mesh

from charlm import (
    LanguageModel,
    Streams,
    init_state,
    make_language_model,
    make_optimizer,
)
from charlm.model import sharding
from charlm.model.lm import matmul_precision
from charlm.training.multi_step import make_train_steps, state_shardings
from charlm.training.step import TrainState, make_guarded_step, make_train_step
from experiments.arithmetic import get_arithmetic

Steps = Callable[[int], None]


class Shape(NamedTuple):
    """The size of a model and of its windows.

    Attributes:
      layers: LSTM layers.
      features: h, the width of a layer.
      batch: b, streams.
      length: t, characters of a window.
      symbols: v.
      dropout: of each layer's output.
      dtype: of charlm's products; "bfloat16" also turns on PyTorch's autocast, and
        "tf32" is float32 of that precision.
    """

    layers: int
    features: int
    batch: int
    length: int
    symbols: int
    dropout: float = 0.0
    dtype: str = "float32"


def make_text(shape: Shape) -> np.ndarray:
    """Returns ids[n] of a random text, four windows and one character long."""
    size = 4 * shape.batch * shape.length + 1
    ids = np.random.default_rng(0).integers(0, shape.symbols, size)
    return ids.astype(np.uint8)


def make_model(shape: Shape, cell: Any = "lstm") -> LanguageModel:
    """Returns charlm's model of a shape."""
    return make_language_model(
        vocab_size=shape.symbols,
        cell=cell,
        layers=shape.layers,
        features=shape.features,
        dropout=shape.dropout,
        **get_arithmetic(shape.dtype),
    )


def charlm_program(
    shape: Shape, mesh: Mesh | None = None, cell: Any = "lstm"
) -> tuple[Any, TrainState, jax.Array]:
    """Returns (train_steps, state, data) as `fit` has them, the text on the device.

    Args:
      shape: of the model and its windows.
      mesh: the devices; by default, those that `fit` takes.
      cell: of its layers.
    """
    lm = make_model(shape, cell)
    optimizer = make_optimizer(learning_rate=2e-3, name="adam", clip=5.0)
    guarded_step = make_guarded_step(
        make_train_step(lm, optimizer), vocab_size=shape.symbols
    )
    streams = Streams(make_text(shape), shape.batch, shape.length)
    mesh = mesh or sharding.make_mesh(shape.batch)
    run = make_train_steps(
        guarded_step,
        lambda ids, step, _: streams.device_batch(ids, step),
        mesh,
    )
    state = init_state(lm, optimizer, batch_size=shape.batch)
    state = jax.device_put(state, state_shardings(mesh))
    return run, state, jax.device_put(streams.ids, sharding.replicate(mesh))


def charlm_steps(shape: Shape, mesh: Mesh | None = None, cell: Any = "lstm") -> Steps:
    """Returns charlm's steps, all of them in one dispatch."""
    run, state, ids = charlm_program(shape, mesh, cell)
    current = [state]

    def steps(count):
        current[0], metrics = run(current[0], ids, count)
        jax.block_until_ready((current[0], metrics))

    return steps


def optax_steps(shape: Shape, params, loss: Callable) -> Steps:
    """Returns steps of one dispatch each.

    Args:
      shape: of the model and its windows.
      params: its parameters.
      loss: (params, inputs[b, t], targets[b, t], key) -> the mean loss.
    """
    optimizer = optax.chain(optax.clip(5.0), optax.adam(2e-3))
    key = jax.random.key(0)
    window = make_text(shape)[: shape.batch * (shape.length + 1)]
    window = jnp.asarray(window.reshape(shape.batch, -1), jnp.int32)

    @jax.jit
    def step(params, opt_state, key):
        with matmul_precision(make_model(shape).config):  # a GPU's default is TF32
            gradient = jax.grad(loss)(params, window[:, :-1], window[:, 1:], key)
        updates, opt_state = optimizer.update(gradient, opt_state)
        return optax.apply_updates(params, updates), opt_state

    current = [params, optimizer.init(params)]

    def steps(count):
        for n in range(count):
            current[:] = step(*current, jax.random.fold_in(key, n))
        jax.block_until_ready(current)

    return steps


def mean_loss(logits, targets):
    """Returns the mean cross-entropy."""
    losses = optax.softmax_cross_entropy_with_integer_labels(logits, targets)
    return losses.mean()


def flax_steps(shape: Shape) -> Steps:
    """Returns steps of Flax's nn.RNN(OptimizedLSTMCell)."""

    class Net(nn.Module):
        @nn.compact
        def __call__(self, ids, deterministic):
            x = jax.nn.one_hot(ids, shape.symbols)
            for _ in range(shape.layers):
                x = nn.RNN(nn.OptimizedLSTMCell(shape.features))(x)
                x = nn.Dropout(shape.dropout, deterministic=deterministic)(x)
            return nn.Dense(shape.symbols)(x)

    net = Net()
    window = jnp.zeros((shape.batch, shape.length), jnp.int32)
    params = net.init(jax.random.key(0), window, True)

    def loss(params, inputs, targets, key):
        logits = net.apply(params, inputs, False, rngs={"dropout": key})
        return mean_loss(logits, targets)

    return optax_steps(shape, params, loss)


def textbook_steps(shape: Shape) -> Steps:
    """Returns steps of lax.scan of the textbook's equations, with JAX's derivative."""
    keys = jax.random.split(jax.random.key(0), 2 * shape.layers + 1)
    h, layers = shape.features, []
    for n in range(shape.layers):
        d = h if n else shape.symbols
        wx, wh = ((keys[2 * n], d), (keys[2 * n + 1], h))
        layers.append(
            {
                "wx": jax.random.normal(wx[0], (d, 4 * h)) / h**0.5,
                "wh": jax.random.normal(wh[0], (h, 4 * h)) / h**0.5,
                "b": jnp.zeros(4 * h),
            }
        )
    head = jax.random.normal(keys[-1], (h, shape.symbols)) / h**0.5

    def lstm(layer, state, x):
        c, y = state
        z = x @ layer["wx"] + y @ layer["wh"] + layer["b"]
        i, f, g, o = jnp.split(z, 4, axis=-1)
        c = jax.nn.sigmoid(f) * c + jax.nn.sigmoid(i) * jnp.tanh(g)
        y = jax.nn.sigmoid(o) * jnp.tanh(c)
        return (c, y), y

    def loss(params, inputs, targets, key):
        x = jax.nn.one_hot(inputs.T, shape.symbols)
        zero = jnp.zeros((shape.batch, h))
        for n, layer in enumerate(params["layers"]):
            _, x = jax.lax.scan(lambda s, x, w=layer: lstm(w, s, x), (zero, zero), x)
            if shape.dropout:
                at = jax.random.fold_in(key, n)
                keep = jax.random.bernoulli(at, 1 - shape.dropout, x.shape)
                x = jnp.where(keep, x / (1 - shape.dropout), 0)
        return mean_loss(x @ params["head"], targets.T)

    return optax_steps(shape, {"layers": layers, "head": head}, loss)


def torch_steps(shape: Shape, *, compiled: bool = False) -> Steps:
    """Returns steps of torch.nn.LSTM; on CUDA it uses cuDNN."""
    import torch

    device = torch_device()
    set_torch_precision(shape.dtype)
    lstm = torch.nn.LSTM(
        shape.symbols, shape.features, shape.layers, dropout=shape.dropout
    )
    net = torch.nn.ModuleDict(
        {
            "lstm": lstm,
            "drop": torch.nn.Dropout(shape.dropout),
            "head": torch.nn.Linear(shape.features, shape.symbols),
        }
    ).to(device)
    weights = list(net.parameters())
    optimizer = torch.optim.Adam(weights, lr=2e-3)
    window = make_text(shape)[: shape.batch * (shape.length + 1)]
    window = torch.from_numpy(window.reshape(-1, shape.batch).astype(np.int64))
    window = window.to(device)
    one_hot = torch.nn.functional.one_hot(window[:-1], shape.symbols).float()
    narrow = shape.dtype == "bfloat16"

    def loss():
        with torch.autocast(device, torch.bfloat16, enabled=narrow):
            logits = net["head"](net["drop"](net["lstm"](one_hot)[0]))
        return torch.nn.functional.cross_entropy(
            logits.flatten(0, 1).float(), window[1:].flatten()
        )

    forward = torch.compile(loss) if compiled else loss

    def steps(count):
        for _ in range(count):
            optimizer.zero_grad()
            forward().backward()
            torch.nn.utils.clip_grad_value_(weights, 5.0)
            optimizer.step()
        if device == "cuda":
            torch.cuda.synchronize()

    return steps


def set_torch_precision(dtype: str) -> None:
    """Lets PyTorch use TF32 on a GPU if and only if dtype is "tf32"."""
    import torch

    tf32 = dtype == "tf32"
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = tf32


def torch_device() -> str:
    """Returns "cuda" if JAX and PyTorch both have a GPU, else "cpu"."""
    import torch

    on_gpu = jax.default_backend() == "gpu" and torch.cuda.is_available()
    return "cuda" if on_gpu else "cpu"
