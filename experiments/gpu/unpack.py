"""python -m experiments.gpu.unpack DIR [--runs=runs]: what came back, as workdirs.

Each is read by charlm.load_model, charlm.sample, charlm.evaluate and charlm.visualize.
It has no state of the optimizer, so that charlm.train does not go on with it; another
run can begin from it, by train.init_from.
"""

import argparse
import io
import json
import sys
import tarfile
from pathlib import Path

from experiments.gpu.collect import KEPT, LOG
from experiments.gpu.scores import MODEL
from experiments.gpu.weights import read_weights


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="what came back")
    parser.add_argument("--runs", type=Path, default=Path("runs"))
    given = parser.parse_args()
    try:
        unpack(given.folder, given.runs)
    except (FileNotFoundError, FileExistsError) as error:
        sys.exit(f"error: {error}")


def unpack(folder: Path, runs: Path) -> list[Path]:
    """Makes a workdir of each run whose weights came back.

    Args:
      folder: what came back.
      runs: the folder of workdirs.

    Returns:
      The workdirs.

    Raises:
      FileExistsError: one is there already.
      FileNotFoundError: there is no log.
    """
    files = read_log(folder / LOG)
    names = []
    for name, of_run in files.items():
        if (runs / name).exists():
            raise FileExistsError(f"{runs / name} is there already; move it away")
        if MODEL in of_run and (folder / f"{name}.npz").exists():
            names.append(name)
        else:
            print(f"{name}: no weights came back")
    return [make_workdir(folder, runs / name, files[name]) for name in names]


def read_log(path: Path) -> dict[str, dict[str, bytes]]:
    """Returns the files of each run in a log, by the run's name and their own."""
    found: dict[str, dict[str, bytes]] = {}
    with tarfile.open(fileobj=io.BytesIO(path.read_bytes())) as archive:
        for member in archive:
            run, _, name = member.name.partition("/")
            if member.isfile() and name in (*KEPT, MODEL) and run == Path(run).name:
                file = archive.extractfile(member)
                found.setdefault(run, {})[name] = file.read() if file else b""
    return found


def make_workdir(folder: Path, workdir: Path, files: dict[str, bytes]) -> Path:
    """Writes a workdir with one checkpoint, that of the weights."""
    from charlm.workdir.checkpoints import Checkpoints
    from charlm.workdir.logs import log_checksums

    about = json.loads(files[MODEL])
    params = read_weights(folder, workdir.name)
    workdir.mkdir(parents=True)
    for name in KEPT:
        if name in files:
            (workdir / name).write_bytes(files[name])
    notes = {
        **about["notes"],
        "weights": about["weights"],
        "weights_from": about["machine"],
        "logs": log_checksums(workdir),
    }
    with Checkpoints(workdir) as kept:
        kept.save(
            about["step"],
            {"params": params},
            notes=notes,
            nats_per_char=about["nats_per_char"],
        )
    print(f"{workdir}: step {about['step']:,}, weights in {about['weights']}")
    return workdir


if __name__ == "__main__":
    main()
