"""How JAX is configured for a machine, and what is known of its devices."""

import os
import stat
import subprocess
import sys

import jax
import pytest
from conftest import door_process, train_flags

from charlm.errors import UserError
from charlm.model import jax_setup, sharding


def without_cache_variable():
    names = ("JAX_COMPILATION_CACHE_DIR", "XLA_FLAGS", "JAX_NUM_CPU_DEVICES")
    return {name: value for name, value in os.environ.items() if name not in names}


# Of a run that scores no text and draws no sample there is little to compile.
LITTLE = {
    "model__cell": "rnn",
    "data__split": "(1.0,)",
    "train__sample_length": 0,
    "train__steps": 10,
}


def test_compiled_programs_are_kept_for_the_user_alone_and_used_again(
    tmp_path, text_file
):
    folder = tmp_path / "cache" / "compiled"
    environment = without_cache_variable() | {"CHARLM_CACHE": str(folder.parent)}
    kept = []
    for number in (1, 2):
        flags = train_flags(text_file, tmp_path / f"run{number}", **LITTLE)
        done = door_process("train", *flags, env=environment)
        assert done.returncode == 0, done.stderr
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        names = {path.name for path in folder.iterdir() if "atime" not in path.name}
        assert any(name.startswith("jit_train_steps") for name in names)
        kept.append(names)
    assert kept[0] == kept[1]


def test_where_programs_cannot_be_kept_they_are_compiled_every_time(
    tmp_path, text_file
):
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache" / "compiled").write_text("a file, where the folder would be")
    environment = without_cache_variable() | {"CHARLM_CACHE": str(tmp_path / "cache")}
    flags = train_flags(text_file, tmp_path / "run", **LITTLE)
    done = door_process("train", *flags, env=environment)
    assert done.returncode == 0 and "error" not in done.stderr, done.stderr


def test_the_users_own_options_of_xla_stay(monkeypatch):
    monkeypatch.setenv("XLA_FLAGS", "--xla_dump_to=/nowhere")
    monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", ":16:8")
    monkeypatch.delenv("XLA_PYTHON_CLIENT_PREALLOCATE", raising=False)
    jax_setup.set_environment()
    jax_setup.set_environment()
    ours = " ".join(jax_setup.XLA_FLAGS)
    assert os.environ["XLA_FLAGS"] == f"--xla_dump_to=/nowhere {ours}"
    assert os.environ["CUBLAS_WORKSPACE_CONFIG"] == ":16:8"
    assert os.environ["XLA_PYTHON_CLIENT_PREALLOCATE"] == "false"
    theirs = "--xla_backend_extra_options=mine --xla_gpu_autotune_level=4"
    monkeypatch.setenv("XLA_FLAGS", theirs)
    jax_setup.set_environment()
    assert os.environ["XLA_FLAGS"] == " ".join([theirs, *jax_setup.XLA_FLAGS[2:]])


def test_a_process_has_the_cores_that_it_may_use():
    assert 1 <= sharding.count_cores() <= (os.cpu_count() or 1)


def test_one_gpu_is_asked_for_and_its_memory_is_not_taken_ahead(tmp_path):
    """As JAX will read it when a backend starts; JAX takes both for all GPUs if not."""
    code = """
import os, jax
from charlm.model.jax_setup import configure_jax
configure_jax()
print(jax.config.values["jax_cuda_visible_devices"])
print(os.environ["XLA_PYTHON_CLIENT_PREALLOCATE"], len(jax.devices()) > 0)
"""
    environment = without_cache_variable() | {"CHARLM_CACHE": str(tmp_path / "cache")}
    environment.pop("XLA_PYTHON_CLIENT_PREALLOCATE", None)
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True
    )
    assert done.stdout.split() == ["0", "false", "True"], done.stderr


def test_several_processes_are_refused_in_one_line(monkeypatch):
    monkeypatch.setattr(jax, "process_count", lambda: 4)
    with pytest.raises(UserError, match="one of 4 processes.* start a single process"):
        sharding.make_mesh(8)


def test_a_device_says_how_much_it_holds():
    class Device:
        def __init__(self, stats):
            self.memory_stats = lambda: stats

    assert sharding.get_memory(Device({"bytes_limit": 80 << 30})) == 80 << 30
    assert sharding.get_memory(Device(None)) == sharding.get_memory(Device({})) == 0
    assert sharding.get_memory() == 0  # a CPU does not say
