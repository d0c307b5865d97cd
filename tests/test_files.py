"""The cache folder, file locks and atomic writes."""

import errno
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from conftest import files
from filelock import Timeout

from charlm.files import atomic_file, get_cache_folder, lock_file

HOLD = """
import sys, time
from pathlib import Path
from charlm.files import lock_file
with lock_file(Path(sys.argv[1])):
    print("locked", flush=True)
    time.sleep(60)
"""


def test_the_cache_folder_is_that_of_its_variable(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    monkeypatch.setenv("CHARLM_CACHE", str(tmp_path / "own"))
    assert get_cache_folder() == tmp_path / "own"


@pytest.mark.skipif(sys.platform != "linux", reason="the folders are Linux's")
def test_the_cache_folder_without_its_variable(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    monkeypatch.delenv("CHARLM_CACHE")
    assert get_cache_folder() == tmp_path / "xdg" / "charlm"
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert get_cache_folder() == Path.home() / ".cache" / "charlm"


def test_the_lock_of_a_killed_process_keeps_nobody_out(tmp_path):
    path = tmp_path / "lock"
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(path)], stdout=subprocess.PIPE
    )
    assert process.stdout and process.stdout.readline() == b"locked\n"
    with pytest.raises(Timeout), lock_file(path, timeout=0):
        pass
    process.kill()
    process.communicate()
    assert path.exists()
    with lock_file(path, timeout=0):
        pass
    assert files(tmp_path) == {}


def test_one_at_a_time_although_the_lock_file_is_removed(tmp_path):
    path, holders, most = tmp_path / "lock", [], []

    def hold():
        for _ in range(20):
            with lock_file(path):
                holders.append(path.exists())
                most.append(len(holders))
                time.sleep(0.001)
                assert holders.pop()

    threads = [threading.Thread(target=hold) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == [1] * 80 and files(tmp_path) == {}


@pytest.mark.parametrize("code", [errno.ENOSYS, errno.ENOTSUP, errno.ENOLCK])
def test_a_file_system_without_locks_keeps_nobody_out(tmp_path, monkeypatch, code):
    def fail(*_):
        raise OSError(code, "no locks")

    monkeypatch.setattr("fcntl.flock", fail)
    (tmp_path / "lock").write_text("of a process that was killed")
    with lock_file(tmp_path / "lock"), lock_file(tmp_path / "lock"):
        pass
    assert files(tmp_path) == {}


def test_a_file_is_replaced_whole_or_not_at_all(tmp_path):
    path = tmp_path / "file"
    path.write_text("old")
    with pytest.raises(RuntimeError), atomic_file(path) as temporary:
        temporary.write_text("half")
        raise RuntimeError
    assert files(tmp_path) == {path: b"old"}
    with atomic_file(path) as temporary:
        temporary.write_text("new")
    assert files(tmp_path) == {path: b"new"}
