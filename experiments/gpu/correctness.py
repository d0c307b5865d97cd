"""Checks the values and all gradients of cuDNN's path and of the scan.

The reference is float64. The model runs under jit, where XLA chooses layouts: two
layers, dropout, a window whose length differs from the batch, and a carry that is
handed on twice. One process computes by cuDNN, and one beside it by the scan. Without
an NVIDIA GPU both compute by the scan.
"""

import os
import subprocess
import sys
from typing import Any

from experiments.gpu.stage import Job, Result, parse_job, read_results

LAYERS, VOCAB_SIZE, DROPOUT = 2, 29, 0.5
LENGTH, BATCH, WINDOWS = 37, 24, 3
# Of relative errors, by the type of products. A model that confuses batch and time has
# an error of 1. tests/test_gpu_run.py simulates TF32.
BOUNDS = {"float32": 1e-4, "tf32": 1e-2, "bfloat16": 2e-2}
# The predicted errors. One between the two is reported and disables no path.
PREDICTIONS = {"float32": 1e-5, "tf32": 2e-3, "bfloat16": 1e-2}
DTYPES = ("float32", "tf32")  # in which each path is checked
PATHS = {"cudnn": "1", "scan": "0"}  # with the value of CHARLM_CUDNN
WITHOUT_PINS = "cudnn without pins"
Errors = dict[str, tuple[float, str]]  # of "value" and "gradient", with its leaf


def run(job: Job) -> None:
    processes = {
        path: subprocess.Popen(
            job.make_command("correctness", path),
            env={**os.environ, "CHARLM_CUDNN": switch},
        )
        for path, switch in PATHS.items()
    }
    codes = {path: process.wait() for path, process in processes.items()}
    results = [r for r in read_results(job.output) if "gradient_error" in r]
    verdicts = {
        f"{path}_right": not codes[path]
        and all(result["right"] for result in results if result["path"] == path)
        for path in PATHS
    }
    job.report(**verdicts)
    # The fault without the pins, for the record. Its end decides nothing.
    command = job.make_command("correctness", WITHOUT_PINS)
    subprocess.run(command, env={**os.environ, "CHARLM_CUDNN": "1"}, check=False)


def check_path(job: Job, path: str) -> None:
    """Reports the errors of a path, at each width and precision."""
    from charlm.model.jax_setup import configure_jax
    from experiments.accelerators.fixes import PINS, without_fixes

    configure_jax()
    # Without dropout both layers are one call of cuDNN.
    case = {"width": job.plan.widths[-1], "dtype": "float32", "dropout": 0.0}
    with without_fixes(*([PINS] if path == WITHOUT_PINS else [])):
        job.report(path=path, **case, **compare(**case))
    if path == WITHOUT_PINS:
        return
    for width in job.plan.widths:
        for dtype in DTYPES:
            case = {"width": width, "dtype": dtype, "dropout": DROPOUT}
            job.report(path=path, **case, **compare(**case))


def compare(width: int, dtype: str, dropout: float, cell: Any = "lstm") -> Result:
    """Returns the errors of a model, and the layouts of its calls of cuDNN.

    Args:
      width: of both layers.
      dtype: of products, one of BOUNDS.
      dropout: of each layer's output.
      cell: an LSTM.
    """
    import jax

    from charlm import make_language_model
    from experiments.arithmetic import get_arithmetic
    from experiments.gpu.reference import (
        draw_ids,
        draw_mask,
        get_error,
        make_reference,
    )

    lm = make_language_model(
        vocab_size=VOCAB_SIZE,
        cell=cell,
        layers=LAYERS,
        features=width,
        dropout=dropout,
        initializer="torch_rnn",
        **get_arithmetic(dtype),
    )
    params, reference = lm.init(jax.random.key(1)), make_reference(LAYERS, dropout)
    weights = jax.tree.map(
        lambda x: jax.random.normal(jax.random.key(2), x.shape),
        lm.initial_carry(BATCH),
    )
    step, carry = make_step(lm), lm.initial_carry(BATCH)
    ids = draw_ids(VOCAB_SIZE, LENGTH, BATCH, 0)
    program = step.lower(params, carry, ids, jax.random.key(0), weights).compile()
    reference_carry = carry
    errors: Errors = {"value": (0.0, ""), "gradient": (0.0, "")}
    for n in range(WINDOWS):
        ids, key = draw_ids(VOCAB_SIZE, LENGTH, BATCH, n), jax.random.key(n)
        actual, gradients = program(params, carry, ids, key, weights)
        masks = [
            draw_mask(dropout, jax.random.fold_in(key, layer), (LENGTH, BATCH, width))
            for layer in range(LAYERS)
        ]
        expected, expected_gradients = reference(
            params, reference_carry, ids, masks, weights
        )
        value_error = get_error(actual, expected)
        gradient_error = get_error(gradients, expected_gradients)
        errors["value"] = max(errors["value"], value_error)
        errors["gradient"] = max(errors["gradient"], gradient_error)
        carry, reference_carry = (aux[0] for _, aux in (actual, expected))
    return judge(errors, program.as_text(), dtype)


def make_step(lm) -> Any:
    """Returns (params, carry, ids, key, weights) -> ((loss, aux), gradients), jitted.

    The loss is the mean of nats per character and of the weighted states after the
    window; aux is (carry, logits); the gradients are of the parameters and the carry.
    """
    import jax

    from charlm.training.step import nats_per_char
    from experiments.gpu.reference import add_weighted_states

    def compute_loss(params, carry, ids, key, weights):
        carry, logits = lm.unroll(params, carry, ids[:-1], key)
        nats = nats_per_char(logits, ids[1:])
        return add_weighted_states(nats, carry, weights), (carry, logits)

    return jax.jit(jax.value_and_grad(compute_loss, (0, 1), has_aux=True))


def judge(errors: Errors, program: str, dtype: str) -> Result:
    """Returns the errors, the layouts, and whether all is right.

    Args:
      errors: the largest ones.
      program: the text of the compiled program.
      dtype: of products.
    """
    from experiments.accelerators.layouts import count_calls, count_wrong_calls

    calls, wrong_calls = count_calls(program), count_wrong_calls(program)
    (value, _), (gradient, leaf) = errors["value"], errors["gradient"]
    error = max(value, gradient)
    return {
        "by": "cuDNN" if calls else "scan",
        "value_error": value,
        "gradient_error": gradient,
        "leaf": leaf,
        "cudnn_calls": calls,
        "wrong_layouts": wrong_calls,
        "as_predicted": error < PREDICTIONS[dtype],
        "right": error < BOUNDS[dtype] and not wrong_calls,
    }


if __name__ == "__main__":
    check_path(parse_job(sys.argv[1]), sys.argv[2])
