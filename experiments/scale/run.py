"""python -m experiments.scale.run [--megabytes=474]: see README.md."""

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

from experiments.report import keep, minutes, table

HERE = Path(__file__).parent
FILE = 24_000  # bytes of a file, about
KNOBS = {
    "model.features": 128,
    "train.steps": 200,
    "train.sample_every": 0,
    "train.checkpoint_every": 0,
    "train.eval_every": 0,
}
# Runs a module as `python -m` does, then says the process's largest resident set.
MEASURED = """
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
    wanted = parser.parse_args().megabytes * 1_000_000
    with tempfile.TemporaryDirectory(prefix="charlm-scale-") as name:
        folder = Path(name)
        archive, text = folder / "linux.tar.gz", folder / "linux.txt"
        make_archive(archive, wanted)
        joined = measured(folder, "charlm.corpora", "join", "linux", archive, text)
        size, part = text.stat().st_size, folder / "part.txt"
        with text.open("rb") as file:
            part.write_bytes(file.read(1_000_000))
        whole, own = (trained(folder, path) for path in (text, part))
    rows = [
        ["joined of an archive", size, *joined],
        ["encoded, 200 steps", size, *whole],
        ["the same, JAX's own", 1_000_000, *own],
    ]
    head = ["", "bytes of text", "largest resident set, MB", "time"]
    shown = table(head, ([*row[:3], minutes(row[3])] for row in rows))
    beyond = f"Beyond JAX's own: {whole[0] - own[0]:,} MB."
    keys = ("what", "bytes", "peak_mb", "seconds")
    results = {"rows": [dict(zip(keys, row, strict=True)) for row in rows]}
    keep(HERE, results, (f"{block}\n" for block in (shown, beyond)))
    print(shown, beyond, sep="\n\n")


def make_archive(path: Path, size: int) -> None:
    """A .tar.gz of C-like files, as many as make the size."""
    draw = random.Random(0)
    names = [f"{a}_{b}" for a in "get set map rcu irq buf".split() for b in range(99)]
    made = 0
    with tarfile.open(path, "w:gz", compresslevel=1) as tar:
        while made < size:
            text = c_like(draw, names).encode()
            member = tarfile.TarInfo(f"linux-4.0/drivers/{made:09}.c")
            member.size = len(text)
            tar.addfile(member, io.BytesIO(text))
            made += len(text)


def c_like(draw: random.Random, names: list[str]) -> str:
    """Functions with nested blocks, of about FILE characters."""
    parts: list[str] = []
    length = 0
    while length < FILE:
        one, two, three = draw.sample(names, 3)
        part = (
            f"static int {one}(struct {two} *{three}, int n)\n{{\n"
            f"\tif ({three}->{two} > {draw.randrange(4096)}) {{\n"
            f'\t\tpr_err("{two}: %d\\n", n); /* {draw.randbytes(4).hex()} */\n'
            f"\t\treturn -{draw.choice(['EINVAL', 'ENOMEM', 'EBUSY'])};\n"
            f"\t}}\n\treturn {one}_{two}({three}[{draw.randrange(64)}]);\n}}\n\n"
        )
        parts.append(part)
        length += len(part)
    return "".join(parts)


def trained(folder: Path, text: Path) -> tuple[int, float]:
    """What 200 steps on a text take, encoding included."""
    knobs = [f"--config.{knob}={value}" for knob, value in KNOBS.items()]
    here = [f"--config.data.path={text}", f"--workdir={folder}/{text.stem}-run"]
    return measured(folder, "charlm.train", "--config=configs/linux.py", *knobs, *here)


def measured(folder: Path, *words: str | Path) -> tuple[int, float]:
    """(MB of the largest resident set, seconds) of `python -m` with these words."""
    environment = {**os.environ, "CHARLM_CACHE": str(folder / "cache")}
    command = [sys.executable, "-c", MEASURED, *map(str, words)]
    began = time.perf_counter()
    done = subprocess.run(
        command, env=environment, stdout=subprocess.PIPE, text=True, check=True
    )
    taken = time.perf_counter() - began
    return round(int(done.stdout.split()[-1]) * 1024 / 1e6), round(taken, 1)


if __name__ == "__main__":
    main()
