"""Is it the same run, to the bit? Four processes side by side, compared by SHA-256.

One whole; one interrupted and resumed; one that compiles for itself; one without
CUBLAS_WORKSPACE_CONFIG, which charlm sets.
"""

import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from experiments.gpu.stage import Job
from experiments.gpu.training import start_training, wait_until

FLAGS = (
    *("--config.train.log_every=10", "--config.train.eval_every=0"),
    *("--config.train.checkpoint_every=0", "--config.train.sample_length=0"),
)
WHOLE, RESUMED = "whole", "interrupted and resumed"
COMPILED, UNSET = "empty compile cache", "no CUBLAS_WORKSPACE_CONFIG"


def run(job: Job) -> None:
    folder = job.folder / "same"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    environments = {
        WHOLE: {},
        RESUMED: {},
        COMPILED: {"CHARLM_CACHE": str(folder / "cache")},
        UNSET: {"CUBLAS_WORKSPACE_CONFIG": ""},
    }
    with ThreadPoolExecutor(len(environments)) as pool:
        runs = [pool.submit(train, job, *item) for item in environments.items()]
    for run in runs:
        run.result()  # raises what it raised
    digests = {name: read_digests(folder / make_name(name)) for name in environments}
    for name, found in digests.items():
        equal = bool(found) and found == digests[WHOLE]
        job.report(case=name, same=equal, **found)


def train(job: Job, name: str, environment: dict[str, str]) -> None:
    """Trains a run to its end, with a stop on the way if its name says so."""
    config, *flags = job.plan.same
    workdir = job.folder / "same" / make_name(name)

    def start():
        log = job.logs / f"same-{make_name(name)}.log"
        return start_training(config, workdir, log, *flags, *FLAGS, **environment)

    if name == RESUMED:
        status = wait_until(start(), lambda: has_logged(workdir))
        job.report(case=name, ended=status, at=read_step(workdir))
    status = wait_until(start(), lambda: False)
    job.report(case=name, ended=status, at=read_step(workdir))


def make_name(name: str) -> str:
    """Returns the name of a workdir."""
    return "-".join(name.lower().split())


def has_logged(workdir: Path) -> bool:
    """Returns whether a run has taken a few steps."""
    metrics = workdir / "metrics.jsonl"
    return metrics.exists() and metrics.read_bytes().count(b"\n") >= 3


def read_step(workdir: Path) -> int:
    """Returns the step of the newest checkpoint, 0 without one."""
    from charlm.workdir.metadata import FOLDER, list_steps

    return max(list_steps(workdir / FOLDER), default=0)


def read_digests(workdir: Path) -> dict:
    """Returns the newest checkpoint's step and SHA-256: of its parameters, of its rest.

    Without a checkpoint it is empty.
    """
    from charlm.workdir.metadata import FOLDER, read_metadata

    step = read_step(workdir)
    if not step:
        return {}
    sha256 = read_metadata(workdir / FOLDER / str(step))["sha256"]
    return {"step": step, "params": sha256["params"], "rest": sha256["run"]}
