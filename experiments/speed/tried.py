"""python -m experiments.speed.tried

What charlm does beside what it does not, piece by piece and in turn: medians, and the
time of the other way over ours.
"""

import functools
import statistics
import time
from collections.abc import Callable, Iterator

import jax
import jax.numpy as jnp
import numpy as np

from charlm import lstm
from charlm.generation.sampler import DRAW, SamplingParams, make_sampler
from charlm.model import sharding
from charlm.model.dropout import drop
from charlm.model.jax_setup import set_environment
from charlm.model.matmul import (
    matmul_over_time,
    row_gradient_by_matmul,
    row_gradient_by_scatter,
)
from charlm.model.recurrence import unroll_layer
from charlm.model.sharding import count_cores
from charlm.training.step import state_shardings
from experiments.speed.peers import Shape, charlm_program, model_of

TURNS = 9
Pair = tuple[str, str, Callable[[], None], Callable[[], None]]


def key():
    """Made when it is asked for: main sets up JAX first."""
    return jax.random.key(0)


def ready(function: Callable, *given) -> Callable[[], None]:
    """() -> None: the compiled function of `given`, waited for."""
    compiled = jax.jit(function)
    return lambda: jax.block_until_ready(compiled(*given))


def layers() -> Iterator[Pair]:
    """A layer forward and backward: our derivative, or autodiff's of the same loop."""
    for t, b, h in [(50, 25, 128), (50, 50, 512)]:
        params = {
            "wx": jax.random.normal(key(), (h, 4 * h)) / h**0.5,
            "wh": jax.random.normal(key(), (h, 4 * h)) / h**0.5,
            "b": jnp.zeros(4 * h),
        }
        xs, state = jax.random.normal(key(), (t, b, h)), lstm.initial_state((b,), h)

        def scanned(params, xs, state=state):
            advance = functools.partial(lstm.advance, params)
            return jax.lax.scan(advance, state, lstm.project(params, xs))[1]

        def ours(params, xs, state=state):
            return unroll_layer(lstm, params, state, xs)[1]

        pair = [
            ready(jax.grad(lambda p, x, f=f: f(p, x).sum(), (0, 1)), params, xs)
            for f in (ours, scanned)
        ]
        yield f"layer {h}, {t} x {b}", "autodiff of its scan", *pair


def pieces() -> Iterator[Pair]:
    """Dropout, look-ups and products, each with its gradient, of a 2 x 512 net."""
    xs = jax.random.normal(key(), (50, 100, 512))

    def bernoulli(xs):
        return jnp.where(jax.random.bernoulli(key(), 0.5, xs.shape), xs / 0.5, 0)

    def dropped(xs):
        return drop(0.5, key(), xs)

    # Its readers are a product and the gradient of one, as in the next layer.
    w = jax.random.normal(key(), (512, 2048)) / 23
    pair = [
        ready(
            jax.grad(lambda x, w, f=f: matmul_over_time(f(x), w).sum(), (0, 1)), xs, w
        )
        for f in (dropped, bernoulli)
    ]
    yield "dropout into a product", "jax.random.bernoulli", *pair

    ids = jax.random.randint(key(), (50, 100), 0, 96)
    gradient = jax.random.normal(key(), (50, 100, 2048))
    pair = [
        ready(lambda ids, g, form=form: form(96, ids, g), ids, gradient)
        for form in (row_gradient_by_scatter, row_gradient_by_matmul)
    ]
    yield "gradient of a look-up", "a product", *pair

    pair = [
        ready(jax.grad(lambda x, w, f=f: (f(x, w) ** 2).sum(), (0, 1)), xs, w)
        for f in (matmul_over_time, jnp.dot)
    ]
    yield "product of a window", "its gradient by autodiff", *pair


def steps() -> Iterator[Pair]:
    """Whole training steps, on as many devices as cores or on one."""
    for layers_, h, b in [(2, 128, 50), (2, 512, 100)]:
        shape, count = Shape(layers_, h, b, 50, 96), 10 if h == 128 else 3

        def run(rows, shape=shape, count=count):
            mesh = sharding.make_mesh(shape.batch, rows=rows)
            steps, state, ids = charlm_program(shape, mesh)
            now = [jax.device_put(state, state_shardings(mesh))]

            def go():
                now[0], metrics = steps(now[0], ids, count)
                jax.block_until_ready((now[0], metrics))

            return go

        name = f"{count} steps, {layers_}x{h}, a device a core"
        yield name, "one device", run(sharding.MIN_ROWS), run(shape.batch)
    shape = Shape(1, 32, 8, 20, 65)
    run, state, ids = charlm_program(shape)
    now = [state]

    def dispatches(sizes):
        for size in sizes:
            now[0], metrics = run(now[0], ids, size)
            jax.device_get(metrics)

    many, single = (lambda: dispatches([64]), lambda: dispatches([1] * 64))
    yield "64 steps a dispatch, 1x32", "one a dispatch", many, single


def writing() -> Iterator[Pair]:
    """256 characters of 64 texts, with the stepper and with `step` as it is."""
    for h in (128, 512):
        lm = model_of(Shape(2, h, 64, 1, 96))
        params, keys = lm.init(key()), jax.random.split(key(), 64)
        sampling = SamplingParams(jnp.float32(1), jnp.int32(0), jnp.float32(1))

        def run(lm, params=params, keys=keys, sampling=sampling):
            sampler = make_sampler(lm)
            weights = sampler.prepare(params)
            writer = sampler.read(params, np.zeros(1, np.int32), 64)
            return lambda: jax.block_until_ready(
                sampler.draw(weights, writer, keys, sampling, DRAW)
            )

        ours, plain = run(lm), run(lm._replace(stepper=None))
        yield f"{DRAW} characters of 64, 2x{h}", "step as it is", ours, plain


def narrow() -> Iterator[Pair]:
    """A training step whose products are of bfloat16, beside float32."""
    runs = []
    for dtype in ("bfloat16", "float32"):
        shape = Shape(2, 512, 100, 50, 96, 0.5, dtype)
        run, state, ids = charlm_program(shape)
        now = [state]

        def go(run=run, now=now, ids=ids):
            now[0], metrics = run(now[0], ids, 1)
            jax.block_until_ready((now[0], metrics))

        runs.append(go)
    yield "2x512 step, bfloat16", "float32", *runs


def main() -> None:
    set_environment()
    jax.config.update("jax_num_cpu_devices", count_cores())
    print(f"{'what':34}{'the other way':28}{'ours, ms':>10}{'other':>10}{'ratio':>8}")
    for group in (layers, pieces, steps, writing, narrow):
        for what, other, *pair in group():
            times = [[_timed(run) for run in pair] for _ in range(TURNS + 1)][1:]
            ours, theirs = map(statistics.median, zip(*times, strict=True))
            ratio = statistics.median(b / a for a, b in times)
            print(f"{what:34}{other:28}{ours:10.2f}{theirs:10.2f}{ratio:8.2f}")


def _timed(run) -> float:
    began = time.perf_counter()
    run()
    return 1000 * (time.perf_counter() - began)


if __name__ == "__main__":
    main()
