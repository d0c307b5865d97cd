"""Runs charlm.train in a process that SIGINT stops, as a user stops it."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from experiments.gpu.stage import ROOT

GRACE_SECONDS = 15.0  # in which a run saves after SIGINT
POLL_SECONDS = 0.05


def start_training(
    config: str,
    workdir: Path,
    log: Path,
    *flags: str,
    module: str = "charlm.train",
    **environment: str,
) -> subprocess.Popen:
    """Starts charlm.train in the process group of this process.

    Args:
      config: configs/NAME.py or configs/NAME.py:VARIANT, without the folder.
      workdir: of the run.
      log: for its output.
      flags: more flags of charlm.train.
      module: charlm.train, or one with its flags.
      environment: more variables.
    """
    command = [sys.executable, "-m", module, f"--config=configs/{config}"]
    with log.open("ab") as file:
        return subprocess.Popen(
            [*command, f"--workdir={workdir}", *flags],
            cwd=ROOT,
            env={**os.environ, **environment},
            stdout=file,
            stderr=subprocess.STDOUT,
        )


def wait_until(process: subprocess.Popen, is_due: Callable[[], bool]) -> str:
    """Waits for a run to end, and interrupts it when `is_due`, so that it saves.

    Returns:
      "done", "stopped", "failed", or "killed" if it did not end after SIGINT.
    """
    while process.poll() is None:
        if is_due():
            return _interrupt(process)
        time.sleep(POLL_SECONDS)
    return "failed" if process.returncode else "done"


def _interrupt(process: subprocess.Popen) -> str:
    process.send_signal(signal.SIGINT)
    try:
        code = process.wait(GRACE_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        return "killed"
    if code == 128 + signal.SIGINT:
        return "stopped"
    return "failed" if code else "done"
