"""Trains the post's sizes in two lanes at once, each run for its share of the time."""

import time
from concurrent.futures import ThreadPoolExecutor

from experiments.gpu.plan import TrainingRun
from experiments.gpu.stage import Job, Result, read_last_line
from experiments.gpu.train_process import GRACE_SECONDS, start_training, wait_until


def run(job: Job) -> None:
    start, lanes = time.monotonic(), job.plan.lanes
    seconds = max(1.0, job.seconds - GRACE_SECONDS)
    with ThreadPoolExecutor(len(lanes)) as pool:
        futures = [pool.submit(run_lane, job, lane, start, seconds) for lane in lanes]
    for future in futures:
        future.result()  # raises the exception of its lane, if there was one


def run_lane(
    job: Job, lane: tuple[TrainingRun, ...], start: float, seconds: float
) -> None:
    """Trains the runs of a lane one after another.

    Args:
      job: of this stage.
      lane: its runs.
      start: of the lane, by time.monotonic.
      seconds: of the whole lane.
    """
    for run in lane:
        end, log = start + run.until * seconds, job.logs / f"{run.name}.log"
        workdir = job.run_folder / run.name
        module = "experiments.gpu.train_hopper" if run.kernels else "charlm.train"
        flags = make_flags(run)
        process = start_training(run.config, workdir, log, *flags, module=module)
        status = wait_until(process, lambda end=end: time.monotonic() > end)
        job.report(run=run.name, ended=status, **read_progress(job, run))
        if status in ("failed", "killed"):
            job.report(run=run.name, error=read_last_line(log))


def make_flags(run: TrainingRun) -> list[str]:
    """Returns the flags of a run, with the same interval for all that it writes."""
    names = ("eval", "checkpoint", "sample") if run.every else ()
    return [*run.flags, *(f"--config.train.{name}_every={run.every}" for name in names)]


def read_progress(job: Job, run: TrainingRun) -> Result:
    """Returns the last values of a run's metrics."""
    from charlm.workdir.metrics import read_metrics

    progress = {}
    for record in read_metrics(job.run_folder / run.name):
        if record["split"] in ("train", "valid"):
            progress[record["split"]] = record["nats_per_char"]
            progress |= {name: record[name] for name in ("step", "epoch", "seconds")}
        if record["split"] == "train":
            progress["chars_per_second"] = record["chars_per_second"]
    return progress
