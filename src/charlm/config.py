"""The options of a run. Each is defined here, once: default, bounds, choices, meaning.

From these dataclasses come the ml_collections config that `configs/*.py` start from and
that `--config.model.layers=3` overrides, the checks of values, the text of `--help`,
the check of a workdir's config.json, and which options may change when a run is
resumed. To add an option, add a field here and use it. What an option is stands in
`options.py`.
"""

import dataclasses
import difflib
import json
from collections.abc import Mapping
from typing import Any, TypeVar

import ml_collections

from charlm.errors import UserError
from charlm.options import CUSTOM, MAX_COUNT, check_section, option, options

MAX_WIDTH = 10_000_000  # features: more is beyond any machine's memory

Section = TypeVar("Section")


@dataclasses.dataclass(frozen=True)
class DataConfig:
    """The text, and how it is cut."""

    __post_init__ = check_section

    corpus: str = option("", "a name that `python -m charlm.corpora list` shows")
    path: str = option("", "a text file of your own; wins over corpus", free=True)
    unit: str = option(
        "char", "what a symbol is; byte reads any file", choices=("char", "byte")
    )
    encoding: str = option("utf-8", "of the file, by its Python name")
    split: tuple = option(
        (0.95, 0.05, 0.0), "train, valid and test: shares of the text, or exact sizes"
    )
    reset_probability: float = option(
        0.02,
        "how likely a stream is to start from the zero carry in any window",
        low=0,
        high=1,
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
    layers: int = option(
        2, "recurrent layers, each reads the one below", low=1, high=1000
    )
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
        1000, "steps between validation scores; 0: at the end only", free=True
    )
    checkpoint_every: int = option(
        1000, "steps between checkpoints; 0: at the end only", free=True
    )
    sample_every: int = option(1000, "steps between samples; 0: at the end", free=True)
    sample_length: int = option(500, "characters of a sample; 0: no samples", free=True)
    sample_temperature: float = option(
        1.0, "temperature of the samples", low=0, high=1e6, free=True
    )
    init_from: str = option("", "a workdir whose best weights to start from")

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
        config: Mapping[str, Any] | ml_collections.ConfigDict,
        *,
        strict: bool = True,
    ) -> "RunConfig":
        """Returns the config of nested values; what they leave out has its default.

        Args:
          config: {"seed": 1, "model": {"layers": 3}}, as a ConfigDict or plain.
          strict: whether options that do not exist are an error; those of `model`
            are in any case, since another model would result.

        Raises:
          UserError: names the option, as `model.layers`, and what is wrong with it.
        """
        if isinstance(config, ml_collections.ConfigDict):
            config = config.to_dict()
        values = dict(upgrade(config))
        sections: dict[str, Any] = {
            f.name: f.type for f in dataclasses.fields(cls) if f.name != "seed"
        }
        for name, section in sections.items():
            values[name] = _make_section(
                section, name, values.get(name, {}), strict or name == "model"
            )
        for name in {*values} - {"seed", *sections}:
            if strict:
                raise UserError(describe_unknown(name))
            del values[name]
        return cls(**values)

    def to_dict(self) -> dict[str, Any]:
        """Returns nested plain values, as config.json has them."""
        config = dataclasses.asdict(self)
        del config["model"]["vocab_size"]
        if not isinstance(self.model.cell, str):
            config["model"]["cell"] = CUSTOM
        return json.loads(json.dumps(config))


def _make_section(
    section: type[Section], name: str, values: Any, strict: bool
) -> Section:
    if isinstance(values, section):
        return values
    if not isinstance(values, Mapping):
        raise UserError(f"{name} is {values!r}; it must be a section of options")
    known = {field.name for field in options(section)}
    for key in sorted({*values} - known):
        if strict:
            raise UserError(describe_unknown(f"{name}.{key}"))
    chosen = {
        key: tuple(value) if isinstance(value, list) else value
        for key, value in values.items()
        if key in known
    }
    try:
        return section(**chosen)
    except UserError as error:
        raise UserError(f"{name}.{error}") from error


def upgrade(config: Mapping[str, Any]) -> Mapping[str, Any]:
    """Returns a config of an earlier release with today's names."""
    model = config.get("model")
    if not isinstance(model, Mapping):
        return config
    model = dict(model)
    if "initialiser" in model:
        model["initializer"] = model.pop("initialiser")
    if model.get("dtype") == "tf32":
        model |= {"dtype": "float32", "precision": "tf32"}
    return {**config, "model": model}


def default_config() -> ml_collections.ConfigDict:
    """Returns the ml_collections config of all defaults, for configs to start from."""
    values = dataclasses.asdict(RunConfig())
    del values["model"]["vocab_size"]
    return ml_collections.ConfigDict(values)


def use_adamw(config: Any) -> None:
    """Sets AdamW with a cosine to zero, which trains small nets fastest here."""
    config.optim.name = "adamw"
    config.optim.learning_rate = 4e-3
    config.optim.weight_decay = 0.05
    config.optim.clip = 1.0
    config.optim.clip_by = "norm"
    config.optim.schedule = "cosine"
    config.optim.warmup = 50
    config.optim.decay = 0.0


def text_config() -> ml_collections.ConfigDict:
    """Returns settings that do well on a megabyte or so of most texts."""
    config: Any = default_config()
    config.data.split = (0.9, 0.1, 0.0)
    config.model.features = 256
    config.model.embedding = 64
    config.model.initializer = "torch_rnn"
    config.model.dropout = 0.2
    use_adamw(config)
    config.train.batch_size = 32
    config.train.epochs = 20.0
    config.train.seq_length = 64
    config.train.sample_temperature = 0.8
    return config


def list_options() -> dict[str, dataclasses.Field]:
    """Returns every option by its full name, as "model.layers"."""
    fields = {field.name: field for field in options(RunConfig)}
    for section in dataclasses.fields(RunConfig):
        if dataclasses.is_dataclass(section.type):
            for field in options(section.type):
                fields[f"{section.name}.{field.name}"] = field
    return fields


def list_free_options(config: RunConfig) -> set[str]:
    """Returns the options that may change when a run of this config is resumed."""
    free = {name for name, field in list_options().items() if field.metadata["free"]}
    # A cosine ends at the last step: to move that would be another run.
    fixed = (
        {"train.steps", "train.epochs"} if config.optim.schedule == "cosine" else set()
    )
    return free - fixed


def describe_options() -> str:
    """Returns the options with their defaults and meanings, for --help."""
    lines = []
    for name, field in list_options().items():
        choices = "|".join(field.metadata["choices"])
        choices = f" ({choices})" if choices else ""
        default = "" if field.default == "" else field.default
        lines.append(f"  --config.{name}={default}")
        lines.append(f"      {field.metadata['about']}{choices}")
    return "\n".join(lines)


# What other frameworks call our options.
SYNONYMS = {
    "lr": "optim.learning_rate",
    "grad_clip": "optim.clip",
    "decay_rate": "optim.rms_decay",
    "lr_decay": "optim.decay",
    "optimizer": "optim.name",
    "wd": "optim.weight_decay",
    "warmup_steps": "optim.warmup",
    "hidden": "model.features",
    "hidden_size": "model.features",
    "hidden_units": "model.features",
    "rnn_size": "model.features",
    "width": "model.features",
    "units": "model.features",
    "num_layers": "model.layers",
    "n_layers": "model.layers",
    "depth": "model.layers",
    "rnn_type": "model.cell",
    "model": "model.cell",
    "embed": "model.embedding",
    "embedding_size": "model.embedding",
    "wordvec_size": "model.embedding",
    "drop": "model.dropout",
    "bptt": "train.seq_length",
    "sequence_length": "train.seq_length",
    "seq_len": "train.seq_length",
    "context": "train.seq_length",
    "batch": "train.batch_size",
    "bs": "train.batch_size",
    "max_epochs": "train.epochs",
    "num_epochs": "train.epochs",
    "num_steps": "train.steps",
    "max_steps": "train.steps",
    "max_iters": "train.steps",
    "iterations": "train.steps",
    "temperature": "train.sample_temperature",
    "save_every": "train.checkpoint_every",
    "eval_interval": "train.eval_every",
    "file": "data.path",
    "input": "data.path",
    "text": "data.path",
    "dataset": "data.corpus",
    "random_seed": "seed",
}


def describe_unknown(name: str) -> str:
    """Returns the message for an option that does not exist, with a likely one."""
    names = list_options()
    word = name.rpartition(".")[2]
    by_word = {full.rpartition(".")[2]: full for full in names}
    guess = by_word.get(word) or SYNONYMS.get(word.lower())
    if not guess:
        near = difflib.get_close_matches(word, [*by_word, *SYNONYMS], n=1)
        guess = by_word.get(near[0]) or SYNONYMS[near[0]] if near else ""
    hint = f"did you mean {guess}?" if guess else "--help lists the options"
    return f"the config has no {name}; {hint}"


def find_option(word: str) -> str:
    """Returns the full name of an option: "train.steps" of "steps" or "train.steps".

    Raises:
      UserError: there is no such option.
    """
    for name in list_options():
        if word in (name, name.rpartition(".")[2]):
            return name
    raise UserError(describe_unknown(word))


def flatten(config: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Returns {"model.layers": 2, ...} of a nested config."""
    leaves: dict[str, Any] = {}
    for key, value in config.items():
        name = f"{prefix}{key}"
        if isinstance(value, Mapping):
            leaves |= flatten(value, f"{name}.")
        else:
            leaves[name] = value
    return leaves
