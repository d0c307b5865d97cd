"""Gives odd flags to every front door."""

import random
from pathlib import Path

from experiments.faults.children import run_door
from experiments.faults.outcome import BUG, IDENTICAL, REFUSED, Tally, is_refusal
from experiments.faults.plans import Plan, make_options, write_text

TRAIN_FLAGS = [
    "--config={}", "--workdir={}", "--config.model.features={}",
    "--config.model.layers={}", "--config.model.cell={}", "--config.model.dropout={}",
    "--config.train.steps={}", "--config.train.batch_size={}",
    "--config.train.seq_length={}", "--config.train.log_every={}",
    "--config.data.path={}", "--config.data.split={}", "--config.data.encoding={}",
    "--config.optim.learning_rate={}", "--config.optim.clip={}", "--config.seed={}",
    "--config.{}=1", "--{}", "{}", "--other_text={}", "--nothing={}",
]  # fmt: skip
READER_FLAGS = [
    "--workdir={}", "--checkpoint={}", "--length={}", "--temperature={}", "--top_k={}",
    "--top_p={}", "--prompt={}", "--prompt_file={}", "--seed={}", "--samples={}",
    "--stop={}", "--json={}", "--split={}", "--text={}", "--streams={}", "--window={}",
    "--{}", "{}",
]  # fmt: skip
VALUES = [
    "", "0", "1", "-1", "3", "nan", "inf", "-inf", "1e999", "0.5", "true", "None", "é",
    "\ud83d", "a b", "=", "--", "/", "/dev/null", ".", "..", "(0.5,0.5)", "()", "[1]",
    "list", "fetch", "path", "best", "latest", "1" + "0" * 20, "\x01", "x" * 999,
]  # fmt: skip


def fuzz_flags(times: int, rng: random.Random, folder: Path) -> Tally:
    """Gives one or two odd flags to a front door; it works, or refuses them."""
    tally = Tally("odd flags")
    plan = Plan(write_text(folder / "text.txt", 2000), make_options(10, 20, 20))
    source = folder / "run"
    plan.train(source)
    for n in range(times):
        name = rng.choice(["train", "sample", "evaluate", "corpora"])
        base = {
            "train": plan.make_flags(folder / f"run-{n}"),
            "sample": [f"--workdir={source}", "--length=20"],
            "evaluate": [f"--workdir={source}"],
            "corpora": [],
        }[name]
        forms = TRAIN_FLAGS if name == "train" else READER_FLAGS
        count = rng.choice([1, 1, 2])
        odd = [rng.choice(forms).format(rng.choice(VALUES)) for _ in range(count)]
        odd = [flag.encode("utf-8", "surrogatepass").decode("utf-8", "surrogateescape")
               for flag in odd]  # fmt: skip
        end = run_door(name, *base, *odd)
        fault = f"{name} {' '.join(odd)!r}"
        if end.status == 0 and "Traceback" not in end.err:
            tally.add(IDENTICAL)
        elif is_refusal(end):
            tally.add(REFUSED)
        else:
            tally.add(f"{BUG}: {end.status} {end.err[-400:]}", fault)
    return tally
