"""python experiments/speed/layer.py

One LSTM layer over a window, forward and backward: charlm's own derivative beside
autodiff's of a scan over the same step, in turn in one run; medians, and the ratio.
"""

import functools
import statistics
import time

import jax
import jax.numpy as jnp

from charlm import lstm
from charlm.model.recurrence import unroll_layer

SHAPES = [(50, 16, 256), (50, 50, 128), (100, 100, 512)]  # t, b, h
TURNS = 7


def by_autodiff(params, state, xs):
    """The same projection of the whole window, and a plain scan over what is left."""
    advance = functools.partial(lstm.advance, params)
    return jax.lax.scan(advance, state, lstm.project(params, xs))


def by_charlm(params, state, xs):
    return unroll_layer(lstm, params, state, xs)


def timed(unroll, t, b, h):
    """() -> milliseconds of the gradients to parameters and inputs."""
    keys = jax.random.split(jax.random.key(0), 3)
    params = {
        "wx": jax.random.normal(keys[0], (h, 4 * h)) / h**0.5,
        "wh": jax.random.normal(keys[1], (h, 4 * h)) / h**0.5,
        "b": jnp.zeros(4 * h),
    }
    xs = jax.random.normal(keys[2], (t, b, h))

    @jax.jit
    def gradients(params, xs):
        def total(params, xs):
            return unroll(params, lstm.initial_state((b,), h), xs)[1].sum()

        return jax.grad(total, argnums=(0, 1))(params, xs)

    def run():
        began = time.perf_counter()
        jax.block_until_ready(gradients(params, xs))
        return 1000 * (time.perf_counter() - began)

    run()  # compiles
    return run


def main() -> None:
    print(f"{'t x b, width':>18}{'autodiff, ms':>14}{'ours, ms':>10}{'ratio':>8}")
    for t, b, h in SHAPES:
        runs = [timed(unroll, t, b, h) for unroll in (by_autodiff, by_charlm)]
        pairs = [[run() for run in runs] for _ in range(TURNS)]
        theirs, ours = map(statistics.median, zip(*pairs, strict=True))
        ratio = statistics.median(a / o for a, o in pairs)
        print(f"{f'{t} x {b}, {h}':>18}{theirs:14.1f}{ours:10.1f}{ratio:8.2f}")


if __name__ == "__main__":
    main()
