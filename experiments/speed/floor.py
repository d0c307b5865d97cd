"""The floor of a case: the time of its matrix products alone.

Each product is timed in JAX and, where it is installed, in PyTorch; the faster time
counts. A product that depends on the one before it, in the loop over time, is timed in
a loop.
"""

import time
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np

from charlm.config import ModelConfig
from charlm.model.lm import matmul_precision
from experiments.arithmetic import get_arithmetic
from experiments.speed.peers import (
    Shape,
    set_torch_precision,
    torch_device,
)

Product = tuple[int, int, int, int]  # m, k, n, and how many in a row


def get_training_products(shape: Shape) -> list[Product]:
    """Returns the products of a training step: three for each use of a matrix.

    The first layer's input is one-hot and takes a look-up, not a product.
    """
    h, rows = shape.features, shape.batch * shape.length
    recurrent = [
        (shape.batch, h, 4 * h, shape.length),  # h wh, one after the other
        (shape.batch, 4 * h, h, shape.length),  # dz wh^T, likewise
        (h, rows, 4 * h, 1),  # dwh
    ]
    between = [(rows, h, 4 * h, 1), (rows, 4 * h, h, 1), (h, rows, 4 * h, 1)]
    v = shape.symbols
    head = [(rows, h, v, 1), (rows, v, h, 1), (h, rows, v, 1)]
    return recurrent * shape.layers + between * (shape.layers - 1) + head


def get_scoring_products(shape: Shape) -> list[Product]:
    """Returns the products of a window that is scored, without gradients."""
    h, rows = shape.features, shape.batch * shape.length
    loop = [(shape.batch, h, 4 * h, shape.length)] * shape.layers
    between = [(rows, h, 4 * h, 1)] * (shape.layers - 1)
    return [*loop, *between, (rows, h, shape.symbols, 1)]


def get_sampling_products(shape: Shape) -> list[Product]:
    """Returns the products of shape.length characters of each stream."""
    h, length = shape.features, shape.length
    square = [(shape.batch, h, 4 * h, length)] * (2 * shape.layers - 1)
    return [*square, (shape.batch, h, shape.symbols, length)]


def make_floor(
    products: list[Product], dtype: str = "float32", count: int = 1
) -> Callable[[], float]:
    """Returns a measure of products.

    Args:
      products: the products of one unit.
      dtype: of their factors; "tf32" is float32 with that precision.
      count: units of a turn.

    Returns:
      () -> milliseconds of all products `count` times, each in the faster library.
    """
    runners = {product: _make_runners(product, dtype) for product in set(products)}
    for libraries in runners.values():
        for run in libraries:
            run()  # compiles

    def measure():
        best = {
            product: min(time_call(run) for run in libraries)
            for product, libraries in runners.items()
        }
        return count * sum(best[product] for product in products)

    return measure


def time_call(function: Callable[[], object]) -> float:
    """Returns the milliseconds of a call."""
    start = time.perf_counter()
    function()
    return 1000 * (time.perf_counter() - start)


def _make_runners(product: Product, dtype: str) -> list[Callable]:
    runners = [_in_jax(product, dtype)]
    try:
        runners.append(_in_torch(product, dtype))
    except ImportError:
        pass
    return runners


def _make_factors(product) -> tuple[np.ndarray, np.ndarray]:
    """Returns factors whose product is as large as they are.

    Products of constants would be faster.
    """
    m, k, n, _ = product
    rng = np.random.default_rng(0)
    a = rng.standard_normal((m, k), np.float32)
    return a, rng.standard_normal((k, n), np.float32) / k**0.5


def _in_jax(product, dtype):
    _, k, n, count = product
    narrow = jnp.dtype("bfloat16" if dtype == "bfloat16" else "float32")
    a, b = (jnp.asarray(factor, narrow) for factor in _make_factors(product))

    def dot(a, b):
        return jnp.dot(a, b, preferred_element_type=jnp.float32)

    @jax.jit
    def run(a, b):
        def advance(_, a):  # the next input depends on this output
            y = dot(a, b).astype(narrow)
            return y[:, :k] if n >= k else jax.lax.dynamic_update_slice(a, y, (0, 0))

        with matmul_precision(ModelConfig(**get_arithmetic(dtype))):
            if count == 1:
                return dot(a, b)
            return jax.lax.fori_loop(0, count, advance, a)

    return lambda: jax.block_until_ready(run(a, b))


def _in_torch(product, dtype):
    import torch

    m, _, n, count = product
    set_torch_precision(dtype)
    torch_dtype = torch.bfloat16 if dtype == "bfloat16" else torch.float32
    a, b = (
        torch.from_numpy(factor).to(torch_device(), torch_dtype)
        for factor in _make_factors(product)
    )
    out = torch.empty(m, n, dtype=torch_dtype, device=torch_device())

    def run():
        with torch.inference_mode():
            for _ in range(count):
                torch.mm(a, b, out=out)
            if a.is_cuda:
                torch.cuda.synchronize()

    return run
