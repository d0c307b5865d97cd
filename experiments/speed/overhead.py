"""Measures compilation, start and memory of a whole program."""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import jax

from experiments.speed.peers import Shape, charlm_program

ROOT = Path(__file__).parent.parent.parent
TORCH_SCRIPT = """
import torch
lstm, head = torch.nn.LSTM(65, 128, 2), torch.nn.Linear(128, 65)
weights = [*lstm.parameters(), *head.parameters()]
optimizer = torch.optim.RMSprop(weights, lr=2e-3)
text = torch.from_file({path!r}, size=100_000, dtype=torch.uint8).long() % 65
window = text[: 51 * 50].view(51, 50)
one_hot = torch.nn.functional.one_hot(window[:-1], 65).float()
logits = head(lstm(one_hot)[0]).flatten(0, 1)
torch.nn.functional.cross_entropy(logits, window[1:].flatten()).backward()
optimizer.step()
print("step 1 ", flush=True)
"""


def compile_ms(shape: Shape) -> float:
    """Returns the milliseconds to trace and compile a training step."""
    jax.clear_caches()
    run, state, ids = charlm_program(shape)
    start = time.perf_counter()
    run.lower(state, ids, 1).compile()
    return 1000 * (time.perf_counter() - start)


def start_ms(folder: Path) -> float:
    """Returns the milliseconds from the start of `charlm.train` to its first step.

    The model is 2 x 128. A second call with the same folder finds the programs that the
    first call compiled.
    """
    path = _write_text(folder)
    with tempfile.TemporaryDirectory() as workdir:
        return _time_first_step(
            [
                *(sys.executable, "-m", "charlm.train", "--config=configs/default.py"),
                *(f"--config.data.path={path}", "--config.train.steps=2"),
                *("--config.train.log_every=1", "--config.train.sample_length=0"),
                *("--config.train.eval_every=0", f"--workdir={workdir}/run"),
            ],
            CHARLM_CACHE=str(folder / "cache"),
        )


def torch_start_ms(folder: Path) -> float:
    """Returns the milliseconds of a script that imports torch and takes a step."""
    path = str(_write_text(folder))
    return _time_first_step([sys.executable, "-c", TORCH_SCRIPT.format(path=path)])


def memory_mb(shape: Shape) -> tuple[float, float]:
    """Returns (MiB of a training step at its peak, MiB that the step must keep).

    It must keep the weights, their gradient and Adam's two moments; the mask of
    dropout; the logits, which become their gradient; and eight numbers of each unit and
    character of the window. These are the four slopes that become dz, the slope through
    h, the forget gate, the h before, for dwh, and the h after, for the next layer's
    dwx.
    """
    run, state, ids = charlm_program(shape)
    stats = run.lower(state, ids, 1).compile().memory_analysis()
    devices = len(state.carry[0].h.sharding.device_set)
    arrays = stats.argument_size_in_bytes + stats.output_size_in_bytes
    peak = arrays + stats.temp_size_in_bytes - stats.alias_size_in_bytes
    weights = sum(leaf.size for leaf in jax.tree.leaves(state.params))
    units = shape.batch * shape.length * shape.layers * shape.features
    logits = shape.batch * shape.length * shape.symbols
    minimum = 4 * (4 * weights + (8 * units + logits) / devices)
    minimum += units / devices if shape.dropout else 0
    return peak / 2**20, minimum / 2**20


def _write_text(folder: Path) -> Path:
    path = folder / "text.txt"
    if not path.exists():
        path.write_text("What is made here is read here, and by nobody else.\n" * 4000)
    return path


def _time_first_step(command: list[str], **environment: str) -> float:
    start = time.perf_counter()
    with subprocess.Popen(
        command,
        cwd=ROOT,
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        for line in process.stdout or ():
            if line.startswith("step 1 "):
                spent = 1000 * (time.perf_counter() - start)
                process.communicate()
                return spent
    raise RuntimeError(f"{command[2]} took no step")
