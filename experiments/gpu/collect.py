"""All but the weights in log.tar.gz, and what comes back kept within its limits."""

import re
import tarfile
from pathlib import Path

from experiments.gpu.scores import MODEL
from experiments.gpu.stage import LOGS, Job

LOG = "log.tar.gz"
FILES, FILE_BYTES, ALL_BYTES = 8, 16 << 20, 60_000_000
# Of each workdir.
KEPT = ("config.json", "vocab.json", "metrics.jsonl", "samples.txt", "scores.json")


def run(job: Job) -> None:
    write_log(job, (LOGS,))
    if (job.output_folder / LOG).stat().st_size > FILE_BYTES:
        write_log(job, ())
        job.report(left_out=LOGS)
    for run in limit(job.output_folder):
        job.report(left_out=run)
    sizes = measure(job.output_folder)
    job.report(files=len(sizes), bytes=sum(sizes.values()), largest=max(sizes.values()))


def write_log(job: Job, logs: tuple[str, ...]) -> None:
    """Packs the logs, if they are named, and of each run what is no checkpoint."""
    with tarfile.open(job.output_folder / LOG, "w:gz") as archive:
        for name in logs:
            archive.add(job.logs, name)
        for lane in job.plan.lanes:
            for each in lane:
                for name in (*KEPT, MODEL):
                    path = job.folder / each.name / name
                    if path.exists():
                        archive.add(path, f"{each.name}/{name}")


def limit(
    folder: Path,
    files: int = FILES,
    file_bytes: int = FILE_BYTES,
    all_bytes: int = ALL_BYTES,
) -> list[str]:
    """Removes the weights of runs, the largest first, until a folder is within limits.

    Returns:
      The names of these runs.
    """
    removed = []
    while True:
        sizes = measure(folder)
        weights = [name for name in sizes if name.endswith(".npz")]
        too_large = max((sizes[name] for name in weights), default=0) > file_bytes
        within = len(sizes) <= files and sum(sizes.values()) <= all_bytes
        if not weights or (within and not too_large):
            return removed
        run = get_run(max(weights, key=lambda name: sizes[name]))
        for name in weights:
            if get_run(name) == run:
                (folder / name).unlink()
        removed.append(run)


def get_run(weights: str) -> str:
    """Returns the run of NAME.npz or NAME-2.npz."""
    return re.sub(r"(-\d+)?\.npz$", "", weights)


def measure(folder: Path) -> dict[str, int]:
    """Returns the bytes of each file in a folder, by its name."""
    return {path.name: path.stat().st_size for path in folder.iterdir()}
