"""The plan of the run: its stages with their seconds, its shapes, its training runs.

This file needs Python alone, since it runs before the parcel is open.
"""

from typing import Any, NamedTuple

TOTAL_SECONDS = 660  # of all stages
FINAL_STAGES = ("scores", "collect")  # their time is reserved


class TrainingRun(NamedTuple):
    """A run of charlm.train.

    Attributes:
      name: of its workdir.
      config: configs/NAME.py or configs/NAME.py:VARIANT, without the folder.
      until: the share of its lane's seconds after which it is stopped and saved.
      every: steps between two scores, samples and checkpoints; 0 is the config's own.
      flags: more flags of charlm.train.
      dtype: in which its weights come back, "float32" or "bfloat16".
      kernels: whether its LSTM is by the Hopper kernels.
    """

    name: str
    config: str
    until: float
    every: int = 0
    flags: tuple[str, ...] = ()
    dtype: str = "bfloat16"
    kernels: bool = False


class Plan(NamedTuple):
    """The sizes of every stage.

    Attributes:
      seconds: of each stage, at most, in the order in which the stages run.
      widths: of the models whose correctness is checked.
      hopper_widths: of those that are checked with the Hopper kernels.
      determinism: the config and the flags of the run that is repeated.
      shapes: of the training steps that are timed, by name: the fields of a Shape.
      steps: of a turn.
      profile_shape: the shape of which a profile is taken.
      population: models that are trained at once.
      sampling_length: characters of each text in the sampling that is timed.
      scoring_windows: of every stream, in the scoring that is timed.
      lanes: training runs that follow one another, beside those of the other lanes.
      sample_length: characters of a sample.
    """

    seconds: dict[str, float]
    widths: tuple[int, ...]
    hopper_widths: tuple[int, ...]
    determinism: tuple[str, ...]
    shapes: dict[str, tuple]
    steps: int
    profile_shape: str
    population: int
    sampling_length: int
    scoring_windows: int
    lanes: tuple[tuple[TrainingRun, ...], ...]
    sample_length: int

    @property
    def runs(self) -> list[TrainingRun]:
        """The training runs of all lanes."""
        return [run for lane in self.lanes for run in lane]

    def make_shape(self, name: str, dtype: str) -> Any:
        """Returns a Shape of experiments.speed.peers.

        Args:
          name: of the shape.
          dtype: of its products.
        """
        from experiments.speed.peers import Shape

        return Shape(*self.shapes[name])._replace(dtype=dtype)


# The last fields of a run in bfloat16 by the Hopper kernels.
KERNELS = (("--config.model.dtype=bfloat16",), "bfloat16", True)
TF32 = ("--config.model.precision=tf32",)
FULL = Plan(
    seconds={
        "machine": 20,
        "correctness": 65,
        "determinism": 50,
        "bench": 100,
        "throughput": 25,
        "population": 50,
        "hopper": 100,
        "train": float("inf"),  # the rest
        "scores": 40,
        "collect": 8,
    },
    widths=(64, 512),
    hopper_widths=(64, 256, 512),
    determinism=("war_and_peace.py", "--config.train.steps=300", *TF32),
    shapes={
        "2x512 100x100": (2, 512, 100, 100, 96, 0.5),
        "3x680 100x100": (3, 680, 100, 100, 96),
        "2x128 50x50": (2, 128, 50, 50, 65),
    },
    steps=64,
    profile_shape="2x512 100x100",
    population=8,
    sampling_length=2048,
    scoring_windows=100,
    lanes=(
        (
            TrainingRun("paul_graham-full", "paul_graham.py", 0.4, 720, *KERNELS),
            TrainingRun("war_and_peace-full", "war_and_peace.py", 0.7, 650, *KERNELS),
            TrainingRun("shakespeare-full", "shakespeare.py", 1.0, 1028, *KERNELS),
        ),
        (
            TrainingRun("latex-full", "latex.py", 0.6, 2712, *KERNELS),
            TrainingRun("linux-kernel", "linux.py:kernel", 1.0, 2628, TF32),
        ),
    ),
    sample_length=2000,
)

ENDLESS = "--config.train.steps=1000000"  # stopped at its deadline
SMOKE = Plan(
    seconds={
        "machine": 60,
        "correctness": 120,
        "determinism": 150,
        "bench": 150,
        "throughput": 90,
        "population": 60,
        "hopper": 120,
        "train": 100,
        "scores": 150,
        "collect": 30,
    },
    widths=(16, 64),
    hopper_widths=(64,),
    determinism=("war_and_peace.py:smoke", "--config.train.steps=200"),
    shapes={
        "2x64 8x20": (2, 64, 8, 20, 65, 0.5),
        "1x16 8x20": (1, 16, 8, 20, 65),
    },
    steps=8,
    profile_shape="2x64 8x20",
    population=2,
    sampling_length=512,
    scoring_windows=1,
    lanes=(
        (
            TrainingRun(
                "paul_graham-smoke", "paul_graham.py:smoke", 0.4, dtype="float32"
            ),
            TrainingRun("war_and_peace-smoke", "war_and_peace.py:smoke", 0.7),
            TrainingRun(
                "shakespeare-smoke", "shakespeare.py:smoke", 1.0, 500, (ENDLESS,)
            ),
        ),
        (
            TrainingRun("linux-smoke", "linux.py:smoke", 0.5),
            TrainingRun("latex-smoke", "latex.py:smoke", 1.0, 500, (ENDLESS,)),
        ),
    ),
    sample_length=200,
)


def get_plan(smoke: bool) -> Plan:
    """Returns the plan of a GPU, or that of a rehearsal."""
    return SMOKE if smoke else FULL
