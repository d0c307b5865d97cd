"""What other programs and systems have set: JAX's settings, file systems, devices."""

import errno
import os
import stat
from pathlib import Path
from typing import Any

import jax
import numpy as np
import optax
import pytest
from conftest import MADE_TEXT, door, refused, train, train_flags

import charlm
from charlm import files
from charlm.errors import UserError
from charlm.model import jax_setup
from charlm.workdir.checkpoints import restore_newest
from charlm.workdir.metadata import UnreadableCheckpoint, read_metadata

config: Any = jax.config  # whose attributes no checker knows
# Each was seen to break something, or would change the numbers.
SETTINGS = {
    "jax_enable_x64": True,
    "jax_numpy_rank_promotion": "raise",
    "jax_numpy_dtype_promotion": "strict",
    "jax_transfer_guard": "disallow",
    "jax_debug_nans": True,
    "jax_default_prng_impl": "rbg",
    "jax_threefry_partitionable": False,
    "jax_default_matmul_precision": "bfloat16",
    "jax_debug_key_reuse": True,
}


@pytest.fixture
def setting(request):
    """Sets one of JAX's settings, for all threads of this process."""
    before = getattr(config, request.param)
    jax.config.update(request.param, SETTINGS[request.param])
    yield request.param
    jax.config.update(request.param, before)


def compute_all(folder: Path) -> dict:
    """Returns what the functions of a notebook compute for a run."""
    model = charlm.load_model(folder / "run")
    text = MADE_TEXT[:300]
    return {
        "text": model.generate("the ", length=30),
        "narrow": model.generate("the ", length=30, top_k=3, seed=1),
        "stream": "".join(charlm.generate_stream(model, "the ", length=30)),
        "nats": model.score(text),
        "page": len(model.show(text, search=0).html),
        "activations": np.asarray(
            charlm.record_activations(model, text).nats
        ).tobytes(),
    }


@pytest.fixture(scope="module")
def expected(trained):
    return compute_all(trained)


@pytest.mark.parametrize("setting", SETTINGS, indirect=True)
def test_a_setting_of_jax_changes_nothing(trained, expected, setting):
    assert compute_all(trained) == expected


@pytest.mark.parametrize(
    "setting",
    ["jax_enable_x64", "jax_transfer_guard", "jax_debug_key_reuse"],
    indirect=True,
)
def test_training_is_the_same_whatever_the_settings(tmp_path, setting):
    """By charlm.fit, in a program that has set something, and in one that has not."""
    (tmp_path / "text.txt").write_text(MADE_TEXT)
    options: Any = dict(steps=6, features=8, layers=1, batch_size=4, seq_length=10)
    options |= {"checkpoint_every": 3, "schedule": "constant", "progress": False}
    one = charlm.fit(tmp_path / "text.txt", tmp_path / "one", **options)
    jax.config.update("jax_enable_x64", False)
    jax.config.update("jax_transfer_guard", "allow")
    jax.config.update("jax_debug_key_reuse", False)
    two = charlm.fit(tmp_path / "text.txt", tmp_path / "two", **options)
    leaves = zip(jax.tree.leaves(one.params), jax.tree.leaves(two.params), strict=True)
    assert all(np.array_equal(a, b) for a, b in leaves)
    charlm.fit(tmp_path / "text.txt", tmp_path / "one", **options | {"steps": 8})


@pytest.mark.parametrize("setting", ["jax_enable_x64"], indirect=True)
@pytest.mark.parametrize("cell", ["lstm", "gru", "rnn"])
@pytest.mark.parametrize("initializer", ["char_rnn", "torch_rnn"])
def test_parameters_and_states_have_a_type_of_their_own(setting, cell, initializer):
    """In a loop of one's own, with 64-bit numbers switched on."""
    sizes: Any = dict(vocab_size=5, layers=2, features=8, embedding=4)
    lm = charlm.make_language_model(cell=cell, initializer=initializer, **sizes)
    streams = charlm.Streams(np.arange(400) % 5, batch_size=4, seq_length=6)
    optimizer = optax.adam(1e-3)
    state = charlm.init_state(lm, optimizer, batch_size=4)
    step = jax.jit(charlm.make_train_step(lm, optimizer))
    state, _ = step(state, streams[0])
    state, metrics = step(state, streams[1])
    for tree in (state.params, state.carry, metrics):
        assert {leaf.dtype for leaf in jax.tree.leaves(tree)} == {np.dtype("float32")}
    assert state.step.dtype == np.int32


def test_a_process_of_charlm_adds_nothing_to_its_seeds(trained):
    """JAX adds jax_random_seed_offset to the seed of each key."""
    expected = door("sample", trained / "run").stdout
    jax.config.update("jax_random_seed_offset", 1)
    try:
        assert door("sample", trained / "run").stdout == expected
    finally:
        jax.config.update("jax_random_seed_offset", 0)


def test_an_iterator_leaves_the_settings_of_its_caller_alone():
    seen = []

    def items():
        seen.append(config.jax_enable_x64)
        yield 1
        seen.append(config.jax_enable_x64)

    jax.config.update("jax_enable_x64", True)
    try:
        assert [config.jax_enable_x64 for _ in jax_setup.iterate(items())] == [True]
    finally:
        jax.config.update("jax_enable_x64", False)
    assert seen == [False, False]


def test_a_platform_that_is_not_there_is_one_line(monkeypatch, trained):
    def fail():
        raise RuntimeError("Unable to initialize backend 'cuda'")

    monkeypatch.setattr(jax, "local_devices", fail)
    refused(door("sample", trained / "run"), "JAX finds no such device")
    monkeypatch.setenv("JAX_PLATFORM_NAME", "gpu")
    refused(door("sample", trained / "run"), "JAX_PLATFORM_NAME is 'gpu'")


def test_an_accelerator_that_jax_does_not_use_is_told(tmp_path, monkeypatch):
    kinds = (((str(tmp_path / "none"),), "a TPU", "tpu"), ((str(tmp_path),), "X", "x"))
    monkeypatch.setattr(jax_setup, "ACCELERATORS", kinds)
    platforms = config.jax_platforms
    try:
        jax.config.update("jax_platforms", None)
        line = jax_setup.describe_unused_accelerator()
        assert (
            line.startswith("X is on this machine") and "pip install 'jax[x]==" in line
        )
        jax.config.update("jax_platforms", "cpu")  # that is what its user wants
        assert jax_setup.describe_unused_accelerator() == ""
    finally:
        jax.config.update("jax_platforms", platforms)


def test_a_file_system_that_cannot_sync_folders_loses_nothing(
    tmp_path, text_file, monkeypatch
):
    """Network and virtual file systems answer EINVAL."""
    folders = []

    def fsync(descriptor):
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            folders.append(descriptor)
            raise OSError(errno.EINVAL, "Invalid argument")

    monkeypatch.setattr(os, "fsync", fsync)
    done = train(text_file, tmp_path / "run")
    assert done.returncode == 0 and folders, done.stderr

    def fail(descriptor):
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match="Input/output"):  # that is no such system
        files.atomic_write(tmp_path / "x", "x")


@pytest.mark.parametrize("error", [errno.EACCES, errno.EMFILE, errno.ESTALE])
def test_a_checkpoint_that_cannot_be_read_here_is_not_called_damaged(
    trained, monkeypatch, error
):
    path = trained / "run" / "checkpoints" / "40"

    def fail(name):
        raise OSError(error, os.strerror(error), name)

    monkeypatch.setattr(files, "file_sha256", fail)
    with pytest.raises(UnreadableCheckpoint, match="may well be whole"):
        read_metadata(path)
    with pytest.raises(UnreadableCheckpoint):
        restore_newest(trained / "run", {})
    assert path.is_dir() and not (trained / "run" / "damaged").exists()
    done = door("sample", trained / "run")
    refused(done, os.strerror(error))
    assert "damaged" not in done.stderr


@pytest.mark.skipif(
    not hasattr(os, "getuid") or os.getuid() == 0, reason="root may read everything"
)
def test_folders_without_permission_are_not_called_damaged(trained):
    path = trained / "run" / "checkpoints" / "40"
    folder = next(entry for entry in path.iterdir() if entry.is_dir())
    folder.chmod(0)
    try:
        with pytest.raises(UnreadableCheckpoint):
            read_metadata(path)
    finally:
        folder.chmod(0o755)


@pytest.mark.parametrize("where", ["--workdir", "--config.data.path", "text"])
def test_a_tilde_is_the_home_folder(tmp_path, monkeypatch, where):
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("USERPROFILE", str(tmp_path / "home"))
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "my.txt").write_text(MADE_TEXT)
    flags = train_flags(Path("~/my.txt"), Path("~/run"), train__steps=2)
    if where == "text":
        flags = [f for f in flags if "data.path" not in f] + ["~/my.txt"]
    done = door("train", *flags, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "home" / "run" / "config.json").exists()
    assert [path.name for path in tmp_path.iterdir()] == ["home"]
    model = charlm.load_model("~/run")
    assert model.generate(length=3)
    assert door("score", "~/run", "~/my.txt").returncode == 0


@pytest.mark.parametrize("address", ["gs://bucket/x", "s3://b/x", "https://a.b/c"])
def test_an_address_is_no_path(tmp_path, text_file, address):
    flags = train_flags(text_file, tmp_path / "run")
    refused(
        door("train", *flags, f"--workdir={address}", cwd=tmp_path), "is an address"
    )
    refused(
        door("train", *flags, f"--config.data.path={address}", cwd=tmp_path),
        "is an address",
    )
    refused(door("sample", address, cwd=tmp_path), "is an address")
    with pytest.raises(UserError, match="is an address"):
        charlm.fit(text_file, address)
    with pytest.raises(UserError, match="is an address"):
        charlm.load_model(address)
    assert [path.name for path in tmp_path.iterdir()] == ["text.txt"]
