"""charlm.train as a process that is stopped by SIGINT, as a user stops it."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from experiments.gpu.stage import ROOT

GRACE = 15.0  # seconds to save in, after SIGINT
POLL = 0.05


def start_training(
    config: str, workdir: Path, log: Path, *flags: str, **environment: str
) -> subprocess.Popen:
    """Starts charlm.train in the group of this process.

    Args:
      config: configs/NAME.py or configs/NAME.py:VARIANT, without the folder.
      workdir: of the run.
      log: takes what it says.
      flags: more of charlm.train's.
      environment: more variables.
    """
    command = [sys.executable, "-m", "charlm.train", f"--config=configs/{config}"]
    with log.open("ab") as file:
        return subprocess.Popen(
            [*command, f"--workdir={workdir}", *flags],
            cwd=ROOT,
            env={**os.environ, **environment},
            stdout=file,
            stderr=subprocess.STDOUT,
        )


def wait_until(process: subprocess.Popen, is_time: Callable[[], bool]) -> str:
    """Waits for a run to end; when it is time, interrupts it so that it saves.

    Returns:
      "done", "stopped", "failed", or "killed" if it did not end after SIGINT.
    """
    while process.poll() is None:
        if is_time():
            return _interrupt(process)
        time.sleep(POLL)
    return "failed" if process.returncode else "done"


def _interrupt(process: subprocess.Popen) -> str:
    process.send_signal(signal.SIGINT)
    try:
        code = process.wait(GRACE)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        return "killed"
    if code == 128 + signal.SIGINT:
        return "stopped"
    return "failed" if code else "done"
