"""python -m experiments.gpu.pack: .parcel/, what a machine without network lacks.

Wheels of pure Python and the texts of all runs, compressed. Refuses what would be too
large to send, together with the tree: its files but for those that git ignores.
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

MOST = 64_000_000  # bytes of the tree and the parcel
# Or there in an older release.
LACKING = ("ml_collections", "orbax-checkpoint", "filelock", "platformdirs")
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
    tree = measure_tree(ROOT)
    check(tree, sum(sizes.values()))
    print(f"{tree:12,}  the tree\n{tree + sum(sizes.values()):12,}  in all")


def get_wheels(parcel: Path) -> None:
    """Builds charlm's wheel; downloads the others in the releases installed here."""
    for old in parcel.glob("*.whl"):
        old.unlink()
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet"]
    here = [f"{name}=={importlib.metadata.version(name)}" for name in LACKING]
    for command in (["wheel", str(ROOT)], ["download", *here]):
        where = "--wheel-dir" if command[0] == "wheel" else "--dest"
        todo = [*pip, *command, "--no-deps", where, str(parcel)]
        subprocess.run(todo, check=True, cwd=parcel)
    strange = [p.name for p in parcel.glob("*.whl") if "-none-any" not in p.name]
    if strange:
        sys.exit(f"error: {', '.join(strange)} is not of pure Python")


def find_texts() -> dict[str, Path]:
    """Returns the text of each run, by its place below a data folder."""
    runs = [each for plan in (FULL, SMOKE) for lane in plan.lanes for each in lane]
    names = {read_corpus(each.config) for each in runs}
    return {get_source(name).file: fetch(name) for name in sorted(names)}


def read_corpus(config: str) -> str:
    """Returns the corpus that a config names, "NAME.py" or "NAME.py:VARIANT"."""
    name, _, variant = config.partition(":")
    module = importlib.import_module(f"configs.{name.removesuffix('.py')}")
    return module.get_config(variant).data.corpus


def pack_texts(folder: Path, texts: dict[str, Path]) -> None:
    """Compresses texts, but for those that lie there compressed already.

    Args:
      folder: where to.
      texts: by their place in it.
    """
    for name, path in texts.items():
        packed, text = folder / f"{name}.xz", path.read_bytes()
        if packed.exists() and lzma.decompress(packed.read_bytes()) == text:
            continue
        packed.parent.mkdir(parents=True, exist_ok=True)
        packed.write_bytes(lzma.compress(text))


def measure_tree(root: Path) -> int:
    """Returns the bytes of all files but for those that git ignores."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    done = subprocess.run(command, cwd=root, capture_output=True, check=True)
    return measure_files(root / name.decode() for name in done.stdout.split(b"\0")[:-1])


def measure_files(paths: Iterable[Path]) -> int:
    return sum(path.stat().st_size for path in paths if path.is_file())


def check(tree: int, parcel: int, most: int = MOST) -> None:
    """Ends the program if both together are too large."""
    if tree + parcel > most:
        sys.exit(
            f"error: the tree's {tree:,} bytes and the parcel's {parcel:,} are more"
            f" than {most:,}; leave out a run of experiments/gpu/plan.py"
        )


if __name__ == "__main__":
    main()
