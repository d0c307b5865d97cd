"""A stage: a process with a deadline, which reports each result at once.

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
MAX_MESSAGE = 300  # characters of an error that is reported
Result = dict[str, Any]


class Job(NamedTuple):
    """The input of a stage.

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
    def run_folder(self) -> Path:
        return Path(self.runs)

    @property
    def output_folder(self) -> Path:
        return Path(self.output)

    @property
    def logs(self) -> Path:
        return self.run_folder / LOGS

    def report(self, **result: Any) -> None:
        """Appends a line to the results, and prints it in words."""
        line = json.dumps({"stage": self.stage, **result}) + "\n"
        with (self.output_folder / RESULTS).open("a", encoding="utf-8") as file:
            file.write(line)
        # In one call: processes that report at once share the output.
        print(f"{self.stage:12} {describe(result)}\n", end="", flush=True)

    def make_command(self, module: str, *arguments: str) -> list[str]:
        """Returns the command line of a module of this folder for this job."""
        job = json.dumps(self._asdict())
        return [sys.executable, "-m", f"experiments.gpu.{module}", job, *arguments]


def describe(result: Result) -> str:
    """Returns a result in words, without its lists."""
    values = {key: value for key, value in result.items() if type(value) is not list}
    return ", ".join(
        f"{key} {value:.4g}" if isinstance(value, float) else f"{key} {value}"
        for key, value in values.items()
    )


def parse_job(word: str) -> Job:
    """Returns the job of a command line."""
    return Job(**json.loads(word))


def read_results(output: str | Path) -> list[Result]:
    """Returns all results so far, in order."""
    lines = (Path(output) / RESULTS).read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


def run_stage(job: Job, environment: dict[str, str]) -> str:
    """Runs a stage in a process group of its own, which ends by the deadline.

    Returns:
      "done", "failed" or "deadline", which is reported too.
    """
    job.logs.mkdir(parents=True, exist_ok=True)
    log, start = job.logs / f"{job.stage}.log", time.monotonic()
    with log.open("wb") as errors:
        process = subprocess.Popen(
            job.make_command("stage"),
            cwd=ROOT,
            env=environment,
            stderr=errors,
            start_new_session=True,
        )
    reason = {}
    try:
        status = "failed" if process.wait(job.seconds) else "done"
        if status == "failed":
            reason = {"error": read_last_line(log)}
    except subprocess.TimeoutExpired:
        status = "deadline"
    finally:
        with contextlib.suppress(ProcessLookupError):  # the group has ended
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    seconds = round(time.monotonic() - start, 1)
    job.report(status=status, seconds=seconds, **reason)
    return status


def read_last_line(log: Path) -> str:
    """Returns the last line of a log that is not empty, or "" if there is none."""
    lines = log.read_text(encoding="utf-8", errors="replace").split("\n")
    return next((line[:MAX_MESSAGE] for line in reversed(lines) if line.strip()), "")


def enable_interrupts() -> None:
    """Lets SIGINT reach the processes started from now on, also below a shell's `&`."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


if __name__ == "__main__":
    enable_interrupts()
    job = parse_job(sys.argv[1])
    importlib.import_module(f"experiments.gpu.{job.stage}").run(job)
