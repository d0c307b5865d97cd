"""The options of a run. Each is defined here, once: default, bounds, choices, meaning.

From these dataclasses come the ml_collections config that `configs/*.py` start from and
that `--config.model.layers=3` overrides, the checks of values, the text of `--help`,
the check of a workdir's config.json, and which options may change when a run is
resumed. To add an option, add a field here and use it.
"""

import dataclasses
import json
from collections.abc import Mapping
from typing import Any

import ml_collections

from charlm.errors import UserError
from charlm.options import CUSTOM, MAX_COUNT, check_section, option, options
from charlm.synonyms import describe_unknown

MAX_WIDTH = 10_000_000  # features: more is beyond any machine's memory


@dataclasses.dataclass(frozen=True)
class DataConfig:
    """The text, and how it is cut."""

    __post_init__ = check_section

    corpus: str = option("", "a name that `charlm corpora list` shows")
    path: str = option("", "a text file of your own; wins over corpus", free=True)
    unit: str = option(
        "char", "what a symbol is; byte reads any file", choices=("char", "byte")
    )
    encoding: str = option("utf-8", "of the file, by its Python name")
    split: tuple = option(
        (0.95, 0.05, 0.0), "train, valid and test: shares of the text, or exact sizes"
    )
    reset_probability: float = option(
        0.02, "that a stream starts from the zero carry in any window", low=0, high=1
    )
    device_bytes: int = option(
        -1,
        "a larger text is read from its file, not kept on the device; -1: a tenth of an"
        " accelerator's memory, 2^28 on a CPU",
        low=-1,
        high=2**62,
        free=True,
    )


@dataclasses.dataclass(frozen=True)
class ModelConfig:
    """What a language model is. `vocab_size` is no option: the text decides it."""

    __post_init__ = check_section

    vocab_size: int = 0
    cell: str | tuple = option(
        "lstm", "the recurrent cell; gru is char-rnn's", choices=("lstm", "gru", "rnn")
    )
    layers: int = option(2, "layers, each reads the one below", low=1, high=1000)
    features: int = option(128, "hidden width of each layer", low=1, high=MAX_WIDTH)
    embedding: int = option(
        0, "width of a learned embedding; 0 reads characters one-hot", high=MAX_WIDTH
    )
    dropout: float = option(
        0.0,
        "share of a layer's outputs dropped on the way to the next layer and the head",
        low=0,
        below=1,
    )
    initializer: str = option(
        "char_rnn",
        "char_rnn draws all weights from U(-0.08, 0.08); torch_rnn draws a layer's from"
        " N(0, 1 / (inputs + features))",
        choices=("char_rnn", "torch_rnn"),
    )
    forget_bias: float = option(1.0, "initial bias of an LSTM's forget gates")
    dtype: str = option(
        "auto",
        "of matrix products; auto is bfloat16 on a TPU and float32 elsewhere",
        choices=("auto", "float32", "bfloat16"),
    )
    precision: str = option(
        "highest",
        "of float32 products on an NVIDIA GPU; tf32 rounds their inputs to 10 bits",
        choices=("highest", "tf32"),
    )


@dataclasses.dataclass(frozen=True)
class OptimConfig:
    """The optimizer and its learning rate."""

    __post_init__ = check_section

    name: str = option("rmsprop", "the optimizer", choices=("rmsprop", "adam", "adamw"))
    learning_rate: float = option(2e-3, "its highest value", above=0)
    rms_decay: float = option(
        0.95, "RMSProp's decay of the mean of squared gradients", low=0, below=1
    )
    weight_decay: float = option(0.0, "AdamW's, of matrices only", low=0)
    clip: float = option(
        0.1, "limit of the gradient, which is a mean over the window; 0: none", low=0
    )
    clip_by: str = option(
        "value", "clip each element, or the global norm", choices=("value", "norm")
    )
    schedule: str = option(
        "epochs",
        "epochs multiplies the rate by decay at the end of epoch decay_after and every"
        " decay_every epochs after it; cosine falls to decay times the rate",
        choices=("constant", "epochs", "cosine"),
    )
    warmup: int = option(0, "steps of a linear rise from zero at the start")
    decay: float = option(0.97, "factor of the schedule", low=0, high=1)
    decay_after: int = option(10, "epochs before the first decay")
    decay_every: int = option(1, "epochs between decays", low=1)
    restart_at_decay: bool = option(
        False, "whether each decay of epochs resets the optimizer, as torch-rnn does"
    )


@dataclasses.dataclass(frozen=True)
class TrainConfig:
    """How long a run is, and what it writes on the way."""

    batch_size: int = option(50, "streams read side by side", low=1)
    seq_length: int = option(
        50, "characters in a window: how far gradients go back", low=1
    )
    steps: int = option(0, "optimizer steps; 0: epochs decides", free=True)
    epochs: float = option(
        50.0, "passes over the text", low=0, high=MAX_COUNT, free=True
    )
    bad_steps: str = option(
        "stop",
        "at a step whose loss, gradient or state is not finite, or whose loss has"
        " exploded: stop and save, or skip it",
        choices=("stop", "skip"),
        free=True,
    )
    log_every: int = option(100, "steps between lines of training", low=1, free=True)
    eval_every: int = option(
        1000, "steps between validations; 0: at the end", free=True
    )
    checkpoint_every: int = option(
        1000, "steps between checkpoints; 0: at the end only", free=True
    )
    sample_every: int = option(1000, "steps between samples; 0: at the end", free=True)
    sample_length: int = option(500, "characters of a sample; 0: no samples", free=True)
    sample_temperature: float = option(
        1.0, "temperature of the samples", low=0, high=1e6, free=True
    )
    patience: int = option(
        0,
        "validations in a row without a better loss that end the run; 0: none do",
        free=True,
    )
    minutes: float = option(
        0.0,
        "of training after which the run saves and stops; the same command goes on; 0:"
        " no limit",
        low=0,
        free=True,
    )
    keep: int = option(
        2, "newest checkpoints that are kept, beside the best; 0: all", free=True
    )
    init_from: str = option(
        "", "a workdir whose best weights, and shape of model, to start from"
    )
    branch_from: str = option(
        "",
        "a workdir whose newest state to start from: weights, optimizer, step, carry;"
        " options that are not given are those of that run",
    )

    def __post_init__(self):
        check_section(self)
        if not self.steps and not self.epochs:
            raise UserError("steps and train.epochs are both 0; set one of them")


@dataclasses.dataclass(frozen=True)
class RunConfig:
    """All options of a run."""

    __post_init__ = check_section

    seed: int = option(123, "of parameters, dropout and resets", low=0, high=2**32 - 1)
    data: DataConfig = dataclasses.field(default_factory=DataConfig)
    model: ModelConfig = dataclasses.field(default_factory=ModelConfig)
    optim: OptimConfig = dataclasses.field(default_factory=OptimConfig)
    train: TrainConfig = dataclasses.field(default_factory=TrainConfig)

    @classmethod
    def from_dict(
        cls,
        config: "Mapping[str, Any] | ml_collections.ConfigDict | RunConfig",
        *,
        strict: bool = True,
    ) -> "RunConfig":
        """Returns the config of nested values; what they leave out has its default.

        Args:
          config: {"seed": 1, "model": {"layers": 3}}, as a ConfigDict or plain.
          strict: whether options that do not exist are an error; those of `model`
            are in any case, since another model would result.

        A UserError names the option, as `model.layers`, and what is wrong with it.
        """
        if isinstance(config, ml_collections.ConfigDict):
            config = config.to_dict()
        if isinstance(config, Mapping):
            config = upgrade(config)
        return _make_section(cls, "", config, strict)

    def to_dict(self) -> dict[str, Any]:
        """Returns nested plain values, as config.json has them."""
        config = dataclasses.asdict(self)
        del config["model"]["vocab_size"]
        if not isinstance(self.model.cell, str):
            config["model"]["cell"] = CUSTOM
        return json.loads(json.dumps(config))


def _make_section(section: type, name: str, values: Any, strict: bool) -> Any:
    """Returns a dataclass of options, and of sections of options, from their values."""
    if isinstance(values, section):
        return values
    if not isinstance(values, Mapping):
        raise UserError(f"{name} is {values!r}; it must be a section of options")
    if name == "model":
        strict = True
    prefix = f"{name}." if name else ""
    types: dict[str, Any] = {f.name: f.type for f in dataclasses.fields(section)}
    types.pop("vocab_size", None)  # the text decides it
    unknown = sorted({*values} - {*types})
    if unknown and strict:
        raise UserError(describe_unknown(f"{prefix}{unknown[0]}", list_options()))
    known = {key: values[key] for key in types if key in values}
    for key, value in known.items():
        if dataclasses.is_dataclass(types[key]):
            known[key] = _make_section(types[key], key, value, strict)
        elif isinstance(value, list):
            known[key] = tuple(value)
    try:
        return section(**known)
    except UserError as error:
        raise UserError(f"{prefix}{error}") from error


def upgrade(config: Mapping[str, Any]) -> Mapping[str, Any]:
    """Returns nested values of an earlier release with today's names."""
    model = config.get("model")
    if not isinstance(model, Mapping):
        return config
    model = dict(model)
    if "initialiser" in model:
        model["initializer"] = model.pop("initialiser")
    if model.get("dtype") == "tf32":
        model |= {"dtype": "float32", "precision": "tf32"}
    return {**config, "model": model}


def list_options() -> dict[str, dataclasses.Field]:
    """Returns every option by its full name, as "model.layers"."""
    fields = {}
    for field in dataclasses.fields(RunConfig):
        if dataclasses.is_dataclass(field.type):
            fields |= {f"{field.name}.{f.name}": f for f in options(field.type)}
        else:
            fields[field.name] = field
    return fields


def list_free_options(config: RunConfig, *, extend: bool = False) -> set[str]:
    """Returns the options that may change when a run of this config is resumed.

    A cosine ends at the last step, so that another last step is another run; unless it
    is to `extend`.
    """
    free = {name for name, field in list_options().items() if field.metadata["free"]}
    fixed = config.optim.schedule == "cosine" and not extend
    return free - ({"train.steps", "train.epochs"} if fixed else set())


def find_option(word: str) -> str:
    """Returns "train.steps" of "steps" or "train.steps"; UserError if it is neither."""
    for name in list_options():
        if word in (name, name.rpartition(".")[2]):
            return name
    raise UserError(describe_unknown(word, list_options()))
