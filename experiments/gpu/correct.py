"""Is cuDNN's path right? And the scan's? Values and all gradients, against float64.

Under jit, where layouts are XLA's to choose; two layers, dropout, as many steps as no
batch has, and the carry handed on twice. One process computes by cuDNN, and beside it
one by the scan; where there is no NVIDIA GPU both are the scan.
"""

import os
import subprocess
import sys

from experiments.gpu.stage import Job, read_job, read_results

LAYERS, VOCAB_SIZE, DROPOUT = 2, 29, 0.5
LENGTH, BATCH, WINDOWS = 37, 24, 3
# Of relative errors; a net that confuses batch and time errs by 1. TF32, simulated for
# this very check, errs by 7e-4 where the inputs of a product are rounded, and by 6.5e-3
# where they are cut off.
BOUNDS = {"float32": 1e-4, "tf32": 1e-2}
# What was predicted. An error between the two is reported and costs no path.
PREDICTED = {"float32": 1e-5, "tf32": 2e-3}
PATHS = {"cudnn": "1", "scan": "0"}  # by what CHARLM_CUDNN is
WITHOUT_PINS = "cudnn without pins"
PINS = "layouts pinned around cuDNN"  # of experiments.accelerators.mends


def run(job: Job) -> None:
    processes = {
        path: subprocess.Popen(
            job.command("correct", path),
            env={**os.environ, "CHARLM_CUDNN": switch},
        )
        for path, switch in PATHS.items()
    }
    codes = {path: process.wait() for path, process in processes.items()}
    found = [f for f in read_results(job.output) if "gradient_error" in f]
    verdicts = {
        f"{path}_right": not codes[path]
        and all(f["right"] for f in found if f["asked"] == path)
        for path in PATHS
    }
    job.report(**verdicts)
    # The fault itself, for whom it may concern; its end decides nothing.
    command = job.command("correct", WITHOUT_PINS)
    subprocess.run(command, env={**os.environ, "CHARLM_CUDNN": "1"}, check=False)


def check_path(job: Job, path: str) -> None:
    """Reports how far a path is from float64, at each width and precision."""
    from charlm.model.jax_setup import configure_jax
    from experiments.accelerators.mends import without

    configure_jax()
    # Nothing is dropped: both layers are one call of cuDNN.
    case = {"width": job.plan.widths[-1], "dtype": "float32", "dropout": 0.0}
    if path == WITHOUT_PINS:
        with without(PINS):
            job.report(asked=path, **case, **compare(**case))
        return
    job.report(asked=path, **case, **compare(**case))
    for width in job.plan.widths:
        for dtype in BOUNDS:
            case = {"width": width, "dtype": dtype, "dropout": DROPOUT}
            job.report(asked=path, **case, **compare(**case))


def compare(width: int, dtype: str, dropout: float) -> dict:
    """Returns the errors of a net, and the layouts of its cuDNN calls."""
    import jax

    from charlm import make_language_model
    from charlm.model.dropout import drop
    from experiments.gpu.reference import (
        draw_ids,
        draw_masks,
        get_error,
        make_reference,
    )

    lm = make_language_model(
        vocab_size=VOCAB_SIZE,
        layers=LAYERS,
        features=width,
        dropout=dropout,
        initializer="torch_rnn",
        dtype=dtype,
    )
    params, reference = lm.init(jax.random.key(1)), make_reference(LAYERS, dropout)
    weights = jax.tree.map(
        lambda x: jax.random.normal(jax.random.key(2), x.shape),
        lm.initial_carry(BATCH),
    )
    step, ours = make_step(lm), lm.initial_carry(BATCH)
    first = draw_ids(VOCAB_SIZE, LENGTH, BATCH, 0)
    program = step.lower(params, ours, first, jax.random.key(0), weights).compile()
    theirs, worst = ours, {"value": (0.0, ""), "gradient": (0.0, "")}
    for n in range(WINDOWS):
        ids, key = draw_ids(VOCAB_SIZE, LENGTH, BATCH, n), jax.random.key(n)
        (nats, aux), gradients = program(params, ours, ids, key, weights)
        keys = [jax.random.fold_in(key, layer) for layer in range(LAYERS)]
        masks = draw_masks(drop, dropout, keys, (LENGTH, BATCH, width))
        (wanted, aux64), wanted_gradients = reference(
            params, theirs, ids, masks, weights
        )
        value = get_error((nats, aux), (wanted, aux64))
        gradient = get_error(gradients, wanted_gradients)
        worst["value"] = max(worst["value"], value)
        worst["gradient"] = max(worst["gradient"], gradient)
        ours, theirs = aux[0], aux64[0]
    return judge(worst, program.as_text(), dtype)


def make_step(lm):
    """Returns (params, carry, ids, key, weights) -> ((loss, aux), gradients), jitted.

    The loss is the mean of nats per character and of the weighted states after the
    window; aux is (carry, logits); the gradients are of the parameters and the carry.
    """
    import jax

    from charlm.training.losses import nats_per_char
    from experiments.gpu.reference import weigh

    def loss(params, carry, ids, key, weights):
        carry, logits = lm.unroll(params, carry, ids[:-1], key)
        nats = nats_per_char(logits, ids[1:])
        return weigh(nats, carry, weights), (carry, logits)

    return jax.jit(jax.value_and_grad(loss, (0, 1), has_aux=True))


def judge(worst: dict, program: str, dtype: str) -> dict:
    """Returns the errors found, the layouts, and whether all is right."""
    calls = program.count('custom_call_target="cudnn_rnn')
    layouts = check_layouts(program) if calls else "no cuDNN call"
    (value, _), (gradient, leaf) = worst["value"], worst["gradient"]
    error = max(value, gradient)
    return {
        "by": "cuDNN" if calls else "scan",
        "value_error": value,
        "gradient_error": gradient,
        "worst": leaf,
        "cudnn_calls": calls,
        "layouts": layouts,
        "as_predicted": error < PREDICTED[dtype],
        "right": error < BOUNDS[dtype] and layouts != "WRONG",
    }


def check_layouts(program: str) -> str:
    """Returns whether cuDNN's arrays lie in memory as it reads them."""
    from experiments.accelerators.layouts import check

    rows = check(program)
    return "right" if rows and all(row.ok for row in rows) else "WRONG"


if __name__ == "__main__":
    check_path(read_job(sys.argv[1]), sys.argv[2])
