"""python -m experiments.gpu.pack: writes .parcel/, for a machine without network.

It has wheels of pure Python and the compressed texts of all runs. The command fails if
the parcel and the tree, without the files that git ignores, are too large to send.
"""

import argparse
import importlib
import importlib.metadata
import json
import lzma
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

from charlm.corpora.fetch import fetch, get_source
from charlm.errors import UserError
from experiments.gpu.parcel import PARCEL, TEXTS
from experiments.gpu.plan import FULL, SMOKE
from experiments.gpu.stage import ROOT

MAX_BYTES = 64_000_000  # of the tree and the parcel
# That a machine with JAX, Flax and Optax may lack, or have in an older release.
PACKAGES = (
    *("ml_collections", "orbax-checkpoint", "lazy_loader", "filelock"),
    "platformdirs",
)
SIZES = "sizes.json"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.parse_args()
    parcel = ROOT / PARCEL
    parcel.mkdir(exist_ok=True)
    get_wheels(parcel)
    try:
        pack_texts(parcel / TEXTS, find_texts())
    except UserError as error:
        sys.exit(f"error: {error}")
    sizes = {
        str(path.relative_to(parcel)): path.stat().st_size
        for path in sorted(parcel.rglob("*"))
        if path.is_file() and path.name != SIZES
    }
    (parcel / SIZES).write_text(json.dumps(sizes, indent=1) + "\n")
    for name, size in sizes.items():
        print(f"{size:12,}  {name}")
    tree, total = measure_tree(ROOT), sum(sizes.values())
    check_size(tree, total)
    print(f"{tree:12,}  the tree\n{tree + total:12,}  in all")


def get_wheels(parcel: Path) -> None:
    """Builds charlm's wheel, and downloads the others in the versions installed here.

    Args:
      parcel: their folder.
    """
    for old in parcel.glob("*.whl"):
        old.unlink()
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet"]
    versions = [f"{name}=={importlib.metadata.version(name)}" for name in PACKAGES]
    for flag, command in (
        ("--wheel-dir", ["wheel", str(ROOT)]),
        ("--dest", ["download", *versions]),
    ):
        arguments = [*pip, *command, "--no-deps", flag, str(parcel)]
        subprocess.run(arguments, check=True, cwd=parcel)
    compiled = [p.name for p in parcel.glob("*.whl") if "-none-any" not in p.name]
    if compiled:
        sys.exit(f"error: {', '.join(compiled)} is not of pure Python")


def find_texts() -> dict[str, Path]:
    """Returns the text of each run, by its place below a data folder."""
    names = {read_corpus(run.config) for plan in (FULL, SMOKE) for run in plan.runs}
    return {get_source(name).file: fetch(name) for name in sorted(names)}


def read_corpus(config: str) -> str:
    """Returns the corpus that a config names, "NAME.py" or "NAME.py:VARIANT"."""
    name, _, variant = config.partition(":")
    module = importlib.import_module(f"configs.{name.removesuffix('.py')}")
    return module.get_config(variant).data.corpus


def pack_texts(folder: Path, texts: dict[str, Path]) -> None:
    """Compresses texts, except those that the folder has already.

    Args:
      folder: of the compressed texts.
      texts: by their place in it.
    """
    for name, path in texts.items():
        archive, text = folder / f"{name}.xz", path.read_bytes()
        if archive.exists() and lzma.decompress(archive.read_bytes()) == text:
            continue
        archive.parent.mkdir(parents=True, exist_ok=True)
        archive.write_bytes(lzma.compress(text))


def measure_tree(root: Path) -> int:
    """Returns the bytes of all files except those that git ignores."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    process = subprocess.run(command, cwd=root, capture_output=True, check=True)
    names = process.stdout.split(b"\0")[:-1]
    return measure_files(root / name.decode() for name in names)


def measure_files(paths: Iterable[Path]) -> int:
    """Returns the bytes of all files together."""
    return sum(path.stat().st_size for path in paths if path.is_file())


def check_size(tree: int, parcel: int, max_bytes: int = MAX_BYTES) -> None:
    """Ends the program if the bytes of both together are too many."""
    if tree + parcel > max_bytes:
        sys.exit(
            f"error: the tree's {tree:,} bytes and the parcel's {parcel:,} are more"
            f" than {max_bytes:,}; remove a run from experiments/gpu/plan.py"
        )


if __name__ == "__main__":
    main()
