"""Packs all but the weights in log.tar.gz, and keeps the output within its limits."""

import re
import tarfile
from pathlib import Path

from experiments.gpu.scores import MODEL
from experiments.gpu.stage import LOGS, Job

LOG = "log.tar.gz"
MAX_FILES, MAX_FILE_BYTES, MAX_BYTES = 8, 16 << 20, 60_000_000
# Of each workdir.
FILES = ("config.json", "vocab.json", "metrics.jsonl", "samples.txt", "scores.json")


def run(job: Job) -> None:
    write_log(job, (LOGS,))
    if (job.output_folder / LOG).stat().st_size > MAX_FILE_BYTES:
        write_log(job, ())
        job.report(left_out=LOGS)
    for run in remove_largest(job.output_folder):
        job.report(left_out=run)
    sizes = measure(job.output_folder)
    job.report(files=len(sizes), bytes=sum(sizes.values()), largest=max(sizes.values()))


def write_log(job: Job, folders: tuple[str, ...]) -> None:
    """Packs folders of logs, and the files of each run except its checkpoints.

    Args:
      job: of this stage.
      folders: their names in the archive.
    """
    with tarfile.open(job.output_folder / LOG, "w:gz") as archive:
        for name in folders:
            archive.add(job.logs, name)
        for run in job.plan.runs:
            for name in (*FILES, MODEL):
                path = job.run_folder / run.name / name
                if path.exists():
                    archive.add(path, f"{run.name}/{name}")


def remove_largest(
    folder: Path,
    max_files: int = MAX_FILES,
    max_file_bytes: int = MAX_FILE_BYTES,
    max_bytes: int = MAX_BYTES,
) -> list[str]:
    """Removes the weights of runs, the largest first, until a folder is within limits.

    Args:
      folder: that comes back.
      max_files: in the folder.
      max_file_bytes: of each file.
      max_bytes: of all files.

    Returns:
      The names of the runs whose weights were removed.
    """
    removed = []
    while True:
        sizes = measure(folder)
        weights = [name for name in sizes if name.endswith(".npz")]
        too_large = max((sizes[name] for name in weights), default=0) > max_file_bytes
        within = len(sizes) <= max_files and sum(sizes.values()) <= max_bytes
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
