"""Measures the memory of a large text: python -m experiments.scale.run"""

import argparse
import io
import os
import random
import subprocess
import sys
import tarfile
import tempfile
import time
from pathlib import Path

from experiments.report import format_duration, table, write_report

HERE = Path(__file__).parent
FILE_LENGTH = 24_000  # characters of a file, about
SMALL_SIZE = 1_000_000  # bytes of the text to compare with
OPTIONS = {
    "model.features": 128,
    "train.steps": 200,
    "train.sample_every": 0,
    "train.checkpoint_every": 0,
    "train.eval_every": 0,
}
# Runs a module as `python -m` does, then prints the process's largest resident set.
RUN_AND_PRINT_PEAK = """
import pathlib, re, runpy, sys
del sys.argv[0]  # -c
try:
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
finally:
    status = pathlib.Path("/proc/self/status").read_text()
    print("peak", re.search(r"VmHWM:\\s*(\\d+)", status)[1], flush=True)
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--megabytes", type=int, default=474)
    target_size = parser.parse_args().megabytes * 1_000_000
    with tempfile.TemporaryDirectory(prefix="charlm-scale-") as name:
        folder = Path(name)
        archive, text = folder / "linux.tar.gz", folder / "linux.txt"
        write_archive(archive, target_size)
        join = measure(folder, "charlm.corpora", "join", "linux", archive, text)
        size, small_text = text.stat().st_size, folder / "part.txt"
        with text.open("rb") as file:
            small_text.write_bytes(file.read(SMALL_SIZE))
        large, small = (measure_training(folder, path) for path in (text, small_text))
    rows = [
        ["joined from an archive", size, *join],
        ["encoded, 200 steps", size, *large],
        ["a small text, 200 steps", SMALL_SIZE, *small],
    ]
    head = ["", "bytes of text", "largest resident set, MB", "time"]
    peaks = table(head, ([*row[:3], format_duration(row[3])] for row in rows))
    excess = f"The large text takes {large[0] - small[0]:,} MB more than the small one."
    keys = ("what", "bytes", "peak_mb", "seconds")
    results = {"rows": [dict(zip(keys, row, strict=True)) for row in rows]}
    write_report(HERE, results, [peaks, excess])
    print(peaks, excess, sep="\n\n")


def write_archive(path: Path, size: int) -> None:
    """Writes a .tar.gz of C-like files that have `size` bytes together, or more."""
    rng = random.Random(0)
    names = [f"{a}_{b}" for a in "get set map rcu irq buf".split() for b in range(99)]
    total = 0
    with tarfile.open(path, "w:gz", compresslevel=1) as tar:
        while total < size:
            text = make_c_text(rng, names).encode()
            member = tarfile.TarInfo(f"linux-4.0/drivers/{total:09}.c")
            member.size = len(text)
            tar.addfile(member, io.BytesIO(text))
            total += len(text)


def make_c_text(rng: random.Random, names: list[str]) -> str:
    """Returns functions with nested blocks, of about FILE_LENGTH characters."""
    functions: list[str] = []
    length = 0
    while length < FILE_LENGTH:
        one, two, three = rng.sample(names, 3)
        function = (
            f"static int {one}(struct {two} *{three}, int n)\n{{\n"
            f"\tif ({three}->{two} > {rng.randrange(4096)}) {{\n"
            f'\t\tpr_err("{two}: %d\\n", n); /* {rng.randbytes(4).hex()} */\n'
            f"\t\treturn -{rng.choice(['EINVAL', 'ENOMEM', 'EBUSY'])};\n"
            f"\t}}\n\treturn {one}_{two}({three}[{rng.randrange(64)}]);\n}}\n\n"
        )
        functions.append(function)
        length += len(function)
    return "".join(functions)


def measure_training(folder: Path, text: Path) -> tuple[int, float]:
    """Returns `measure` of 200 steps on a text, with its encoding."""
    options = [f"--config.{name}={value}" for name, value in OPTIONS.items()]
    paths = [f"--config.data.path={text}", f"--workdir={folder}/{text.stem}-run"]
    config = "--config=configs/linux.py"
    return measure(folder, "charlm.train", config, *options, *paths)


def measure(folder: Path, module: str, *arguments: str | Path) -> tuple[int, float]:
    """Runs `python -m module` with arguments.

    Args:
      folder: holds the cache.
      module: a front door.
      arguments: of its command line.

    Returns:
      (MB of the largest resident set, seconds).
    """
    environment = {**os.environ, "CHARLM_CACHE": str(folder / "cache")}
    command = [sys.executable, "-c", RUN_AND_PRINT_PEAK, module, *map(str, arguments)]
    start = time.perf_counter()
    done = subprocess.run(
        command, env=environment, stdout=subprocess.PIPE, text=True, check=True
    )
    seconds = time.perf_counter() - start
    return round(int(done.stdout.split()[-1]) * 1024 / 1e6), round(seconds, 1)


if __name__ == "__main__":
    main()
