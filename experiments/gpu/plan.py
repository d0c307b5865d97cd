"""What the run does: its stages with their seconds, its shapes, its runs."""

from typing import NamedTuple

TOTAL = 540  # seconds of the whole run
LAST = ("scores", "collect")  # for which time is set aside


class Run(NamedTuple):
    """A training run.

    Attributes:
      name: of its workdir.
      config: configs/NAME.py or configs/NAME.py:VARIANT.
      until: the share of its lane's seconds after which it is stopped and saved.
      every: steps between two scores, samples and checkpoints; 0 is as the config has
        it.
      flags: more of charlm.train's.
      weights: the type in which its weights come back, "float32" or "bfloat16".
    """

    name: str
    config: str
    until: float
    every: int = 0
    flags: tuple[str, ...] = ()
    weights: str = "bfloat16"


class Plan(NamedTuple):
    """The sizes of every stage.

    Attributes:
      seconds: of each stage, at most, in the order in which they run.
      widths: units of the nets that are checked.
      same: configs/NAME.py and the flags of the run that is repeated.
      shapes: by name, (layers, h, b, t, v, dropout) of the training steps that are
        timed.
      steps: of a turn.
      profiled: the shape of which a profile is taken.
      drawn: characters of each text of the sampling that is timed.
      windows: of 100 x 100 characters, of the scoring that is timed.
      lanes: runs that follow one another, beside those of the other lanes.
      length: characters of a sample.
    """

    seconds: dict[str, float]
    widths: tuple[int, ...]
    same: tuple[str, ...]
    shapes: dict[str, tuple]
    steps: int
    profiled: str
    drawn: int
    windows: int
    lanes: tuple[tuple[Run, ...], ...]
    length: int


TF32 = ("--config.model.dtype=tf32",)
FULL = Plan(
    seconds={
        "machine": 20,
        "correct": 65,
        "same": 50,
        "bench": 100,
        "rates": 25,
        "train": float("inf"),  # all that is left
        "scores": 40,
        "collect": 8,
    },
    widths=(64, 512),
    same=("war_and_peace.py", "--config.train.steps=300", *TF32),
    shapes={
        "2x512 100x100": (2, 512, 100, 100, 96, 0.5),
        "3x680 100x100": (3, 680, 100, 100, 96, 0.0),
        "2x128 50x50": (2, 128, 50, 50, 65, 0.0),
    },
    steps=64,
    profiled="2x512 100x100",
    drawn=2048,
    steps_per_epoch=100,
    lanes=(
        (
            Run("paul_graham-full", "paul_graham.py", 0.45, 720, TF32, "float32"),
            Run("war_and_peace-full", "war_and_peace.py", 0.8, 650, TF32),
            Run("shakespeare-full", "shakespeare.py", 1.0, 1028, TF32),
        ),
        (
            Run("linux-kernel", "linux.py:kernel", 0.6, 2628, TF32),
            Run("latex-full", "latex.py", 1.0, 2712, TF32),
        ),
    ),
    length=2000,
)

ENDLESS = "--config.train.steps=1000000"  # is stopped at its deadline
SMOKE = Plan(
    seconds={
        "machine": 60,
        "correct": 120,
        "same": 150,
        "bench": 150,
        "rates": 90,
        "train": 100,
        "scores": 150,
        "collect": 30,
    },
    widths=(16, 64),
    same=("war_and_peace.py:smoke", "--config.train.steps=200"),
    shapes={"2x16 8x20": (2, 16, 8, 20, 65, 0.5), "1x16 8x20": (1, 16, 8, 20, 65)},
    steps=8,
    profiled="2x16 8x20",
    drawn=512,
    steps_per_epoch=1,
    lanes=(
        (
            Run("paul_graham-smoke", "paul_graham.py:smoke", 0.4, weights="float32"),
            Run("war_and_peace-smoke", "war_and_peace.py:smoke", 0.7),
            Run("shakespeare-smoke", "shakespeare.py:smoke", 1.0, 500, (ENDLESS,)),
        ),
        (
            Run("linux-smoke", "linux.py:smoke", 0.5),
            Run("latex-smoke", "latex.py:smoke", 1.0, 500, (ENDLESS,)),
        ),
    ),
    length=200,
)


def get_plan(smoke: bool) -> Plan:
    """Returns the plan of a GPU, or that of a rehearsal."""
    return SMOKE if smoke else FULL
