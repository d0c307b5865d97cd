"""Checks the LSTM by Hopper kernels.

The reference is that of the correctness stage, in float64. A rehearsal runs the
kernels' emulation.
"""

import functools
from typing import Any

from experiments.gpu.stage import Job

SCAN, KERNELS = "scan", "Hopper kernels"


def run(job: Job) -> None:
    from charlm.model.jax_setup import configure_jax
    from experiments.gpu.correctness import DROPOUT, compare

    configure_jax()
    cells = {SCAN: "lstm", KERNELS: make_hopper_lstm(job.smoke)}
    for width in job.plan.hopper_widths:
        for path, cell in cells.items():
            case = {"width": width, "dtype": "bfloat16", "dropout": DROPOUT}
            job.report(path=path, **case, **compare(**case, cell=cell))
    width = job.plan.hopper_widths[-1]
    job.report(width=width, same_bits_again=is_repeatable(cells[KERNELS], width))


def make_hopper_lstm(smoke: bool) -> Any:
    """Returns the LSTM by the kernels; in a rehearsal, by their emulation."""
    import charlm
    from experiments.gpu import hopper_emulation, hopper_lstm

    if not smoke:
        return charlm.lstm._replace(unroll=hopper_lstm.unroll_lstm_on_hopper)
    loops = hopper_emulation.emulate_forward, hopper_emulation.emulate_backward
    forward, backward = (hopper_emulation.as_jax(loop, seed=0) for loop in loops)
    return charlm.lstm._replace(unroll=hopper_lstm.make_unroll(forward, backward))


def is_repeatable(cell: Any, width: int) -> bool:
    """Returns whether two runs of one program give the same bits.

    Args:
      cell: of the model.
      width: of both layers.
    """
    import jax
    import numpy as np

    from charlm import make_language_model
    from experiments.gpu.correctness import (
        BATCH,
        LAYERS,
        LENGTH,
        VOCAB_SIZE,
        make_step,
    )
    from experiments.gpu.reference import draw_ids

    lm = make_language_model(
        vocab_size=VOCAB_SIZE,
        cell=cell,
        layers=LAYERS,
        features=width,
        dtype="bfloat16",
    )
    carry, ids = lm.initial_carry(BATCH), draw_ids(VOCAB_SIZE, LENGTH, BATCH, 0)
    params, key = lm.init(jax.random.key(1)), jax.random.key(0)
    step = functools.partial(make_step(lm), params, carry, ids, key, carry)
    first, second = (jax.tree.leaves(jax.device_get(step())) for _ in range(2))
    return all(map(np.array_equal, first, second))
