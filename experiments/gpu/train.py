"""The post's sizes: two lanes of runs at once, each run until its share of the time."""

import time
from concurrent.futures import ThreadPoolExecutor

from experiments.gpu.plan import Run
from experiments.gpu.stage import Job, read_last_line
from experiments.gpu.training import GRACE, start_training, wait_until


def run(job: Job) -> None:
    began = time.monotonic()
    seconds = max(1.0, job.seconds - GRACE)
    with ThreadPoolExecutor(len(job.plan.lanes)) as pool:
        lanes = [
            pool.submit(run_lane, job, lane, began, seconds) for lane in job.plan.lanes
        ]
    for lane in lanes:
        lane.result()  # raises what it raised


def run_lane(job: Job, lane: tuple[Run, ...], began: float, seconds: float) -> None:
    """Trains the runs of a lane one after another.

    Args:
      job: of this stage.
      lane: its runs.
      began: when, by time.monotonic.
      seconds: of the whole lane.
    """
    for each in lane:
        end, log = began + each.until * seconds, job.logs / f"{each.name}.log"
        process = start_training(
            each.config, job.folder / each.name, log, *make_flags(each)
        )
        status = wait_until(process, lambda end=end: time.monotonic() > end)
        job.report(run=each.name, ended=status, **read_progress(job, each))
        if status in ("failed", "killed"):
            job.report(run=each.name, error=read_last_line(log))


def make_flags(each: Run) -> list[str]:
    """Returns the flags of a run: what is due, is due at the same steps."""
    due = ("eval", "checkpoint", "sample") if each.every else ()
    return [*each.flags, *(f"--config.train.{name}_every={each.every}" for name in due)]


def read_progress(job: Job, each: Run) -> dict:
    """Returns what the last lines of a run's metrics say."""
    from charlm.workdir.metrics import read_metrics

    records = read_metrics(job.folder / each.name)
    found = {}
    for record in records:
        if record["split"] in ("train", "valid"):
            found[record["split"]] = record["nats_per_char"]
            found |= {name: record[name] for name in ("step", "epoch", "seconds")}
        if record["split"] == "train":
            found["chars_per_second"] = record["chars_per_second"]
    return found
