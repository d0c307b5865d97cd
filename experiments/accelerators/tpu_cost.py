"""Compile charlm's training step for a TPU v5e that is not here, and count its cycles.

    pip install 'jax[tpu]==0.10.2'
    PYTHONPATH=src python experiments/accelerators/tpu_cost.py --layers=2 --features=512

libtpu compiles ahead of time without a chip and writes each kernel's schedule. A
bundle of instructions takes a cycle. Counted are the bundles, those of a loop as often
as it runs, and the bytes that a kernel moves to and from main memory. A kernel with a
loop moves while it computes: it takes the longer of the two. One without waits for what
it moves: it takes the sum. Not counted: stalls, the latency of a transfer, and copies
beside the kernels ("asynchronous"), of which the bytes alone are printed.
"""

import argparse
import collections
import math
import os
import re
import tempfile
from pathlib import Path
from typing import NamedTuple

# A v5e: 197 TFLOP/s of bfloat16 and 819 GB/s (cloud.google.com/tpu/docs/v5e); its four
# MXUs of 128 x 128 cells multiply and add once a cycle, so that its clock is known.
CLOCK = 197e12 / (4 * 128 * 128 * 2)
BYTES_PER_CYCLE = 819e9 / CLOCK
PIPELINE = 2  # turns of a loop that only move what the first reads or the last writes
VMEM = 96 * 2**20  # bytes of fast memory that a kernel may take, of 128 MiB
GRANULE = 32  # bytes in which schedules count what is moved
SMALL = 1000  # cycles: kernels below that are not listed
FREE = {"parameter", "constant", "tuple", "get-tuple-element", "bitcast", "after-all"}
ASYNC = {"copy-start", "slice-start", "dynamic-slice-start", "async-start"}


class Cost(NamedTuple):
    """Of one kernel, or of all in a loop: cycles, of which bundles; bytes moved."""

    cycles: float = 0
    bundles: float = 0
    moved: float = 0

    def __add__(self, other):
        return Cost(*(a + b for a, b in zip(self, other, strict=True)))

    def times(self, count):
        return Cost(*(count * x for x in self))


def read_schedule(text: str) -> Cost:
    """Return the cost of a kernel from its `final_bundles` text."""
    counts: dict[bool, list[float]] = {False: [0, 0], True: [0, 0]}
    runs = 1
    for line in text.splitlines():
        bundle = re.match(r" *(?:0x[0-9a-f]+|0) +(?:[A-Z]+)?: +(>?)", line)
        if not bundle:
            continue
        looped = bool(bundle[1])
        counts[looped][0] += 1
        for granules in re.findall(r"dma\.(?:hbm|vmem)_to.*?granules=\*/(\d+)", line):
            counts[looped][1] += GRANULE * int(granules)
        end = re.search(r"scmp\.ge\.s32\.totalorder \S+ (\d+) /\* loop exit test", line)
        if end:
            runs = int(end[1]) - PIPELINE
    bundles, moved = (a + runs * b for a, b in zip(*counts.values(), strict=True))
    waits = moved / BYTES_PER_CYCLE
    return Cost(max(bundles, waits) if runs > 1 else bundles + waits, bundles, moved)


def read_schedules(folder: Path) -> dict[str, Cost]:
    """Return the cost of each kernel that libtpu wrote to a folder, by its name."""
    costs = {}
    for path in folder.glob("*final_bundles.txt"):
        name = re.match(r"\d+-(.+)-\d+-final_bundles", path.name)
        if name:
            costs[name[1]] = read_schedule(path.read_text())
    for path in folder.glob("*deduplication-map.txt"):
        for group in path.read_text().split("key:")[1:]:
            key, _, _, *same = (line.strip() for line in group.splitlines())
            costs.update({name: costs[key] for name in same if key in costs})
    return costs


def read_computations(text: str) -> dict[str, list[tuple[str, str, str]]]:
    """Return (name, kind, line) of the operations of each computation of a program."""
    computations = {}
    for part in text.split("\n\n"):
        head, *lines = part.strip().split("\n")
        title = re.match(r"(?:ENTRY )?%([\w.\-]+) \(", head)
        if not title:
            continue
        operations = computations[title[1]] = []
        for line in lines:
            plain = re.sub(r"\{[^{}]*\}", "", line)
            found = re.match(r" +(?:ROOT )?%([\w.\-]+) = .*? ([a-z][\w\-]*)\(", plain)
            if found:
                operations.append((found[1], found[2], line))
    return computations


class Program:
    """A compiled program and its schedules."""

    def __init__(self, text: str, schedules: dict[str, Cost]):
        self.computations = read_computations(text)
        self.schedules = schedules

    def get_cost(self, computation: str, report: list[str], depth: int = 0) -> Cost:
        """Return the cost of a computation once through; add lines to the report."""
        total, kinds, background = Cost(), collections.Counter(), 0.0
        for name, kind, line in self.computations[computation]:
            if kind in FREE:
                continue
            if kind == "while":
                total += self.get_loop_cost(line, report, depth + 1)
            elif kind in ASYNC:
                background += count_bytes(line)
            elif name in self.schedules:
                cost = self.get_kernel_cost(
                    name, kind, line, self.computations[computation]
                )
                total += cost
                kinds[kind] += 1
                if cost.cycles > SMALL or kind in {"copy", "concatenate"}:
                    report.append("  " * (depth + 1) + show(name, cost))
        kernels = ", ".join(f"{count} {kind}" for kind, count in kinds.items())
        extra = f"; asynchronous: {background / 1e6:.1f} MB" if background else ""
        report.append("  " * depth + show(f"once: {kernels}", total) + extra)
        return total

    def get_kernel_cost(self, name, kind, line, operations) -> Cost:
        """Return a kernel's cost; a Pallas kernel moves each of its arrays once."""
        cost = self.schedules[name]
        if kind != "custom-call":
            return cost
        lines = {name: line for name, _, line in operations}
        call = line.split("custom_call_target")[0]
        results, operands = call.split(" custom-call(")
        arrays = [results, *(lines[x] for x in re.findall(r"%([\w.\-]+)", operands))]
        moved = sum(count_bytes_outside(x.split(" = ")[1]) for x in arrays)
        return Cost(max(cost.bundles, moved / BYTES_PER_CYCLE), cost.bundles, moved)

    def get_loop_cost(self, line, report, depth) -> Cost:
        body, condition = (
            re.search(rf"{key}=%([\w.\-]+)", line)[1] for key in ("body", "condition")
        )
        bounds = re.findall(
            r"constant\((\d+)\)", "".join(x for *_, x in self.computations[condition])
        )
        runs = int(bounds[0]) if bounds else 1
        place = re.search(r'op_name="([^"]*)"', line)
        report.append("  " * depth + f"loop of {runs}: {place[1] if place else ''}")
        return self.get_cost(body, report, depth).times(runs)


def count_bytes(line: str) -> float:
    """Return the bytes of the first array of an asynchronous copy's result."""
    return get_size(*re.search(r"\(\(?(\w+)\[([\d,]*)\]", line).groups())


def count_bytes_outside(result: str) -> float:
    """Return the bytes of an operation's results that lie in main memory."""
    shapes = re.match(r"\([^()]*(?:\([^()]*\)[^()]*)*\)|\S+", result)[0]
    found = re.findall(r"(\w+)\[([\d,]*)\](\{[^{}]*\})?", shapes)
    return sum(get_size(*shape) for *shape, layout in found if "S(1)" not in layout)


def get_size(dtype: str, shape: str) -> float:
    """Return the bytes of an array, its last two axes padded to tiles of 8 by 128."""
    size = {"pred": 1, "u8": 1, "s8": 1, "bf16": 2}.get(dtype, 4)
    axes = [int(n) for n in shape.split(",") if n]
    for axis, tile in zip(reversed(axes), (128, 8), strict=False):
        size *= -(-axis // tile) * tile
    return size * math.prod(axes[:-2])


def show(name: str, cost: Cost) -> str:
    return (
        f"{name}: {cost.cycles:,.0f} cycles ({cost.bundles:,.0f} bundles, "
        f"{cost.moved / 1e6:.2f} MB)"
    )


def compile_train_steps(config: argparse.Namespace):
    """Return the compiled program of charlm's training steps on one chip."""
    import jax
    import numpy as np
    from jax.experimental import topologies
    from jax.sharding import AxisType, Mesh

    import charlm
    from charlm.model import devices, tpu
    from charlm.text.streams import Streams
    from charlm.training import step

    batch, length = config.batch, config.length
    lm = charlm.make_language_model(
        vocab_size=config.vocab,
        layers=config.layers,
        features=config.features,
        dropout=config.dropout,
        dtype=config.dtype,
    )
    optimizer = charlm.make_optimizer(learning_rate=2e-3)
    ids = np.zeros(batch * length * 20, np.uint8)
    streams = Streams(ids, batch_size=batch, seq_length=length, reset_probability=0.02)
    topology = topologies.get_topology_desc(platform="tpu", topology_name="v5e:2x2")
    chip = np.array(topology.devices[:1])
    mesh = Mesh(chip, (devices.AXIS,), axis_types=(AxisType.Auto,))

    def place(tree, sharding):
        def one(x):
            return jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=sharding)

        return jax.tree.map(one, tree)

    state = jax.eval_shape(lambda: step.init_state(lm, optimizer, batch_size=batch))
    state = step.TrainState(*map(place, state, step.shardings_of(mesh)))
    text, count = (
        place(jax.ShapeDtypeStruct(shape, dtype), devices.whole(mesh))
        for shape, dtype in (((len(streams.ids),), np.uint8), ((), np.int32))
    )
    train_steps = step.make_train_steps(
        step.make_train_step(lm, optimizer),
        lambda text, now, _: streams.cut(text, now),
        mesh,
    )
    # charlm asks while it is traced.
    jax.default_backend, tpu.get_vmem = lambda: "tpu", lambda: VMEM
    traced = train_steps.trace(state, text, count)
    return traced.lower(lowering_platforms=("tpu",)).compile()


def main():
    parser = argparse.ArgumentParser(description="cycles of a training step on a v5e")
    for name, default in (
        ("layers", 2),
        ("features", 512),
        ("batch", 100),
        ("length", 100),
        ("vocab", 96),
    ):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--dropout", type=float, default=0.5)
    parser.add_argument("--dtype", default="bfloat16")
    with tempfile.TemporaryDirectory() as folder:
        os.environ["TPU_SKIP_MDS_QUERY"] = "1"
        os.environ["JAX_PLATFORMS"] = "cpu"
        os.environ["LIBTPU_INIT_ARGS"] = (
            f"--xla_jf_dump_to={folder} --xla_jf_dump_llo_text=true "
            "--xla_jf_dump_llo_pass_label_regex=.*(final.bundles|deduplication).*"
        )
        compiled = compile_train_steps(parser.parse_args())
        program = Program(compiled.as_text(), read_schedules(Path(folder)))
    report: list[str] = []
    entry = next(x for x in program.computations if x.startswith("main"))
    cost = program.get_cost(entry, report)
    print("\n".join(report))
    print(f"{show('a training step', cost)}: {1e3 * cost.cycles / CLOCK:.2f} ms")


if __name__ == "__main__":
    main()
