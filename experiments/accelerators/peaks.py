"""Computes a chip's best time of a step: the products of the step over its peak.

Peaks are of dense products, from the makers' data sheets: NVIDIA H100 SXM; Google TPU
v5e (cloud.google.com/tpu/docs/v5e). A TPU computes a product of float32 in six passes
of bfloat16, and one of "tf32" in three (docs of jax.lax.Precision).
"""

from typing import Any

from experiments.accelerators.programs import SYMBOLS, Size

# FLOP a second, by target and by Size.dtype.
PEAKS = {
    "h100": {"float32": 67e12, "tf32": 494e12, "bfloat16": 989e12},
    "tpu-v5e": {"float32": 197e12 / 6, "tf32": 197e12 / 3, "bfloat16": 197e12},
}


def count_training_flops(size: Size) -> float:
    """Returns the floating-point operations of the products of a training step.

    Each matrix is used three times: forward, for the gradient of its input, and for its
    own. The one-hot inputs of the first layer are rows of a table, and no product.
    """
    rows, h = size.batch * size.length, size.features
    weights = size.layers * h * 4 * h + (size.layers - 1) * h * 4 * h + h * SYMBOLS
    return 3 * 2 * rows * weights


def get_bounds(sizes: dict[str, Size], target: str) -> list[dict[str, Any]]:
    """Returns rows with the products of a step and their milliseconds at the peak.

    Args:
      sizes: by name.
      target: of PEAKS.
    """
    rows = []
    for name, size in sizes.items():
        flops = count_training_flops(size)
        bounds = {dtype: 1e3 * flops / peak for dtype, peak in PEAKS[target].items()}
        steps = 2 * size.layers * size.length
        rows.append(
            {"size": name, "gflop": flops / 1e9, **bounds, "dependent_steps": steps}
        )
    return rows
