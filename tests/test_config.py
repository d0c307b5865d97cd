"""Options: defined once, checked, described, read from earlier releases."""

import dataclasses
import math
from typing import Any

import pytest
from conftest import door, refused, train_flags

from charlm import config as options
from charlm import presets
from charlm.config import DataConfig, RunConfig, list_options
from charlm.errors import UserError
from charlm.options import flatten, option
from charlm.presets import default_config
from charlm.synonyms import SYNONYMS, describe_unknown
from charlm.train import describe_options


def test_the_default_config_is_the_default_of_each_option():
    config: Any = default_config()
    assert RunConfig.from_dict(config) == RunConfig()
    assert "vocab_size" not in config.model
    assert flatten(config.to_dict()).keys() == list_options().keys()


def test_a_config_survives_json():
    config = RunConfig.from_dict(
        {"seed": 7, "data": {"split": (5, 6)}, "model": {"cell": "gru"}}
    )
    assert RunConfig.from_dict(config.to_dict()) == config
    assert config.to_dict()["data"]["split"] == [5, 6]


@pytest.mark.parametrize(
    "values, message",
    [
        ({"model": {"layers": 0}}, r"^model\.layers is 0; it must be at least 1"),
        ({"model": {"layers": 2.5}}, r"^model\.layers is 2\.5; .* an integer"),
        ({"model": {"layers": True}}, r"^model\.layers is True; .* an integer"),
        ({"model": {"dropout": 1}}, r"^model\.dropout is 1; .* below 1"),
        ({"model": {"cell": "gpt"}}, r"^model\.cell is 'gpt'; choose one of lstm"),
        ({"model": {"forget_bias": math.inf}}, r"^model\.forget_bias .* finite"),
        ({"optim": {"learning_rate": 0}}, r"^optim\.learning_rate is 0; .* above 0"),
        ({"optim": {"restart_at_decay": 1}}, r"^optim\.restart_at_decay .* True or"),
        ({"train": {"steps": 0, "epochs": 0}}, r"^train\.steps and train\.epochs"),
        ({"train": {"batch_size": 2**31}}, r"^train\.batch_size .* at most"),
        ({"data": {"path": 5}}, r"^data\.path is 5; it must be a string"),
        ({"seed": -1}, r"^seed is -1"),
        ({"model": 3}, r"^model is 3; it must be a section"),
    ],
)
def test_impossible_values(values, message):
    with pytest.raises(UserError, match=message):
        RunConfig.from_dict(values)


@pytest.mark.parametrize(
    "name, meant",
    [
        ("lr", "optim.learning_rate"),
        ("model.hidden_size", "model.features"),
        ("model.rnn_size", "model.features"),
        ("model.num_layers", "model.layers"),
        ("train.bptt", "train.seq_length"),
        ("train.batchsize", "train.batch_size"),
        ("model.seed", "seed"),
        ("optim.clip_bye", "optim.clip_by"),
    ],
)
def test_a_name_of_another_framework_or_a_typo_is_guessed(name, meant):
    assert describe_unknown(name, list_options()).endswith(f"did you mean {meant}?")


def test_every_synonym_names_an_option_and_is_none_itself():
    names = list_options()
    words = {name.rpartition(".")[2] for name in names}
    assert set(SYNONYMS.values()) <= set(names)
    assert not words & set(SYNONYMS)


def test_the_short_names_of_options_are_distinct():
    words = [name.rpartition(".")[2] for name in list_options()]
    assert len(set(words)) == len(words)
    assert options.find_option("steps") == "train.steps"
    with pytest.raises(UserError, match="did you mean model.features"):
        options.find_option("rnn_size")


def test_what_may_change_when_a_run_is_resumed():
    free = options.list_free_options(RunConfig())
    assert {"train.steps", "train.log_every", "data.path"} <= free
    assert not {"model.layers", "optim.learning_rate", "train.batch_size"} & free
    cosine = RunConfig.from_dict({"optim": {"schedule": "cosine"}})
    assert free - options.list_free_options(cosine) == {"train.steps", "train.epochs"}


def test_an_option_is_added_by_its_field_alone(monkeypatch):
    """Default, check, help, guess and the config of a run all know it."""

    @dataclasses.dataclass(frozen=True)
    class WiderDataConfig(DataConfig):
        stride: int = option(3, "characters between windows", high=9, free=True)

    fields = [
        ("data", WiderDataConfig, dataclasses.field(default_factory=WiderDataConfig))
        if f.name == "data"
        else (f.name, f.type, f)
        for f in dataclasses.fields(RunConfig)
    ]
    wider = dataclasses.make_dataclass(
        "RunConfig",
        fields,
        bases=(RunConfig,),
        frozen=True,
    )
    for module in (options, presets):
        monkeypatch.setattr(module, "RunConfig", wider)
    config: Any = default_config()
    assert config.data.stride == 3
    assert wider.from_dict({"data": {"stride": 5}}).data.stride == 5
    with pytest.raises(UserError, match=r"^data\.stride is 10; .* at most 9"):
        wider.from_dict({"data": {"stride": 10}})
    assert "--config.data.stride=3" in describe_options()
    assert describe_unknown("stirde", list_options()).endswith(
        "did you mean data.stride?"
    )
    assert "data.stride" in options.list_free_options(wider())


def test_help_shows_every_option_with_its_meaning():
    text = door("train", "--help").stdout
    for name, field in list_options().items():
        assert f"--config.{name}=" in text and field.metadata["about"] in text


def test_options_that_a_config_leaves_out_have_their_defaults(tmp_path, text_file):
    (tmp_path / "own.py").write_text(
        "from ml_collections import ConfigDict\n"
        "def get_config():\n"
        f"    data = {{'path': {str(text_file)!r}}}\n"
        "    train = {'steps': 2, 'batch_size': 4, 'seq_length': 10}\n"
        "    return ConfigDict({'data': data, 'train': train})\n"
    )
    done = door("train", f"--config={tmp_path}/own.py", f"--workdir={tmp_path}/run")
    assert done.returncode == 0, done.stderr


def test_another_type_is_refused_in_one_line(tmp_path, text_file):
    flags = train_flags(text_file, tmp_path / "run")
    for flag in ("--config.model.layers=2.5", "--config.data.split=half"):
        refused(door("train", *flags, flag), flag.split("=")[0].split(".")[-1])
