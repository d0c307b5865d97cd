"""Checks that a run is the same to the bit in four processes at once, by SHA-256.

One runs whole; one is interrupted and resumed; one compiles all programs itself; one
lacks CUBLAS_WORKSPACE_CONFIG, which charlm sets.
"""

import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from experiments.gpu.stage import Job, Result
from experiments.gpu.train_process import start_training, wait_until

FLAGS = (
    *("--config.train.log_every=10", "--config.train.eval_every=0"),
    *("--config.train.checkpoint_every=0", "--config.train.sample_length=0"),
)
MIN_RECORDS = 3  # that a run has written when it is interrupted
WHOLE, RESUMED = "whole", "interrupted and resumed"
COMPILED, UNSET = "empty compile cache", "no CUBLAS_WORKSPACE_CONFIG"


def run(job: Job) -> None:
    folder = job.run_folder / "determinism"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    environments = {
        WHOLE: {},
        RESUMED: {},
        COMPILED: {"CHARLM_CACHE": str(folder / "cache")},
        UNSET: {"CUBLAS_WORKSPACE_CONFIG": ""},
    }
    with ThreadPoolExecutor(len(environments)) as pool:
        futures = [
            pool.submit(train, job, folder, case, environment)
            for case, environment in environments.items()
        ]
    for future in futures:
        future.result()  # raises the exception of its case, if there was one
    digests = {case: read_digests(folder / make_name(case)) for case in environments}
    for case, digest in digests.items():
        is_same = bool(digest) and digest == digests[WHOLE]
        job.report(case=case, same=is_same, **digest)


def train(job: Job, folder: Path, case: str, environment: dict[str, str]) -> None:
    """Trains a run to its end, with a stop on the way in the case RESUMED.

    Args:
      job: of this stage.
      folder: of the workdirs.
      case: one of the four.
      environment: more variables.
    """
    config, *flags = job.plan.determinism
    workdir = folder / make_name(case)
    log = job.logs / f"determinism-{make_name(case)}.log"

    def start():
        return start_training(config, workdir, log, *flags, *FLAGS, **environment)

    if case == RESUMED:
        status = wait_until(start(), lambda: has_records(workdir))
        job.report(case=case, ended=status, step=read_step(workdir))
    status = wait_until(start(), lambda: False)
    job.report(case=case, ended=status, step=read_step(workdir))


def make_name(case: str) -> str:
    """Returns the name of a case's workdir."""
    return "-".join(case.lower().split())


def has_records(workdir: Path) -> bool:
    """Returns whether a run has written MIN_RECORDS records."""
    metrics = workdir / "metrics.jsonl"
    return metrics.exists() and metrics.read_bytes().count(b"\n") >= MIN_RECORDS


def read_step(workdir: Path) -> int:
    """Returns the step of the newest checkpoint, 0 without one."""
    from charlm.workdir.metadata import FOLDER, list_steps

    return max(list_steps(workdir / FOLDER), default=0)


def read_digests(workdir: Path) -> Result:
    """Returns the newest checkpoint's step, and the SHA-256 of each of its trees.

    Without a checkpoint it is empty.
    """
    from charlm.workdir.metadata import FOLDER, read_metadata

    step = read_step(workdir)
    if not step:
        return {}
    sha256 = read_metadata(workdir / FOLDER / str(step))["sha256"]
    return {"step": step, "params": sha256["params"], "rest": sha256["run"]}
