"""The arithmetic of matrix products that experiments compare, by its short name."""

from typing import Any


def get_arithmetic(dtype: str) -> dict[str, Any]:
    """Returns the options dtype and precision of a model.

    Args:
      dtype: "float32", "bfloat16", "auto", or "tf32": float32 of that precision.
    """
    if dtype == "tf32":
        return {"dtype": "float32", "precision": "tf32"}
    return {"dtype": dtype, "precision": "highest"}
