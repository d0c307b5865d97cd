"""How fast it writes, one text and 64 at once, and how fast it reads."""

import statistics
import time

from experiments.gpu.stage import Job

TURNS = 3
DTYPES = ("float32", "tf32")
STREAMS = (1, 64)


def run(job: Job) -> None:
    from charlm.model.jax_setup import configure_jax
    from experiments.speed.inference import charlm_sampling, charlm_scoring
    from experiments.speed.peers import Shape

    configure_jax()
    plan = job.plan
    layers, width, batch, length, symbols, *_ = plan.shapes[plan.profiled]
    net = Shape(layers, width, batch, length, symbols)
    for dtype in DTYPES:
        for streams in STREAMS:
            shape = net._replace(batch=streams, length=plan.drawn, dtype=dtype)
            rate = streams * plan.drawn / measure(charlm_sampling(shape))
            job.report(writes=streams, dtype=dtype, chars_per_second=round(rate))
        read = charlm_scoring(net._replace(dtype=dtype), plan.windows)
        characters = batch * length * plan.windows
        rate = characters / measure(read)
        job.report(reads=characters, dtype=dtype, chars_per_second=round(rate))


def measure(run) -> float:
    """Returns seconds, the median of three turns after one that compiles."""
    run()
    turns = []
    for _ in range(TURNS):
        began = time.perf_counter()
        run()
        turns.append(time.perf_counter() - began)
    return statistics.median(turns)
