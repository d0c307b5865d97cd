"""The room `workdir`: checkpoints, metrics, the bundle."""

import json
import os
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from draws import draw_params

from charlm.api import load_model
from charlm.config import RunConfig
from charlm.data.vocab import Vocab
from charlm.errors import UserError
from charlm.files import changed_files, write_checksums
from charlm.model.lm import make_language_model
from charlm.workdir import metadata
from charlm.workdir.checkpoints import restore, restore_newest, save, tree_sha256
from charlm.workdir.metadata import choose_step
from charlm.workdir.metrics import Logs, read_metrics
from charlm.workdir.model_files import read_config, write_model_files

TREES = {
    "params": {"w": jnp.asarray(np.arange(6, dtype=np.float32).reshape(2, 3))},
    "run": (jnp.int32(4), jax.random.key(7)),
}


def saved(workdir, losses):
    for step, nats in losses.items():
        save(workdir, step, TREES, notes={"at": step}, nats_per_char=nats)


def files(path):
    return sorted(p.relative_to(path).as_posix() for p in path.rglob("*"))


def test_trees_come_back_as_they_were(tmp_path):
    saved(tmp_path, {3: None})
    step, trees, notes = restore(tmp_path, 3, TREES)
    assert step == 3 and notes == {"at": 3}
    assert jax.tree.structure(trees) == jax.tree.structure(TREES)
    assert {n: tree_sha256(t) for n, t in trees.items()} == {
        n: tree_sha256(t) for n, t in TREES.items()
    }
    only = restore(tmp_path, 3, {"params": TREES["params"]})
    assert list(only.trees) == ["params"]


def test_the_newest_two_and_the_best_are_kept(tmp_path):
    saved(tmp_path, {1: 3.0, 2: 1.0, 3: 2.0, 4: None, 5: 2.5, 6: None})
    assert metadata.list_steps(tmp_path / "checkpoints") == [2, 5, 6]
    assert choose_step(tmp_path) == 2
    assert choose_step(tmp_path, "latest") == 6
    assert choose_step(tmp_path, "5") == choose_step(tmp_path, 5) == 5
    with pytest.raises(UserError, match="it has 2, 5, 6"):
        choose_step(tmp_path, "4")


def test_without_a_validation_loss_the_latest_is_best(tmp_path):
    saved(tmp_path, {1: None, 2: float("nan")})
    assert choose_step(tmp_path) == 2


def test_a_damaged_checkpoint_is_named_and_the_one_before_is_used(tmp_path):
    saved(tmp_path, {1: None, 2: None})
    params = tmp_path / "checkpoints" / "2" / "params"
    [data] = [p for p in params.rglob("d/*") if p.stat().st_size > 0][:1]
    data.unlink()
    restored, skipped = restore_newest(tmp_path, TREES)
    assert restored and restored.step == 1
    assert len(skipped) == 1 and "checkpoint 2" in skipped[0]
    saved(tmp_path, {2: None})  # a run that goes on from 1 comes to 2 again
    restored, _ = restore_newest(tmp_path, TREES)
    assert restored and restored.step == 2
    assert len(list((tmp_path / "damaged").iterdir())) == 1


def test_a_damaged_checkpoint_hides_no_other(tmp_path):
    saved(tmp_path, {1: 1.0, 2: 2.0, 3: 3.0})
    (tmp_path / "checkpoints" / "1" / "_CHECKPOINT_METADATA").write_text("{")
    with pytest.raises(UserError, match="checkpoint 1 of .* use another, of step 3"):
        choose_step(tmp_path)  # it may have been the best
    (tmp_path / "checkpoints" / "3" / "_CHECKPOINT_METADATA").write_text("{")
    step, newest = metadata.read_newest(tmp_path)
    assert (step, newest["notes"]) == (2, {"at": 2})
    with pytest.raises(UserError, match="checkpoint 3 of .* is damaged"):
        restore(tmp_path, 3, TREES)


def test_a_save_that_would_be_dropped_is_an_error(tmp_path):
    saved(tmp_path, {5: None})
    with pytest.raises(UserError, match="there is a later one"):
        saved(tmp_path, {3: None})


def test_changed_numbers_are_noticed(tmp_path):
    saved(tmp_path, {1: None})
    path = tmp_path / "checkpoints" / "1" / "_CHECKPOINT_METADATA"
    text = path.read_text()
    digest = tree_sha256(TREES["params"])
    assert digest in text
    path.write_text(text.replace(digest, "0" * 64))
    with pytest.raises(UserError, match="_CHECKPOINT_METADATA is not what was saved"):
        restore(tmp_path, 1, TREES)
    (path.parent / "SHA256SUMS").unlink()  # killed just before it was written
    with pytest.raises(UserError, match="is damaged: params is not what was saved"):
        restore(tmp_path, 1, TREES)


def test_the_sums_of_a_folder_know_each_file(tmp_path):
    (tmp_path / "a" / "b").mkdir(parents=True)
    for name in ("a/x", "a/b/y"):
        (tmp_path / name).write_text(name)
    assert changed_files(tmp_path / "a") == []  # it has no sums
    write_checksums(tmp_path / "a")
    check = ["sha256sum", "--check", "--quiet", "SHA256SUMS"]
    assert subprocess.run(check, cwd=tmp_path / "a").returncode == 0
    assert changed_files(tmp_path / "a") == []
    (tmp_path / "a" / "b" / "y").write_text("a/b/z")
    assert changed_files(tmp_path / "a") == ["b/y"]
    (tmp_path / "a" / "b" / "y").unlink()
    assert changed_files(tmp_path / "a") == ["b/y"]
    (tmp_path / "a" / "SHA256SUMS").write_bytes(b"\xff")
    assert changed_files(tmp_path / "a") == ["SHA256SUMS"]
    os.mkfifo(tmp_path / "a" / "pipe")  # from which one would read for ever
    assert changed_files(tmp_path / "a") == ["pipe"]


def test_a_digest_knows_names_types_shapes_and_values():
    w = np.arange(6.0, dtype=np.float32)
    different = [
        {"w": w},
        {"v": w},
        {"w": w.astype(np.float64)},
        {"w": w.reshape(2, 3)},
        {"w": w + 1},
        {"w": w, "b": w},
    ]
    assert len({tree_sha256(tree) for tree in different}) == len(different)


def as_format_99(checkpoint):
    """A checkpoint as a charlm that is to come may write it."""
    path = checkpoint / "_CHECKPOINT_METADATA"
    read = json.loads(path.read_text())
    read["custom_metadata"] |= {"format": 99, "charlm": "7.8"}
    path.write_text(json.dumps(read))
    write_checksums(checkpoint)


def test_a_checkpoint_of_the_first_charlm_is_read(tmp_path):
    """It had neither sums of its files nor the name of its release."""
    saved(tmp_path, {1: None})
    path = tmp_path / "checkpoints" / "1" / "_CHECKPOINT_METADATA"
    (path.parent / "SHA256SUMS").unlink()
    read = json.loads(path.read_text())
    del read["custom_metadata"]["charlm"]
    path.write_text(json.dumps(read))
    assert restore(tmp_path, 1, TREES).notes == {"at": 1}


def test_a_checkpoint_of_another_format_is_refused(tmp_path):
    saved(tmp_path, {1: None})
    as_format_99(tmp_path / "checkpoints" / "1")
    with pytest.raises(UserError, match="format 99"):
        restore(tmp_path, 1, TREES)
    saved(tmp_path, {2: None})
    as_format_99(tmp_path / "checkpoints" / "2")
    before = files(tmp_path)
    with pytest.raises(UserError, match="2 of .* written by charlm 7.8 in format 99"):
        restore_newest(tmp_path, TREES)  # it is no damaged one, to be passed over
    assert files(tmp_path) == before


def test_looking_for_a_checkpoint_creates_nothing(tmp_path):
    with pytest.raises(UserError, match="has no checkpoint"):
        choose_step(tmp_path / "absent")
    assert files(tmp_path) == []


def test_metrics_are_json_lines(tmp_path):
    logs = Logs(tmp_path)
    logs.write({"step": 1, "split": "train", "nats_per_char": 2.0})
    logs.write({"step": 2, "split": "valid", "nats_per_char": float("nan")})
    logs.close()
    first, second = (tmp_path / "metrics.jsonl").read_text().splitlines()
    assert json.loads(first)["nats_per_char"] == 2.0
    assert json.loads(second)["nats_per_char"] is None


def test_metrics_are_cut_at_the_first_later_step_or_a_broken_last_line(tmp_path):
    path = tmp_path / "metrics.jsonl"
    kept = '\r# my\r note\n{"step": 1}\n# my \u2028note\n{"step": 2}\n[1]\n'
    for rest in ('{"step": 3}\n{"step": 4}\n', '{"step": 2, "na', ""):
        path.write_bytes((kept + rest).encode())
        Logs(tmp_path, step=2).close()
        assert read_metrics(tmp_path) == [{"step": 1}, {"step": 2}]
        assert path.read_bytes() == kept.encode()


def test_samples_are_cut_at_the_first_later_step(tmp_path):
    logs = Logs(tmp_path)
    logs.write_sample("step 5, epoch 0.10", "=== a text that begins like a title")
    logs.write_sample("step 10, epoch 0.20", "abc")
    before = (tmp_path / "samples.txt").read_bytes()
    logs.write_sample("step 15, epoch 0.30", "def")
    logs.close()
    Logs(tmp_path, step=10).close()
    assert (tmp_path / "samples.txt").read_bytes() == before


def test_tensorboard_gets_the_same_numbers(tmp_path):
    pytest.importorskip("tensorboardX", reason="the tensorboard extra is not installed")
    logs = Logs(tmp_path)
    logs.write({"step": 1, "split": "train", "nats_per_char": 2.0})
    logs.close()
    [events] = (tmp_path / "tensorboard").iterdir()
    assert b"train/nats_per_char" in events.read_bytes()


def test_tensorboard_takes_no_pytorch_along(tmp_path):
    """Which may be installed, and takes seconds; afterwards it is there as it was."""
    pytest.importorskip("tensorboardX", reason="the tensorboard extra is not installed")
    (tmp_path / "torch.py").write_text("imported = True")
    code = (
        "import pathlib, sys\n"
        "from charlm.workdir.metrics import Logs\n"
        f"Logs(pathlib.Path({str(tmp_path)!r})).close()\n"
        "assert 'tensorboardX' in sys.modules and 'torch' not in sys.modules\n"
        "import torch\n"
        "assert torch.imported\n"
    )
    path = os.pathsep.join([str(tmp_path), *filter(None, sys.path)])
    env = os.environ | {"PYTHONPATH": path}
    subprocess.run([sys.executable, "-c", code], check=True, env=env)


MODEL = {"cell": "gru", "layers": 1, "features": 4}


def test_load_model_needs_the_workdir_alone(tmp_path):
    vocab = Vocab.of("abc")
    lm = make_language_model(vocab_size=3, **MODEL)
    params = draw_params(lm)
    config = RunConfig.from_dict({"model": MODEL})
    write_model_files(tmp_path, config=config, vocab=vocab)
    save(tmp_path, 5, {"params": params}, notes={})
    loaded = load_model(tmp_path)
    assert loaded.vocab == vocab
    assert tree_sha256(loaded.params) == tree_sha256(params)
    ids = np.zeros((2, 1), np.int32)
    np.testing.assert_array_equal(
        jax.jit(loaded.lm.unroll)(loaded.params, loaded.lm.initial_carry(1), ids)[1],
        jax.jit(lm.unroll)(params, lm.initial_carry(1), ids)[1],
    )


@pytest.mark.parametrize(
    "config, message",
    [
        ('{"model": {"cell": "lstm"', "cannot be read"),
        ("[]", "it holds no JSON object"),
        ('{"model": 3}', "model is 3; it must be a section"),
        ("[" * 100_000, "cannot be read"),
        ('{"model": {"layers": "2"}}', "model.layers is '2'; it must be an integer"),
        ('{"model": {"dropout": true}}', "model.dropout is True; it must be a number"),
        ('{"model": {"size": 3}}', "the config has no model.size"),
        ('{"model": {"layers": 0}}', "model.layers is 0"),
        ('{"model": {"cell": "custom"}}', "a cell of its own"),
    ],
)
def test_configs_that_are_none(tmp_path, config, message):
    write_model_files(tmp_path, config=RunConfig(), vocab=Vocab.of("abc"))
    (tmp_path / "config.json").write_text(config)
    with pytest.raises(UserError, match=message):
        load_model(tmp_path)


def test_a_bundle_that_cannot_be_written_leaves_nothing_beside(tmp_path):
    (tmp_path / "vocab.json").mkdir()
    with pytest.raises(UserError, match="cannot be written"):
        write_model_files(tmp_path, config=RunConfig(), vocab=Vocab.of("ab"))
    assert not list(tmp_path.glob("*.tmp"))


def test_a_folder_that_is_no_workdir(tmp_path):
    with pytest.raises(UserError, match="is it the workdir of a run"):
        load_model(tmp_path)
    with pytest.raises(UserError, match="there is no workdir"):
        load_model(tmp_path / "absent")
    write_model_files(tmp_path, config=RunConfig(seed=7), vocab=Vocab.of("ab"))
    assert read_config(tmp_path) == RunConfig(seed=7)


def test_configs_of_earlier_releases_are_read(tmp_path):
    write_model_files(tmp_path, config=RunConfig(), vocab=Vocab.of("ab"))
    old = {
        "sha256": "0" * 64,
        "model": {"initialiser": "torch_rnn", "dtype": "tf32"},
        "train": {"an_option_of_a_later_release": 1},
    }
    (tmp_path / "config.json").write_text(json.dumps(old))
    config = read_config(tmp_path)
    assert config.model.initializer == "torch_rnn"
    assert (config.model.dtype, config.model.precision) == ("float32", "tf32")
