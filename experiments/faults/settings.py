"""Runs front doors with settings of JAX, Python and the system in the environment."""

import os
import random
import shlex
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from charlm.workdir.metadata import FOLDER, list_steps
from experiments.faults.children import ROOT, TIMEOUT, Exit, run_door
from experiments.faults.outcome import (
    BUG,
    IDENTICAL,
    REFUSED,
    Tally,
    copy_folder,
    read_result,
    take_snapshot,
)
from experiments.faults.plans import Plan, make_options, write_text

NOWHERE = "/dev/null/none"  # a folder that cannot be made, by root either
# Variables that may change no result. The folder of HOME is not there either.
SETTINGS = [
    "JAX_ENABLE_X64=1", "JAX_NUMPY_RANK_PROMOTION=raise",
    "JAX_NUMPY_DTYPE_PROMOTION=strict", "JAX_TRANSFER_GUARD=disallow",
    "JAX_TRANSFER_GUARD=disallow_explicit", "JAX_TRANSFER_GUARD=log",
    "JAX_DEBUG_NANS=1", "JAX_DEBUG_INFS=1", "JAX_DEFAULT_PRNG_IMPL=rbg",
    "JAX_THREEFRY_PARTITIONABLE=0", "JAX_ENABLE_CUSTOM_PRNG=1",
    "JAX_RANDOM_SEED_OFFSET=1", "JAX_LEGACY_PRNG_KEY=error", "JAX_DEBUG_KEY_REUSE=1",
    "JAX_DEFAULT_MATMUL_PRECISION=bfloat16", "JAX_CHECK_TRACER_LEAKS=1",
    "JAX_ENABLE_CHECKS=1", "JAX_LOG_COMPILES=1", "JAX_LOGGING_LEVEL=DEBUG",
    "JAX_EXPLAIN_CACHE_MISSES=1", "JAX_TRACEBACK_FILTERING=off",
    f"JAX_COMPILATION_CACHE_DIR={NOWHERE}", "JAX_RAISE_PERSISTENT_CACHE_ERRORS=1",
    "JAX_ENABLE_COMPILATION_CACHE=0", "JAX_PLATFORMS=", "JAX_PLATFORMS=cpu",
    "JAX_NUM_CPU_DEVICES=1", "JAX_NUM_CPU_DEVICES=4",
    "XLA_FLAGS=--xla_force_host_platform_device_count=4", "OMP_NUM_THREADS=1",
    "PYTHONIOENCODING=ascii", "PYTHONIOENCODING=utf-16", "PYTHONUTF8=0",
    "PYTHONWARNINGS=error", "PYTHONOPTIMIZE=2", "PYTHONDEVMODE=1", "PYTHONHASHSEED=1",
    "PYTHONSAFEPATH=1", "LC_ALL=C", "LC_ALL=tr_TR.UTF-8", "LC_ALL=none",
    "TZ=Pacific/Auckland", "TZ=none", "HOME={folder}/home", f"TMPDIR={NOWHERE}",
    "TERM=dumb", "NO_COLOR=1", "COLUMNS=20", "COLUMNS=0", "COLUMNS=x",
]  # fmt: skip
# The platforms that this machine lacks: each is one line of error.
PLATFORMS = [
    "JAX_PLATFORMS=cuda", "JAX_PLATFORMS=gpu", "JAX_PLATFORMS=rocm",
    "JAX_PLATFORMS=tpu", "JAX_PLATFORMS=nonsense", "JAX_PLATFORM_NAME=gpu",
]  # fmt: skip
PLATFORM_SHARE = 0.15  # of the tries that ask for a platform that is not there


def change_settings(times: int, rng: random.Random, folder: Path) -> Tally:
    """Runs a front door with one to three settings, in a process of its own.

    Its result must be that without settings. A platform that is not there must be one
    line. A machine with a GPU or a TPU hides it, as by CUDA_VISIBLE_DEVICES=-1.
    """
    tally = Tally("environment variables")
    path = write_text(folder / "text.txt")
    path.write_text(path.read_text().replace("sea", "été"), encoding="utf-8")
    # Of 32 streams, several devices have a share each.
    plan = Plan(path, make_options(4, 4, 16, **{"train.batch_size": 32}))
    plan.train_undisturbed(folder / "whole")
    stage = folder / "stage"
    commands = make_commands(plan, stage)
    expected = {}
    for _ in range(times):
        name = rng.choice(list(commands))
        settings = draw_settings(rng, folder)
        is_absent = any("=".join(item) in PLATFORMS for item in settings.items())
        if name not in expected:
            prepare(name, folder / "whole", stage)
            expected[name] = read_outcome(name, run_door(*commands[name]), stage)
        prepare(name, folder / "whole", stage)
        before = take_snapshot(stage)
        end = run_process(commands[name], settings)
        if is_absent:
            is_good = is_one_error(end) and take_snapshot(stage) == before
            outcome = REFUSED
        else:
            is_good = read_outcome(name, end, stage) == expected[name]
            outcome = IDENTICAL
        bug = f"{BUG}: {end.status} {end.err[-400:]}"
        tally.add(outcome if is_good else bug, describe(name, commands[name], settings))
    return tally


def draw_settings(rng: random.Random, folder: Path) -> dict[str, str]:
    """Returns one to three variables with values, and maybe a platform."""
    shutil.rmtree(folder / "home", ignore_errors=True)
    drawn = rng.sample(SETTINGS, rng.choice([1, 2, 3]))
    if rng.random() < PLATFORM_SHARE:
        drawn.append(rng.choice(PLATFORMS))
    pairs = (setting.format(folder=folder).partition("=") for setting in drawn)
    return {name: value for name, _, value in pairs}


def make_commands(plan: Plan, stage: Path) -> dict[str, list[str]]:
    """Returns, by name, a front door and its flags for the run in `stage`."""
    run = f"--workdir={stage / 'run'}"
    train = ["train", *plan.make_flags(stage / "run")]
    return {
        "train": train,
        "resume": train,
        "dry run": [*train, "--dry_run"],
        "sample": ["sample", run, "--length=200", "--prompt=the "],
        "score": ["evaluate", run],
        "look": ["visualize", run, f"--output={stage}/page.html", "--characters=500"],
    }


def prepare(name: str, source: Path, stage: Path) -> None:
    """Puts into `stage` what a command needs: the run `source`, or a part of it."""
    shutil.rmtree(stage, ignore_errors=True)
    stage.mkdir()
    if name != "train":
        copy_folder(source, stage / "run")
    if name == "resume":
        checkpoints = stage / "run" / FOLDER
        shutil.rmtree(checkpoints / str(list_steps(checkpoints)[-1]))


def run_process(command: list[str], settings: Mapping[str, str]) -> Exit:
    """Runs a front door in a new interpreter, which reads the settings."""
    environment = os.environ | settings
    if "HOME" in settings:  # the cache is there, if no variable says where
        environment["CHARLM_CACHE"] = environment["XDG_CACHE_HOME"] = ""
    if "XLA_FLAGS" in settings:
        given = os.environ.get("XLA_FLAGS", "")
        environment["XLA_FLAGS"] = f"{given} {settings['XLA_FLAGS']}"
    name, *flags = command
    done = subprocess.run(
        [sys.executable, "-m", f"charlm.{name}", *flags],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        timeout=TIMEOUT,
    )
    out, err = (text.decode("utf-8", "replace") for text in (done.stdout, done.stderr))
    return Exit(done.returncode, out, err)


def read_outcome(name: str, end: Exit, stage: Path) -> Any:
    """Returns what a command made; its exit, if it failed or printed a traceback."""
    if end.status or "Traceback" in end.err:
        return end
    if name in ("train", "resume"):
        return read_result(stage / "run")
    lines = [line for line in end.out.splitlines() if not line.startswith("time: ")]
    return lines, take_snapshot(stage)


def is_one_error(end: Exit) -> bool:
    """Returns whether a front door printed one line of error, besides JAX's own log."""
    errors = [line for line in end.err.splitlines() if line.startswith("error: ")]
    return end.status == 2 and len(errors) == 1 and "Traceback" not in end.err


def describe(name: str, command: list[str], settings: Mapping[str, str]) -> str:
    """Returns a command as a shell takes it."""
    variables = [f"{key}={value}" for key, value in settings.items()]
    door, *flags = command
    words = [*variables, "python", "-m", f"charlm.{door}", *flags]
    return f"{name}: {shlex.join(words)}"
