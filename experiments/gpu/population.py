"""Measures the training of several models at once, as one vmapped step.

cuDNN's path has no batching rule, so that all models run by the scan.
"""

import os
import statistics
import time

from experiments.gpu.stage import Job

TURNS, STEPS = 3, 8
DTYPES = ("tf32", "bfloat16")


def run(job: Job) -> None:
    os.environ["CHARLM_CUDNN"] = "0"
    from charlm.model.jax_setup import configure_jax

    configure_jax()
    for dtype in DTYPES:
        alone, together = (
            measure_ms(job, dtype, models) for models in (1, job.plan.population)
        )
        job.report(
            shape=job.plan.profile_shape,
            dtype=dtype,
            models=job.plan.population,
            ms=together,
            ms_of_one=alone,
            ratio=together / alone,
        )


def measure_ms(job: Job, dtype: str, models: int) -> float:
    """Returns the milliseconds of a training step of so many models.

    Args:
      job: has the plan.
      dtype: of products.
      models: how many.
    """
    import jax
    import jax.numpy as jnp
    from jax import lax

    from charlm import Streams, init_state, make_optimizer, make_train_step
    from experiments.speed.peers import make_model, make_text

    shape = job.plan.make_shape(job.plan.profile_shape, dtype)
    lm, optimizer = make_model(shape), make_optimizer(learning_rate=2e-3, name="adam")
    streams = Streams(make_text(shape), shape.batch, shape.length)
    step = jax.vmap(make_train_step(lm, optimizer), (0, None))

    @jax.jit
    def run_steps(states, ids):
        def tick(states, n):
            states, metrics = step(states, streams.device_batch(ids, n))
            return states, metrics.nats_per_char

        return lax.scan(tick, states, jnp.arange(STEPS))

    def make_state(seed):
        return init_state(lm, optimizer, batch_size=shape.batch, seed=seed)

    states, ids = jax.vmap(make_state)(jnp.arange(models)), jnp.asarray(streams.ids)
    turns = []
    for turn in range(1 + TURNS):  # the first one compiles
        start = time.perf_counter()
        states, _ = jax.block_until_ready(run_steps(states, ids))
        turns += [time.perf_counter() - start] if turn else []
    return round(1000 * statistics.median(turns) / STEPS, 4)
