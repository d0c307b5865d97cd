"""A stage: a process with a deadline, which reports each finding at once.

python -m experiments.gpu.stage JOB runs one in this process; JOB is a Job in JSON.
"""

import contextlib
import importlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, NamedTuple

from experiments.gpu.plan import Plan, get_plan

ROOT = Path(__file__).parent.parent.parent
RESULTS = "results.jsonl"
LOGS = "logs"  # below the folder of runs


class Job(NamedTuple):
    """What a stage is given.

    Attributes:
      stage: its name, which is that of a module of this folder.
      output: the folder that comes back.
      runs: the folder of workdirs and logs.
      seconds: how long it may take.
      smoke: whether this is a rehearsal.
    """

    stage: str
    output: str
    runs: str
    seconds: float
    smoke: bool

    @property
    def plan(self) -> Plan:
        return get_plan(self.smoke)

    @property
    def folder(self) -> Path:
        """The folder of runs."""
        return Path(self.runs)

    @property
    def output_folder(self) -> Path:
        return Path(self.output)

    @property
    def logs(self) -> Path:
        return self.folder / LOGS

    def report(self, **finding: Any) -> None:
        """Appends a line to the results, and prints one to be read."""
        line = json.dumps({"stage": self.stage, **finding}) + "\n"
        with (self.output_folder / RESULTS).open("a", encoding="utf-8") as file:
            file.write(line)
        # In one piece: processes that report at once share the output.
        print(f"{self.stage:8} {describe(finding)}\n", end="", flush=True)

    def command(self, module: str, *more: str) -> list[str]:
        """Returns the command line of a module of this folder that is given this."""
        job = json.dumps(self._asdict())
        return [sys.executable, "-m", f"experiments.gpu.{module}", job, *more]


def describe(finding: dict[str, Any]) -> str:
    """Returns a finding as words; lists are left to the results."""
    shown = {key: value for key, value in finding.items() if type(value) is not list}
    return ", ".join(
        f"{key} {value:.4g}" if isinstance(value, float) else f"{key} {value}"
        for key, value in shown.items()
    )


def read_job(word: str) -> Job:
    """Returns the job of a command line."""
    return Job(**json.loads(word))


def read_results(output: str | Path) -> list[dict[str, Any]]:
    """Returns all findings so far, in order."""
    lines = (Path(output) / RESULTS).read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


def run_stage(job: Job, environment: dict[str, str]) -> str:
    """Runs a stage in a process group of its own, which ends by the deadline.

    Returns:
      "done", "failed" or "deadline", which is reported too.
    """
    job.logs.mkdir(parents=True, exist_ok=True)
    log, began = job.logs / f"{job.stage}.log", time.monotonic()
    with log.open("wb") as errors:
        process = subprocess.Popen(
            job.command("stage"),
            cwd=ROOT,
            env=environment,
            stderr=errors,
            start_new_session=True,
        )
    why = {}
    try:
        status = "failed" if process.wait(job.seconds) else "done"
        if status == "failed":
            why = {"error": read_last_line(log)}
    except subprocess.TimeoutExpired:
        status = "deadline"
    finally:
        with contextlib.suppress(ProcessLookupError):  # all of it has ended
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    job.report(status=status, took=round(time.monotonic() - began, 1), **why)
    return status


def read_last_line(log: Path) -> str:
    """Returns the last line of a log that is not empty, or "" if there is none."""
    lines = log.read_text(encoding="utf-8", errors="replace").split("\n")
    return next((line[:300] for line in reversed(lines) if line.strip()), "")


def hear_interrupts() -> None:
    """Lets SIGINT reach the processes started from now on, also below a shell's `&`."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


if __name__ == "__main__":
    hear_interrupts()
    given = read_job(sys.argv[1])
    importlib.import_module(f"experiments.gpu.{given.stage}").run(given)
