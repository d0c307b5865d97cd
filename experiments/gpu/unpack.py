"""python -m experiments.gpu.unpack DIR [--runs=runs]: makes workdirs of the output.

charlm.load_model, charlm.sample, charlm.evaluate and charlm.visualize read them. They
lack the optimizer's state, so that charlm.train cannot continue them; another run can
start from one by train.init_from.
"""

import argparse
import json
import sys
import tarfile
from pathlib import Path

from experiments.gpu.collect import FILES, LOG
from experiments.gpu.scores import MODEL
from experiments.gpu.weights import read_weights


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="the output of experiments.gpu.run")
    parser.add_argument("--runs", type=Path, default=Path("runs"))
    arguments = parser.parse_args()
    try:
        unpack(arguments.folder, arguments.runs)
    except (FileNotFoundError, FileExistsError) as error:
        sys.exit(f"error: {error}")


def unpack(folder: Path, runs: Path) -> list[Path]:
    """Makes a workdir of each run whose weights came back.

    Args:
      folder: the output.
      runs: the folder of workdirs.

    Returns:
      The workdirs.

    Raises:
      FileExistsError: a workdir exists.
      FileNotFoundError: there is no log.
    """
    files = read_log(folder / LOG)
    names = []
    for name, run_files in files.items():
        if (runs / name).exists():
            raise FileExistsError(f"{runs / name} exists; move it away")
        if MODEL in run_files and (folder / f"{name}.npz").exists():
            names.append(name)
        else:
            print(f"{name}: no weights came back")
    return [make_workdir(folder, runs / name, files[name]) for name in names]


def read_log(path: Path) -> dict[str, dict[str, bytes]]:
    """Returns the files of each run in a log, by the run's name and their own."""
    files: dict[str, dict[str, bytes]] = {}
    with tarfile.open(path) as archive:
        for member in archive:
            run, _, name = member.name.partition("/")
            if member.isfile() and name in (*FILES, MODEL) and run == Path(run).name:
                file = archive.extractfile(member)
                files.setdefault(run, {})[name] = file.read() if file else b""
    return files


def make_workdir(folder: Path, workdir: Path, files: dict[str, bytes]) -> Path:
    """Writes a workdir with one checkpoint, which has the weights.

    Args:
      folder: the output.
      workdir: its path.
      files: of the run, by their names.
    """
    from charlm.workdir import checkpoints

    metadata = json.loads(files[MODEL])
    params = read_weights(folder, workdir.name)
    workdir.mkdir(parents=True)
    for name in FILES:
        if name in files:
            (workdir / name).write_bytes(files[name])
    notes = {
        **metadata["notes"],
        "weights": metadata["weights"],
        "weights_from": metadata["machine"],
    }
    checkpoints.save(
        workdir,
        metadata["step"],
        {"params": params},
        notes=notes,
        nats_per_char=metadata["nats_per_char"],
    )
    print(f"{workdir}: step {metadata['step']:,}, weights in {metadata['weights']}")
    return workdir


if __name__ == "__main__":
    main()
