"""What a chip could reach at best: the products of a step over its peak.

Peaks are of dense products, from the makers' data sheets: NVIDIA H100 SXM; Google TPU
v5e (cloud.google.com/tpu/docs/v5e). A TPU works out a product of float32 in six passes
of bfloat16, and of "tf32" in three (docs of jax.lax.Precision).
"""

from experiments.accelerators.programs import SYMBOLS, Size

# FLOP a second, by target and by model.dtype.
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


def get_bound_ms(size: Size, target: str) -> float:
    """Returns the milliseconds of those products at the target's peak."""
    return 1e3 * count_training_flops(size) / PEAKS[target][size.dtype]
