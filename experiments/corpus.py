"""The experiment of a corpus: the best that two cores do in ten minutes, and beside it.

Trains configs/NAME.py:small, scores it and Kneser-Ney with every context on the same
characters, lets it write at several temperatures, and measures the structure of that
beside as much held-out text. With another variant the same is done at another size.
"""

import argparse
import math
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from charlm import Vocab, evaluate, load_model, sample
from charlm.data.corpus import parts
from charlm.errors import UserError
from charlm.evaluation.kneser_ney import kneser_ney, losses
from charlm.model.jax_setup import configure_jax
from charlm.training.build import corpus_of
from charlm.workdir.metadata import choose, has_only_weights, newest_notes, read_notes
from charlm.workdir.metrics import read_metrics
from charlm.workdir.model_files import read_config
from experiments.report import DASH, keep, minutes, quoted, shown, table
from experiments.structure.memorization import copying, words_known
from experiments.structure.well_formedness import closing_by_distance, measure
from experiments.style import curve, picture

ROOT = Path(__file__).parent.parent
CONTEXT = 12  # characters, of the longest n-grams scored
STREAMS = 16  # stretches that a text is scored in, side by side
SAMPLES, LENGTH = 20, 2000  # texts that are measured, and their characters
TEMPERATURES = (0.5, 0.8, 1.0)
SMALL, FULL, TEXT = "small", "full", "held-out text"
SHOWN = 800  # characters of a sample in the README


class Trained(NamedTuple):
    """A run that has ended: its model, and its text in parts."""

    workdir: Path
    lm: Any
    params: Any
    vocab: Vocab
    text: dict[str, np.ndarray]  # ids[n] of train, valid and test
    records: list[dict]


def corpus_experiment(folder: Path, *, kind: str, context: int = CONTEXT) -> None:
    """The whole experiment of the corpus that a folder is named after.

    Args:
      folder: of the experiment; configs/NAME.py has its name.
      kind: of its structure, for `experiments.structure.well_formedness.measure`.
      context: characters, of the longest n-grams scored.
    """
    run = of_command_line(folder.name)
    scores, grams = scored(run), counted(run, context=context)
    written = {str(t): texts(run, temperature=t) for t in TEMPERATURES}
    columns = written | {TEXT: stretches(run)}
    known = run.vocab.decode(run.text["train"])
    structure = {
        name: {
            **measure(drawn, kind=kind),
            **words_known(drawn, known=known),
            **copying(drawn, known=known),
        }
        for name, drawn in columns.items()
    }
    distances = {n: closing_by_distance(t, kind=kind) for n, t in columns.items()}
    results = {"structure": structure, "closed_by_distance": distances}
    blocks = [structure_table(structure), distance_table(distances)]
    blocks += [f"At {t}:\n\n{quoted(drawn[0][:SHOWN])}" for t, drawn in written.items()]
    finish(folder, run, scores, grams, results, blocks)


def finish(folder: Path, run: Trained, scores, grams, results, blocks) -> None:
    """Keeps what was measured, the losses first, and shows it."""
    variant = run.workdir.name.removeprefix(folder.name).removeprefix("-")
    part = variant if variant != SMALL else ""
    curve_file = f"curve-{part}.png" if part else "curve.png"
    draw(folder / curve_file, run, grams)
    head = [told(run, scores, grams), losses_table(scores, grams), f"![]({curve_file})"]
    results = {"scores": scores, "kneser_ney": grams, **results}
    results |= {"seconds": run.records[-1]["seconds"]}
    results |= {"config": settings(run)}
    keep(folder, results, (f"{block}\n" for block in (*head, *blocks)), part=part)
    print(*head, *blocks, sep="\n\n")


def of_command_line(name: str) -> Trained:
    """The run of the variant that the command line asks for, trained to its end."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--variant", default=SMALL, help="of the config; full: none")
    variant = parser.parse_args().variant
    config = f"{name}.py" if variant == FULL else f"{name}.py:{variant}"
    return trained(config, f"runs/{name}-{variant}")


def trained(config: str, workdir: str, *flags: str) -> Trained:
    """The run of configs/CONFIG in a workdir, trained to its end if it is not yet.

    If it cannot be, this ends with the status of charlm.train, which has said why. One
    that holds weights alone, which came from elsewhere, is taken as it is.
    """
    if is_from_elsewhere(ROOT / workdir):
        return opened(ROOT / workdir)
    command = [sys.executable, "-m", "charlm.train", f"--config=configs/{config}"]
    given = [f"--workdir={workdir}", *flags]
    status = subprocess.run([*command, *given], cwd=ROOT).returncode
    if status:
        sys.exit(status)
    return opened(ROOT / workdir)


def is_from_elsewhere(workdir: Path) -> bool:
    """Returns whether a workdir holds weights alone, as experiments.gpu.unpack's do."""
    try:
        step, notes = newest_notes(workdir)
    except UserError:  # charlm.train says what is wrong
        return False
    return bool(notes) and has_only_weights(workdir, step)


def small(name: str) -> Trained:
    """The run of a corpus as its own experiment trains it on two cores."""
    return trained(f"{name}.py:{SMALL}", f"runs/{name}-{SMALL}")


def opened(workdir: Path) -> Trained:
    """A run that has ended, and its text."""
    configure_jax()
    model = load_model(workdir)
    data = read_config(workdir)["data"]
    corpus = corpus_of(data)
    cut = parts(len(corpus.ids), data["split"])
    text = {part: corpus.ids[place] for part, place in cut.items()}
    return Trained(workdir, *model, text, read_metrics(workdir))


def settings(run: Trained) -> dict:
    """The run's config, without where its text lay."""
    config = read_config(run.workdir)
    return config | {"data": config["data"] | {"path": ""}}


def scored(run: Trained, *, streams: int = STREAMS) -> dict[str, float]:
    """Nats per character of the valid and the test text, by the best checkpoint."""
    return {
        part: evaluate(
            run.lm, run.params, run.text[part], streams=streams
        ).nats_per_char
        for part in ("valid", "test")
    }


def counted(run: Trained, *, context: int = CONTEXT) -> dict[str, list[float]]:
    """Kneser-Ney's nats per character by characters of context, from 1 on."""
    model = kneser_ney(run.text["train"], vocab_size=len(run.vocab), context=context)
    return {
        part: losses(model, run.text[part])[1:].tolist() for part in ("valid", "test")
    }


def texts(run: Trained, *, temperature: float, **more) -> list[str]:
    return sample(
        run.lm,
        run.params,
        run.vocab,
        temperature=temperature,
        **{"samples": SAMPLES, "length": LENGTH} | more,
    )


def stretches(run: Trained, part: str = "test") -> list[str]:
    """As many stretches of a part as there are samples, as long, evenly spread."""
    ids = run.text[part]
    starts = np.linspace(0, max(0, len(ids) - LENGTH), SAMPLES).astype(int)
    return [run.vocab.decode(ids[start : start + LENGTH]) for start in starts]


def best(grams: dict[str, list[float]]) -> int:
    """The characters of context that do best on the validation text."""
    return int(np.argmin(grams["valid"])) + 1


def told(run: Trained, scores: dict[str, float], grams: dict[str, list[float]]) -> str:
    """What came out, in words."""
    context = best(grams)
    by = grams["test"][context - 1] - scores["test"]
    verdict = "beats" if by > 0 else "misses"
    config = read_config(run.workdir)["model"]
    last = run.records[-1]
    where = read_notes(run.workdir, choose(run.workdir)).get("weights_from", "")
    return (
        f"Trained in {minutes(last['seconds'])}{where and f' on {where}'},"
        f" {config['layers']} x"
        f" {config['features']}, {last['step']:,} steps. On the test text the"
        f" {config['cell'].upper()} {verdict} the best n-gram ({context} characters of"
        f" context, chosen on the validation text) by {abs(by):.4f} nats."
    )


def losses_table(scores: dict[str, float], grams: dict[str, list[float]]) -> str:
    head = ["", "valid, nats", "test, nats", "test, bits per character"]
    pairs = zip(grams["valid"], grams["test"], strict=True)
    rows = [
        [f"Kneser-Ney, {n} of context", valid, test, test / math.log(2)]
        for n, (valid, test) in enumerate(pairs, 1)
    ]
    ours = [scores["valid"], scores["test"], scores["test"] / math.log(2)]
    return table(head, [["**charlm**", *ours], *rows])


def structure_table(structure: dict[str, dict]) -> str:
    """A row a measure, a column a temperature; the held-out text's is the last."""
    rows = [[n, *(column[n] for column in structure.values())] for n in structure[TEXT]]
    return table(["", *map(at, structure)], rows)


def distance_table(distances: dict[str, dict[str, dict]]) -> str:
    """The share that the right closer closed, of how many, by distance."""
    head = ["closed by the right one, by distance", *map(at, distances)]
    rows = [
        [span, *(of(d[span]) for d in distances.values())] for span in distances[TEXT]
    ]
    return table(head, rows)


def of(closed: dict[str, float]) -> str:
    count = closed["count"]
    return f"{shown(closed['share'])} of {count:,.0f}" if count else DASH


def at(column: str) -> str:
    return TEXT if column == TEXT else f"at {column}"


def draw(path: Path, run: Trained, grams: dict[str, list[float]]) -> None:
    with picture(path) as axes:
        curve(axes, run.records, "train", alpha=0.5)
        curve(axes, run.records, "valid", marker="o", markersize=4)
        floor = min(grams["valid"])
        axes.axhline(floor, linestyle="--", color="black", label="best n-gram, valid")
        axes.set(xlabel="step", ylabel="nats per character", title=run.workdir.name)
