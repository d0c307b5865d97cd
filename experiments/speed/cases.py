"""The cases of the benchmark, and what each contender measures in a turn."""

import functools
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from experiments.speed.floor import (
    get_sampling_products,
    get_scoring_products,
    get_training_products,
    make_floor,
)
from experiments.speed.inference import (
    charlm_sampling,
    charlm_scoring,
    torch_sampling,
    torch_scoring,
)
from experiments.speed.overhead import compile_ms, start_ms, torch_start_ms
from experiments.speed.peers import (
    Shape,
    Steps,
    charlm_steps,
    flax_steps,
    textbook_steps,
    torch_steps,
)

Measure = Callable[[], float]
OURS = "charlm"
WINDOWS = 5  # of every stream, in a text to score


class Case(NamedTuple):
    """A case.

    Attributes:
      contenders: by name, charlm among them. Each is a function that returns a measure,
        a function that returns the milliseconds of a turn.
      units: steps, characters of every stream or windows in a turn.
    """

    contenders: dict[str, Callable[[], Measure]]
    units: int = 1


# By name: the shape, and the steps of a turn. These are as many as `fit` has in a
# dispatch on a CPU.
TRAINING = {
    "train-2x128": (Shape(2, 128, 50, 50, 65), 20),
    "train-2x512": (Shape(2, 512, 100, 50, 96, 0.5), 3),
    "train-2x512-T100": (Shape(2, 512, 100, 100, 96, 0.5), 1),
    "train-3x512": (Shape(3, 512, 50, 50, 65), 4),
    "train-3x680": (Shape(3, 680, 100, 100, 96), 1),
    "train-2x512-T100-tf32": (Shape(2, 512, 100, 100, 96, 0.5, "tf32"), 1),
    "train-2x512-bfloat16": (Shape(2, 512, 100, 50, 96, 0.5, "bfloat16"), 3),
}
SAMPLING = {
    "sample-1": Shape(2, 512, 1, 512, 96),
    "sample-64": Shape(2, 512, 64, 256, 96),
    "sample-64-2x128": Shape(2, 128, 64, 512, 65),
}
SCORING = {"score-2x512": Shape(2, 512, 100, 100, 96)}
COMPILED = Shape(2, 128, 50, 50, 65)


def time_calls(make: Callable, *arguments) -> Callable[[], Measure]:
    """Returns a contender that times calls of the function that `make` returns."""

    def make_measure():
        function = make()

        def measure():
            start = time.perf_counter()
            function(*arguments)
            return 1000 * (time.perf_counter() - start)

        return measure

    return make_measure


def make_training_case(name: str, count: int = 0) -> Case:
    """Returns a case of training with `count` steps in a turn; 0 is the case's own."""
    shape, default_count = TRAINING[name]
    count = count or default_count
    makers: dict[str, Callable[[Shape], Steps]] = {OURS: charlm_steps}
    if shape.dtype == "float32":
        makers |= {"flax nn.RNN": flax_steps, "lax.scan": textbook_steps}
    narrow = shape.dtype == "bfloat16"
    makers["torch.nn.LSTM, autocast" if narrow else "torch.nn.LSTM"] = torch_steps
    if name == "train-2x512":
        makers["torch.compile"] = functools.partial(torch_steps, compiled=True)
    contenders = {
        peer: time_calls(functools.partial(make, shape), count)
        for peer, make in makers.items()
    }
    products = get_training_products(shape)
    contenders["floor"] = lambda: make_floor(products, shape.dtype, count)
    return Case(contenders, count)


def make_sampling_case(name: str) -> Case:
    shape = SAMPLING[name]
    peer = functools.partial(torch_sampling, shape)
    return Case(
        {
            OURS: time_calls(lambda: charlm_sampling(shape)),
            "torch.nn.LSTM": time_calls(lambda: peer(cells=False)),
            "torch.nn.LSTMCell": time_calls(lambda: peer(cells=True)),
            "floor": lambda: make_floor(get_sampling_products(shape)),
        },
        shape.length,
    )


def make_scoring_case(name: str) -> Case:
    shape = SCORING[name]
    return Case(
        {
            OURS: time_calls(lambda: charlm_scoring(shape, WINDOWS)),
            "torch.nn.LSTM": time_calls(lambda: torch_scoring(shape, WINDOWS)),
            "floor": lambda: make_floor(get_scoring_products(shape), count=WINDOWS),
        },
        WINDOWS,
    )


def make_compile_case() -> Case:
    long = COMPILED._replace(length=1000)
    return Case(
        {
            OURS: lambda: lambda: compile_ms(long),
            "charlm at T 50": lambda: lambda: compile_ms(COMPILED),
        }
    )


def make_start_case() -> Case:
    def charlm_warm():
        folder = Path(tempfile.mkdtemp())
        return lambda: start_ms(folder)

    def charlm_cold():
        return lambda: start_ms(Path(tempfile.mkdtemp()))

    def torch():
        folder = Path(tempfile.mkdtemp())
        return lambda: torch_start_ms(folder)

    return Case(
        {
            OURS: charlm_warm,
            "torch, a script": torch,
            "charlm, cache cold": charlm_cold,
        }
    )


def get_case(name: str, steps: int = 0) -> Case:
    """Returns a case by its name.

    Args:
      name: one of NAMES.
      steps: of a turn of training; 0 is the case's own number.
    """
    if name in TRAINING:
        return make_training_case(name, steps)
    for names, make in ((SAMPLING, make_sampling_case), (SCORING, make_scoring_case)):
        if name in names:
            return make(name)
    return {"compile-T1000": make_compile_case, "start-warm": make_start_case}[name]()


NAMES = [*TRAINING, *SAMPLING, *SCORING, "compile-T1000", "start-warm"]
