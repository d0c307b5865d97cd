"""Opens the parcel, which has what a machine without network lacks.

.parcel/ has wheels of pure Python and texts, compressed by xz. This file needs Python
alone, since it runs before anything is installed.
"""

import importlib.metadata
import lzma
import shutil
import zipfile
from pathlib import Path

from experiments.gpu.stage import Job

PARCEL, TEXTS = ".parcel", "texts"
Version = tuple[int, ...]


def open_parcel(parcel: Path, runs: Path, job: Job) -> dict[str, str]:
    """Unpacks a parcel, if there is one, below the folder of runs.

    Args:
      parcel: its folder.
      runs: the folder of workdirs and logs.
      job: reports what was unpacked.

    Returns:
      PYTHONPATH and CHARLM_DATA, which name the folders of wheels and texts.
    """
    environment, wheels = {}, []
    site, data = (runs / "site").resolve(), (runs / "texts").resolve()
    shutil.rmtree(site, ignore_errors=True)
    for wheel in sorted(parcel.glob("*.whl")):
        if is_needed(wheel.name):
            zipfile.ZipFile(wheel).extractall(site)
            wheels.append(wheel.stem)
            environment["PYTHONPATH"] = str(site)
    archives = sorted((parcel / TEXTS).rglob("*.xz"))
    for archive in archives:
        path = data / archive.relative_to(parcel / TEXTS).with_suffix("")
        path.parent.mkdir(parents=True, exist_ok=True)
        with lzma.open(archive) as file, path.open("wb") as text:
            shutil.copyfileobj(file, text, 1 << 20)
        environment["CHARLM_DATA"] = str(data)
    job.report(wheels=" ".join(wheels) or "none", texts=len(archives))
    return environment


def is_needed(wheel: str) -> bool:
    """Returns whether this Python has no such package, or an older one.

    Args:
      wheel: the name of its file, NAME-VERSION-...
    """
    name, version = wheel.split("-")[:2]
    try:
        return parse_version(importlib.metadata.version(name)) < parse_version(version)
    except importlib.metadata.PackageNotFoundError:
        return True


def parse_version(version: str) -> Version:
    """Returns the numbers at the start of a version: "0.12.8rc1" is (0, 12)."""
    numbers = []
    for part in version.split("."):
        if not part.isdecimal():
            break
        numbers.append(int(part))
    return tuple(numbers)
