"""The floor: the matrix products of a step, of its own shapes, and nothing else.

Each shape is timed in JAX and, where it is installed, in torch; the faster one counts.
A product that waits for the one before it, in the loop over time, is timed in a loop.
"""

import time
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np

from charlm.model.lm import with_matmul_precision
from experiments.speed.peers import Shape, set_torch_precision, torch_device

Product = tuple[int, int, int, int]  # m, k, n, and how many in a row


def products_of_training(shape: Shape) -> list[Product]:
    """The products of a training step: three for each use of a matrix.

    The first layer's input is one-hot: a look-up, no product.
    """
    h, rows = shape.features, shape.batch * shape.length
    each = [
        (shape.batch, h, 4 * h, shape.length),  # h wh, each after the one before
        (shape.batch, 4 * h, h, shape.length),  # dz wh^T, likewise
        (h, rows, 4 * h, 1),  # dwh
    ]
    between = [(rows, h, 4 * h, 1), (rows, 4 * h, h, 1), (h, rows, 4 * h, 1)]
    v = shape.symbols
    head = [(rows, h, v, 1), (rows, v, h, 1), (h, rows, v, 1)]
    return each * shape.layers + between * (shape.layers - 1) + head


def products_of_reading(shape: Shape) -> list[Product]:
    """Those of a window read without gradients."""
    h, rows = shape.features, shape.batch * shape.length
    loop = [(shape.batch, h, 4 * h, shape.length)] * shape.layers
    between = [(rows, h, 4 * h, 1)] * (shape.layers - 1)
    return [*loop, *between, (rows, h, shape.symbols, 1)]


def products_of_writing(shape: Shape) -> list[Product]:
    """Those of a character drawn for each of the streams, times shape.length."""
    h, length = shape.features, shape.length
    square = [(shape.batch, h, 4 * h, length)] * (2 * shape.layers - 1)
    return [*square, (shape.batch, h, shape.symbols, length)]


def floor_of(
    products: list[Product], dtype: str = "float32", count: int = 1
) -> Callable[[], float]:
    """() -> ms of the products `count` times, each the faster of JAX's and torch's."""
    kinds = {product: _runners(product, dtype) for product in set(products)}
    for runners in kinds.values():
        for run in runners:
            run()  # compiles

    def measure():
        best = {}
        for product, runners in kinds.items():
            best[product] = min(_timed(run) for run in runners)
        return count * sum(best[product] for product in products)

    return measure


def _timed(run) -> float:
    began = time.perf_counter()
    run()
    return 1000 * (time.perf_counter() - began)


def _runners(product: Product, dtype: str) -> list[Callable]:
    runners = [_in_jax(product, dtype)]
    try:
        runners.append(_in_torch(product, dtype))
    except ImportError:
        pass
    return runners


def _drawn(product) -> tuple[np.ndarray, np.ndarray]:
    """Factors whose product is as large as they are. Constants would run faster."""
    m, k, n, _ = product
    rng = np.random.default_rng(0)
    a = rng.standard_normal((m, k), np.float32)
    return a, rng.standard_normal((k, n), np.float32) / k**0.5


def _in_jax(product, dtype):
    _, k, n, count = product
    narrow = jnp.dtype("bfloat16" if dtype == "bfloat16" else "float32")
    a, b = (jnp.asarray(factor, narrow) for factor in _drawn(product))

    def dot(a, b):
        return jnp.dot(a, b, preferred_element_type=jnp.float32)

    @jax.jit
    @with_matmul_precision(dtype)
    def run(a, b):
        if count == 1:
            return dot(a, b)

        def tick(_, a):  # the next one's input is made of this one's output
            y = dot(a, b).astype(narrow)
            return y[:, :k] if n >= k else jax.lax.dynamic_update_slice(a, y, (0, 0))

        return jax.lax.fori_loop(0, count, tick, a)

    return lambda: jax.block_until_ready(run(a, b))


def _in_torch(product, dtype):
    import torch

    m, _, n, count = product
    set_torch_precision(dtype)
    kind = torch.bfloat16 if dtype == "bfloat16" else torch.float32
    a, b = (
        torch.from_numpy(factor).to(torch_device(), kind) for factor in _drawn(product)
    )
    out = torch.empty(m, n, dtype=kind, device=torch_device())

    def run():
        with torch.inference_mode():
            for _ in range(count):
                torch.mm(a, b, out=out)
            if a.is_cuda:
                torch.cuda.synchronize()

    return run
