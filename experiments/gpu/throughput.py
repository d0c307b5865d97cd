"""Measures how fast charlm samples, one text and 64 at once, and how fast it scores."""

import statistics
import time

from experiments.gpu.stage import Job

TURNS = 3
DTYPES = ("float32", "tf32")
TEXTS = (1, 64)


def run(job: Job) -> None:
    from charlm.model.jax_setup import configure_jax
    from experiments.speed.inference import charlm_sampling, charlm_scoring

    configure_jax()
    plan = job.plan
    for dtype in DTYPES:
        shape = plan.make_shape(plan.profile_shape, dtype)
        for texts in TEXTS:
            sampling = shape._replace(batch=texts, length=plan.sampling_length)
            rate = texts * sampling.length / measure_seconds(charlm_sampling(sampling))
            job.report(sampled_texts=texts, dtype=dtype, chars_per_second=round(rate))
        characters = shape.batch * shape.length * plan.scoring_windows
        score = charlm_scoring(shape, plan.scoring_windows)
        rate = characters / measure_seconds(score)
        job.report(scored_chars=characters, dtype=dtype, chars_per_second=round(rate))


def measure_seconds(function) -> float:
    """Returns the median seconds of three turns, after one that compiles."""
    function()
    turns = []
    for _ in range(TURNS):
        start = time.perf_counter()
        function()
        turns.append(time.perf_counter() - start)
    return statistics.median(turns)
