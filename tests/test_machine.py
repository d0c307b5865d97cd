"""What the front doors tell JAX of the machine."""

import os
import stat

from conftest import door, train_flags

from charlm.doors import machine


def without_cache_variable():
    names = ("JAX_COMPILATION_CACHE_DIR", "XLA_FLAGS", "JAX_NUM_CPU_DEVICES")
    return {name: value for name, value in os.environ.items() if name not in names}


def test_compiled_programs_are_kept_for_the_user_alone_and_used_again(
    tmp_path, text_file
):
    folder = tmp_path / "cache" / "compiled"
    environment = without_cache_variable() | {"CHARLM_CACHE": str(folder.parent)}
    kept = []
    for number in (1, 2):
        flags = train_flags(text_file, tmp_path / f"run{number}")
        done = door("train", *flags, env=environment)
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
    flags = train_flags(text_file, tmp_path / "run")
    done = door("train", *flags, env=environment)
    assert done.returncode == 0 and "error" not in done.stderr, done.stderr


def test_the_users_own_options_of_xla_stay(monkeypatch):
    monkeypatch.setenv("XLA_FLAGS", "--xla_dump_to=/nowhere")
    machine.use_fusion()
    machine.use_fusion()
    assert os.environ["XLA_FLAGS"] == f"--xla_dump_to=/nowhere {machine.XLA_OPTION}"
    monkeypatch.setenv("XLA_FLAGS", "--xla_backend_extra_options=mine")
    machine.use_fusion()
    assert os.environ["XLA_FLAGS"] == "--xla_backend_extra_options=mine"


def test_a_process_has_the_cores_that_it_may_use():
    assert 1 <= machine.available_cores() <= (os.cpu_count() or 1)
