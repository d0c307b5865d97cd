"""The cases: who takes part in each, and what a turn of theirs measures."""

import functools
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from experiments.speed.floor import (
    floor_of,
    products_of_reading,
    products_of_training,
    products_of_writing,
)
from experiments.speed.peers import (
    Shape,
    charlm_steps,
    flax_steps,
    textbook_steps,
    torch_steps,
)
from experiments.speed.whole import compile_ms, start_ms, torch_start_ms
from experiments.speed.writing import (
    charlm_reads,
    charlm_writes,
    torch_reads,
    torch_writes,
)

Measure = Callable[[], float]
OURS = "charlm"
WINDOWS = 5  # of every stream, in a text to score


class Case(NamedTuple):
    """Functions that make a measure: () -> milliseconds of `per` units.

    Attributes:
      contenders: by name, charlm among them.
      per: steps, characters of every stream or windows in a measure.
    """

    contenders: dict[str, Callable[[], Measure]]
    per: int = 1


# name: the shape, and the steps of a turn: as many as `fit` has in a dispatch on a CPU
TRAINING = {
    "train-2x128": (Shape(2, 128, 50, 50, 65), 20),
    "train-2x512": (Shape(2, 512, 100, 50, 96, 0.5), 3),
    "train-2x512-T100": (Shape(2, 512, 100, 100, 96, 0.5), 1),
    "train-3x512": (Shape(3, 512, 50, 50, 65), 4),
    "train-3x680": (Shape(3, 680, 100, 100, 96), 1),
    "train-2x512-T100-tf32": (Shape(2, 512, 100, 100, 96, 0.5, "tf32"), 1),
    "train-2x512-bfloat16": (Shape(2, 512, 100, 50, 96, 0.5, "bfloat16"), 3),
}
WRITING = {
    "sample-1": Shape(2, 512, 1, 512, 96),
    "sample-64": Shape(2, 512, 64, 256, 96),
    "sample-64-2x128": Shape(2, 128, 64, 512, 65),
}
READING = {"score-2x512": Shape(2, 512, 100, 100, 96)}
COMPILED = Shape(2, 128, 50, 50, 65)


def timed(make: Callable, *given) -> Callable[[], Measure]:
    """Makes a measure of the function that `make` makes, called with `given`."""

    def maker():
        run = make()

        def measure():
            began = time.perf_counter()
            run(*given)
            return 1000 * (time.perf_counter() - began)

        return measure

    return maker


def training(name: str, steps: int = 0) -> Case:
    """The case of a training step; a turn is of `steps`, or of as many as it says."""
    shape, count = TRAINING[name]
    count = steps or count
    steps = {OURS: charlm_steps}
    if shape.dtype == "float32":
        steps |= {"flax nn.RNN": flax_steps, "lax.scan": textbook_steps}
    narrow = shape.dtype == "bfloat16"
    steps["torch.nn.LSTM, autocast" if narrow else "torch.nn.LSTM"] = torch_steps
    if name == "train-2x512":
        steps["torch.compile"] = functools.partial(torch_steps, compiled=True)
    makers = {
        peer: timed(functools.partial(make, shape), count)
        for peer, make in steps.items()
    }
    makers["floor"] = lambda: floor_of(products_of_training(shape), shape.dtype, count)
    return Case(makers, count)


def writing(name: str) -> Case:
    shape = WRITING[name]
    loop = functools.partial(torch_writes, shape)
    return Case(
        {
            OURS: timed(lambda: charlm_writes(shape)),
            "torch.nn.LSTM": timed(lambda: loop(cells=False)),
            "torch.nn.LSTMCell": timed(lambda: loop(cells=True)),
            "floor": lambda: floor_of(products_of_writing(shape)),
        },
        shape.length,
    )


def reading(name: str) -> Case:
    shape = READING[name]
    return Case(
        {
            OURS: timed(lambda: charlm_reads(shape, WINDOWS)),
            "torch.nn.LSTM": timed(lambda: torch_reads(shape, WINDOWS)),
            "floor": lambda: floor_of(products_of_reading(shape), count=WINDOWS),
        },
        WINDOWS,
    )


def compiling() -> Case:
    long = COMPILED._replace(length=1000)
    return Case(
        {
            OURS: lambda: lambda: compile_ms(long),
            "charlm at T 50": lambda: lambda: compile_ms(COMPILED),
        }
    )


def starting() -> Case:
    def ours():
        folder = Path(tempfile.mkdtemp())
        return lambda: start_ms(folder)

    def cold():
        return lambda: start_ms(Path(tempfile.mkdtemp()))

    def script():
        folder = Path(tempfile.mkdtemp())
        return lambda: torch_start_ms(folder)

    return Case({OURS: ours, "torch, a script": script, "charlm, cache cold": cold})


def case_of(name: str, steps: int = 0) -> Case:
    """The case of a name; `steps` are those of a turn of training, 0 is its own."""
    if name in TRAINING:
        return training(name, steps)
    for names, make in ((WRITING, writing), (READING, reading)):
        if name in names:
            return make(name)
    return {"compile-T1000": compiling, "start-warm": starting}[name]()


NAMES = [*TRAINING, *WRITING, *READING, "compile-T1000", "start-warm"]
