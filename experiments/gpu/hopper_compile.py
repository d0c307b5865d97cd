"""python -m experiments.gpu.hopper_compile: registers, spills and shared memory.

Compiles the Hopper kernels for a described H100, which needs no GPU, but JAX 0.11 (on
Python 3.12 or later) and its plugin: pip install jax==0.11.2 jax-cuda13-plugin==0.11.2.
"""

import os
import re
import subprocess
import sys

WIDTHS = (128, 256, 512)
LENGTH, TILES = 100, 7  # 100 streams


def find_missing() -> str:
    """Returns "" if the kernels can be compiled here, else what is missing."""
    import jax

    from experiments.accelerators import targets

    if jax.__version_info__ < (0, 11):
        return f"the kernels are written for JAX 0.11, and this is {jax.__version__}"
    return targets.find_compiler("h100")


def compile_kernel(name: str, hidden: int) -> None:
    """Compiles a kernel; ptxas says on standard output what it found."""
    import jax
    import jax.numpy as jnp
    from jax.sharding import NamedSharding, PartitionSpec

    from experiments.accelerators import targets
    from experiments.gpu import hopper_kernels
    from experiments.gpu.hopper_packing import KEPT, STREAMS, UNITS, get_cluster_size

    everywhere = NamedSharding(targets.make_mesh("h100"), PartitionSpec())

    def array(*shape, dtype=jnp.float32):
        return jax.ShapeDtypeStruct(shape, dtype, sharding=everywhere)

    size, block, narrow = get_cluster_size(hidden), (UNITS, STREAMS), jnp.bfloat16
    state, steps = (TILES, size, *block), (LENGTH, TILES, size)
    if name == "forward":
        weights = array(size, size, 4 * UNITS, UNITS, dtype=narrow)
        first_h = array(*state, dtype=narrow)
        arrays = (array(*steps, 4, *block), weights, first_h, array(*state))
        kernel = hopper_kernels.forward_kernel
    else:
        weights = array(size, hidden, 4 * UNITS, dtype=narrow)
        kept, d_hs = array(*steps, KEPT, *block), array(LENGTH, *state)
        arrays = (kept, d_hs, weights, array(*state), array(*state))
        kernel = hopper_kernels.backward_kernel
    traced = jax.jit(kernel).trace(*arrays)
    traced.lower(lowering_platforms=("cuda",)).compile()


def main() -> None:
    from experiments.gpu.hopper_packing import SHARED_MEMORY, get_shared_memory

    missing = find_missing()
    if missing:
        sys.exit(f"error: {missing}; see the head of experiments/gpu/hopper_compile.py")
    environment = {**os.environ, "MOSAIC_GPU_DUMP_PTXAS": "1", "JAX_PLATFORMS": "cpu"}
    for hidden in WIDTHS:
        for name in ("forward", "backward"):
            command = [sys.executable, "-m", "experiments.gpu.hopper_compile"]
            done = subprocess.run(
                [*command, name, str(hidden)],
                env=environment,
                capture_output=True,
                text=True,
            )
            said = done.stdout + done.stderr
            used = re.search(r"Used (\d+) registers", said)
            if done.returncode or not used:
                sys.exit(f"error: {name} at {hidden} does not compile:\n{said[-2000:]}")
            spilled = re.search(r"(\d+) bytes spill stores", said)
            memory = get_shared_memory(hidden)[name]
            print(
                f"{name:9}h {hidden:3}: {used[1]:>3} registers,"
                f" {spilled[1] if spilled else 0:>3} bytes spilled,"
                f" {memory:,} bytes of shared memory of {SHARED_MEMORY:,}",
                flush=True,
            )


if __name__ == "__main__":
    compile_kernel(sys.argv[1], int(sys.argv[2])) if len(sys.argv) > 2 else main()
