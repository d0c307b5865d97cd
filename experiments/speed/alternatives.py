"""Compares parts of charlm with alternatives: python -m experiments.speed.alternatives

It measures each pair in turn, and prints medians and the alternative's time over ours.
"""

import functools
import statistics
from collections.abc import Callable, Iterator
from typing import NamedTuple
from unittest import mock

import jax
import jax.numpy as jnp
import numpy as np

from charlm import LanguageModel, lstm
from charlm.generation import sampler as charlm_sampler
from charlm.generation.sampler import CHUNK_DRAWN, SamplingParams, make_sampler
from charlm.model import sharding
from charlm.model.dropout import apply_dropout
from charlm.model.fast_step import FastStep
from charlm.model.jax_setup import set_environment
from charlm.model.matmul import (
    matmul_over_time,
    row_gradient_by_matmul,
    row_gradient_by_scatter,
)
from charlm.model.recurrence import unroll_layer
from charlm.model.sharding import count_cores
from experiments.speed.floor import time_call
from experiments.speed.peers import Shape, charlm_program, charlm_steps, make_model

TURNS = 9


class Pair(NamedTuple):
    """A part of charlm, an alternative, and functions that run each of them."""

    part: str
    alternative: str
    run_part: Callable[[], object]
    run_alternative: Callable[[], object]


def get_key():
    """Returns a key; it cannot be a constant, since main configures JAX first."""
    return jax.random.key(0)


def compile_call(function: Callable, *arguments) -> Callable[[], object]:
    """Returns a function that calls the compiled function and waits for its result."""
    compiled = jax.jit(function)
    return lambda: jax.block_until_ready(compiled(*arguments))


def compile_gradients(function: Callable, *arguments) -> Callable[[], object]:
    """Returns `compile_call` of the gradient in two arguments of a sum."""
    return compile_call(
        jax.grad(lambda *inputs: function(*inputs).sum(), (0, 1)), *arguments
    )


def make_layers() -> Iterator[Pair]:
    """Yields a layer forward and backward, with our derivative and with autodiff's."""
    for t, b, h in [(50, 25, 128), (50, 50, 512)]:
        params = {
            "wx": jax.random.normal(get_key(), (h, 4 * h)) / h**0.5,
            "wh": jax.random.normal(get_key(), (h, 4 * h)) / h**0.5,
            "b": jnp.zeros(4 * h),
        }
        xs, state = jax.random.normal(get_key(), (t, b, h)), lstm.initial_state(b, h)

        def scan(params, xs, state=state):
            assert lstm.project and lstm.step_from_projection
            step = functools.partial(lstm.step_from_projection, params)
            return jax.lax.scan(step, state, lstm.project(params, xs))[1]

        def unroll(params, xs, state=state):
            return unroll_layer(lstm, params, state, xs)[1]

        yield Pair(
            f"layer {h}, {t} x {b}",
            "autodiff of its scan",
            compile_gradients(unroll, params, xs),
            compile_gradients(scan, params, xs),
        )


def make_operations() -> Iterator[Pair]:
    """Yields dropout, look-ups and products of a 2 x 512 model, with gradients."""
    xs = jax.random.normal(get_key(), (50, 100, 512))
    w = jax.random.normal(get_key(), (512, 2048)) / 23

    # A product and its gradient read the result of dropout, as in the next layer.
    def drop_by_charlm(xs, w):
        return matmul_over_time(apply_dropout(0.5, get_key(), xs), w)

    def drop_by_bernoulli(xs, w):
        mask = jax.random.bernoulli(get_key(), 0.5, xs.shape)
        return matmul_over_time(jnp.where(mask, xs / 0.5, 0), w)

    yield Pair(
        "dropout into a product",
        "jax.random.bernoulli",
        compile_gradients(drop_by_charlm, xs, w),
        compile_gradients(drop_by_bernoulli, xs, w),
    )
    ids = jax.random.randint(get_key(), (50, 100), 0, 96)
    gradient = jax.random.normal(get_key(), (50, 100, 2048))
    scatter, matmul = (
        compile_call(functools.partial(form, 96), ids, gradient)
        for form in (row_gradient_by_scatter, row_gradient_by_matmul)
    )
    yield Pair("gradient of a look-up", "a product", scatter, matmul)
    ours, autodiff = (
        compile_gradients(lambda x, w, f=f: f(x, w) ** 2, xs, w)
        for f in (matmul_over_time, jnp.dot)
    )
    yield Pair("product of a window", "its gradient by autodiff", ours, autodiff)


def make_steps() -> Iterator[Pair]:
    """Yields whole training steps, on a device for each core and on one device."""
    for layers, h, b, count in [(2, 128, 50, 10), (2, 512, 100, 3)]:
        shape = Shape(layers, h, b, 50, 96)
        many, one = (
            functools.partial(
                charlm_steps(shape, sharding.make_mesh(b, min_rows=rows)), count
            )
            for rows in (sharding.MIN_ROWS, b)
        )
        name = f"{count} steps, {layers}x{h}, a device a core"
        yield Pair(name, "one device", many, one)
    run, state, ids = charlm_program(Shape(1, 32, 8, 20, 65))
    current = [state]

    def dispatch(sizes):
        for size in sizes:
            current[0], metrics = run(current[0], ids, size)
            jax.device_get(metrics)

    yield Pair(
        "64 steps a dispatch, 1x32",
        "one a dispatch",
        lambda: dispatch([64]),
        lambda: dispatch([1] * 64),
    )


def make_sampling() -> Iterator[Pair]:
    """Yields 256 characters of 64 texts, with the fast step and with `step`."""
    for h in (128, 512):
        lm = make_model(Shape(2, h, 64, 1, 96))
        params, keys = lm.init(get_key()), jax.random.split(get_key(), 64)
        sampling = SamplingParams(jnp.float32(1), jnp.int32(0), jnp.float32(1))

        def make_draw(lm, params=params, keys=keys, sampling=sampling):
            sampler = make_sampler(lm)
            weights = sampler.pack_params(params)
            writer = sampler.prefill(params, np.zeros(1, np.int32), 64)
            return lambda: jax.block_until_ready(
                sampler.decode(weights, writer, keys, sampling, CHUNK_DRAWN)
            )

        with_fast_step = make_draw(lm)
        with mock.patch.object(charlm_sampler, "make_fast_step", use_step):
            with_step = make_draw(lm)
        name = f"{CHUNK_DRAWN} characters of 64, 2x{h}"
        yield Pair(name, "step as it is", with_fast_step, with_step)


def use_step(lm: LanguageModel) -> FastStep:
    """Returns the model's `step` in the place of its fast one."""

    def keep(tree):
        return tree

    return FastStep(keep, keep, keep, lm.step)


def make_bfloat16_steps() -> Iterator[Pair]:
    """Yields a training step in bfloat16 and in float32."""
    narrow, wide = (
        functools.partial(charlm_steps(Shape(2, 512, 100, 50, 96, 0.5, dtype)), 1)
        for dtype in ("bfloat16", "float32")
    )
    yield Pair("2x512 step, bfloat16", "float32", narrow, wide)


GROUPS = (make_layers, make_operations, make_steps, make_sampling, make_bfloat16_steps)


def main() -> None:
    set_environment()
    jax.config.update("jax_num_cpu_devices", count_cores())
    head = ("part", "alternative", "ours, ms", "other", "ratio")
    print("{:34}{:28}{:>10}{:>10}{:>8}".format(*head))
    for group in GROUPS:
        for pair in group():
            # The first turn compiles.
            times = [[time_call(run) for run in pair[2:]] for _ in range(TURNS + 1)][1:]
            ours, theirs = map(statistics.median, zip(*times, strict=True))
            ratio = statistics.median(b / a for a, b in times)
            print(
                f"{pair.part:34}{pair.alternative:28}{ours:10.2f}{theirs:10.2f}"
                f"{ratio:8.2f}"
            )


if __name__ == "__main__":
    main()
