"""What the tests share: made texts, tiny configs, front doors run as by a user."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import hypothesis
import pytest
from jaxtyping import install_import_hook

install_import_hook("charlm", "typecheck.typechecker")
hypothesis.settings.register_profile("no clock", deadline=None)
hypothesis.settings.load_profile("no clock")

ROOT = Path(__file__).parent.parent
REAL_DATA = os.environ.get("CHARLM_DATA")


# What one test compiled, others and the front doors they run need not compile again.
COMPILED = tempfile.TemporaryDirectory(prefix="charlm-compiled-")
os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", COMPILED.name)
os.environ["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"] = "0"
os.environ["JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES"] = "-1"


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory, monkeypatch):
    """Every test has a cache of its own, and no corpora but those it makes."""
    monkeypatch.setenv("CHARLM_CACHE", str(tmp_path_factory.mktemp("cache")))
    monkeypatch.delenv("CHARLM_DATA", raising=False)


@pytest.fixture
def text_file(tmp_path):
    """A made text of 20,000 characters that a small net learns quickly."""
    words = ["the cat ", "sat on ", "a mat.\n", "The dog ", "ran to ", "the sea.\n"]
    path = tmp_path / "text.txt"
    path.write_text("".join(words[(n * 7919 >> 3) % 6] for n in range(3000))[:20_000])
    return path


@pytest.fixture
def real_data():
    """The folder of real corpora; the test is skipped where there is none."""
    if not REAL_DATA or not Path(REAL_DATA).is_dir():
        pytest.skip("CHARLM_DATA names no folder of real corpora")
    return Path(REAL_DATA)


SMALL = {
    "model.features": 16,
    "model.layers": 1,
    "train.batch_size": 4,
    "train.seq_length": 10,
    "train.steps": 40,
    "train.log_every": 10,
    "train.eval_every": 20,
    "train.checkpoint_every": 20,
    "train.sample_every": 20,
    "train.sample_length": 20,
    "optim.schedule": "constant",
}


def command(door: str, *flags: str) -> list[str]:
    """The command line of a front door."""
    return [sys.executable, "-m", f"charlm.{door}", *flags]


def door(name: str, *flags: str, cwd: Path = ROOT, **kwargs):
    """Runs a front door to its end, as a user would."""
    return subprocess.run(
        command(name, *flags),
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=300,
        **kwargs,
    )


def train_flags(text: Path, workdir: Path, **knobs) -> list[str]:
    """The flags of a small run on a text; knobs are config names with __ for dots."""
    values = SMALL | {name.replace("__", "."): value for name, value in knobs.items()}
    return [
        f"--config={ROOT}/configs/text.py",
        f"--config.data.path={text}",
        f"--workdir={workdir}",
        *(f"--config.{name}={value}" for name, value in values.items()),
    ]
