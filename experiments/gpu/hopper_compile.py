"""python -m experiments.gpu.hopper_compile [--length=100]

Compiles the Hopper kernels for a described H100, and prints their registers, spills and
shared memory. It needs no GPU, but JAX 0.11 (Python 3.12 or later) and its compiler:
pip install jax==0.11.2 jax-cuda13-plugin==0.11.2. With --kernel and --width it compiles
one kernel in this process.
"""

import argparse
import os
import re
import subprocess
import sys

KERNELS, WIDTHS = ("forward", "backward"), (128, 256, 512)
TILES = 7  # 100 streams


def find_missing() -> str:
    """Returns "" if the kernels can be compiled here, else what is missing."""
    import jax

    from experiments.accelerators import targets

    if jax.__version_info__ < (0, 11):
        return f"the kernels are written for JAX 0.11, and this is {jax.__version__}"
    return targets.find_compiler("h100")


def compile_kernel(name: str, width: int, length: int) -> None:
    """Compiles a kernel; ptxas prints its registers and spills.

    Args:
      name: of KERNELS.
      width: of the layer.
      length: steps of a window.
    """
    import jax
    import jax.numpy as jnp
    from jax.sharding import NamedSharding, PartitionSpec

    from experiments.accelerators import targets
    from experiments.gpu import hopper_kernels
    from experiments.gpu.hopper_packing import (
        RESIDUALS,
        STREAMS,
        UNITS,
        get_cluster_size,
    )

    everywhere = NamedSharding(targets.make_mesh("h100"), PartitionSpec())

    def array(*shape, dtype=jnp.float32):
        return jax.ShapeDtypeStruct(shape, dtype, sharding=everywhere)

    size, block, narrow = get_cluster_size(width), (UNITS, STREAMS), jnp.bfloat16
    state, steps = (TILES, size, *block), (length, TILES, size)
    if name == "forward":
        weights = array(size, size, 4 * UNITS, UNITS, dtype=narrow)
        first_h = array(*state, dtype=narrow)
        arrays = (array(*steps, 4, *block), weights, first_h, array(*state))
        kernel = hopper_kernels.forward_kernel
    else:
        weights = array(size, width, 4 * UNITS, dtype=narrow)
        residuals, d_hs = array(*steps, RESIDUALS, *block), array(length, *state)
        arrays = (residuals, d_hs, weights, array(*state), array(*state))
        kernel = hopper_kernels.backward_kernel
    traced = jax.jit(kernel).trace(*arrays)
    traced.lower(lowering_platforms=("cuda",)).compile()


def describe_kernel(name: str, width: int, length: int) -> str:
    """Returns a line about a kernel, compiled in a process of its own."""
    from experiments.gpu.hopper_packing import SHARED_MEMORY, get_shared_memory

    command = [sys.executable, "-m", "experiments.gpu.hopper_compile"]
    command += [f"--kernel={name}", f"--width={width}", f"--length={length}"]
    process = subprocess.run(
        command,
        env={**os.environ, "MOSAIC_GPU_DUMP_PTXAS": "1", "JAX_PLATFORMS": "cpu"},
        capture_output=True,
        text=True,
    )
    text = process.stdout + process.stderr
    registers = re.search(r"Used (\d+) registers", text)
    if process.returncode or not registers:
        sys.exit(f"error: {name} at {width} does not compile:\n{text[-2000:]}")
    spills = re.search(r"(\d+) bytes spill stores", text)
    memory = get_shared_memory(width)[name]
    return (
        f"{name:9}h {width:3}: {registers[1]:>3} registers,"
        f" {spills[1] if spills else 0:>3} bytes spilled,"
        f" {memory:,} bytes of shared memory of {SHARED_MEMORY:,}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--length", type=int, default=100, help="steps of a window")
    parser.add_argument("--kernel", choices=KERNELS)
    parser.add_argument("--width", type=int, choices=WIDTHS, default=WIDTHS[0])
    arguments = parser.parse_args()
    missing = find_missing()
    if missing:
        sys.exit(f"error: {missing}; see the head of experiments/gpu/hopper_compile.py")
    if arguments.kernel:
        return compile_kernel(arguments.kernel, arguments.width, arguments.length)
    for width in WIDTHS:
        for name in KERNELS:
            print(describe_kernel(name, width, arguments.length), flush=True)


if __name__ == "__main__":
    main()
