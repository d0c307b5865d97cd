"""The experiment that every corpus has: train, score, sample and measure.

It trains configs/NAME.py:VARIANT, scores the network and Kneser-Ney n-grams on the same
text, samples at several temperatures, and measures the structure of the samples beside
that of as much held-out text. experiments/README.md describes the method.
"""

import argparse
import math
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from charlm import LanguageModel, SamplingParams, Vocab, load_model, score
from charlm.data.corpus import split_slices
from charlm.errors import UserError
from charlm.evaluation.kneser_ney import kneser_ney, losses
from charlm.generation.generate import generate_batch
from charlm.model.jax_setup import configure_jax
from charlm.training.build import open_text
from charlm.workdir.metadata import (
    FOLDER,
    choose_step,
    read_metadata,
    read_newest,
)
from charlm.workdir.metrics import read_metrics
from charlm.workdir.model_files import read_config
from experiments.report import (
    DASH,
    format_duration,
    format_value,
    quote,
    table,
    write_report,
)
from experiments.structure.memorization import copying, words_known
from experiments.structure.well_formedness import (
    closing_by_distance,
    measure,
)
from experiments.style import figure, plot_losses

ROOT = Path(__file__).parent.parent
CONTEXT = 12  # characters of context of the longest n-grams that are scored
STREAMS = 16  # passages of a text that are scored side by side
SAMPLES, LENGTH = 20, 2000  # texts that are measured, and characters of each
TEMPERATURES = (0.5, 0.8, 1.0)
SMALL, FULL = "small", "full"  # variants; the full one is the config without a variant
HELD_OUT = "held-out text"  # the last column of a table
EXCERPT = 800  # characters of a sample in the README
SOURCES = ("scores", "kneser_ney")  # the README has them in bits, and subtracts them


class TrainedRun(NamedTuple):
    """A run that has ended: its model, and its text.

    Attributes:
      workdir: its folder.
      lm: the language model.
      params: the parameters of its best checkpoint.
      vocab: its symbols.
      text: ids[n] of the splits "train", "valid" and "test".
      records: the records of metrics.jsonl.
    """

    workdir: Path
    lm: LanguageModel
    params: Any
    vocab: Vocab
    text: dict[str, np.ndarray]
    records: list[dict]


def run_corpus_experiment(
    folder: Path, *, language: str, context: int = CONTEXT
) -> None:
    """Runs the experiment of the corpus that a folder is named after.

    Args:
      folder: the experiment's folder; configs/NAME.py has its name.
      language: a kind of text of `experiments.structure.well_formedness`.
      context: characters of context of the longest n-grams that are scored.
    """
    run = train_from_command_line(folder.name)
    scores, ngrams = score_run(run), score_ngrams(run, context=context)
    samples = {str(t): sample_texts(run, temperature=t) for t in TEMPERATURES}
    columns = samples | {HELD_OUT: get_passages(run)}
    known = run.vocab.decode(run.text["train"])
    structure = {
        column: {
            **measure(texts, kind=language),
            **words_known(texts, known=known),
            **copying(texts, known=known),
        }
        for column, texts in columns.items()
    }
    distances = {c: closing_by_distance(t, kind=language) for c, t in columns.items()}
    results = {"structure": structure, "closed_by_distance": distances}
    blocks = [structure_table(structure), distance_table(distances)]
    blocks += [
        f"At temperature {temperature}:\n\n{quote(choose_excerpt(texts))}"
        for temperature, texts in samples.items()
    ]
    write_corpus_report(folder, run, scores, ngrams, results, blocks)


def write_corpus_report(
    folder: Path,
    run: TrainedRun,
    scores: dict[str, float],
    ngrams: dict[str, list[float]],
    results: dict[str, Any],
    blocks: list[str],
) -> None:
    """Writes and prints the report of a corpus, the losses first.

    Args:
      folder: the experiment's folder.
      run: the run.
      scores: its losses, of `score_run`.
      ngrams: those of the n-grams, of `score_ngrams`.
      results: what else was measured.
      blocks: what else the README shows.
    """
    variant = run.workdir.name.removeprefix(folder.name).removeprefix("-")
    part = variant if variant != SMALL else ""
    curve = f"curve-{part}.png" if part else "curve.png"
    draw_curve(folder / curve, run, ngrams)
    head = [summarize(run, scores, ngrams), losses_table(scores, ngrams)]
    blocks = [*head, f"![]({curve})", *blocks]
    results = {
        "scores": scores,
        "kneser_ney": ngrams,
        **results,
        "seconds": run.records[-1]["seconds"],
        "config": get_config(run),
    }
    write_report(folder, results, blocks, part=part, sources=SOURCES)
    print(*blocks, sep="\n\n")


def train_from_command_line(name: str) -> TrainedRun:
    """Trains the variant of configs/NAME.py that the command line names."""
    parser = argparse.ArgumentParser()
    parser.add_argument(
        "--variant", default=SMALL, help="of the config; full is the one without a name"
    )
    variant = parser.parse_args().variant
    config = f"{name}.py" if variant == FULL else f"{name}.py:{variant}"
    return train_run(config, f"runs/{name}-{variant}")


def train_run(config: str, workdir: str, *flags: str) -> TrainedRun:
    """Trains the run of a workdir to its end, if it has not ended, and loads it.

    If charlm.train fails, this process ends with the same exit status. A workdir that
    holds only weights, from another machine, is loaded as it is.

    Args:
      config: a file name in configs/, with its variant.
      workdir: the run's folder, relative to the repository.
      flags: more flags of charlm.train.
    """
    if not holds_only_weights(ROOT / workdir):
        command = [sys.executable, "-m", "charlm.train", f"--config=configs/{config}"]
        command += [f"--workdir={workdir}", *flags]
        status = subprocess.run(command, cwd=ROOT).returncode
        if status:
            sys.exit(status)
    return load_run(ROOT / workdir)


def holds_only_weights(workdir: Path) -> bool:
    """Returns whether a workdir has only weights, as experiments.gpu.unpack writes."""
    try:
        _, metadata = read_newest(workdir)
    except UserError:  # charlm.train says what is wrong
        return False
    return bool(metadata) and "run" not in metadata["sha256"]


def train_small(name: str) -> TrainedRun:
    """Trains the run of a corpus's own experiment, or loads it if it has ended."""
    return train_run(f"{name}.py:{SMALL}", f"runs/{name}-{SMALL}")


def load_run(workdir: Path) -> TrainedRun:
    """Loads a run that has ended, and its text."""
    configure_jax()
    model = load_model(workdir)
    data = read_config(workdir).data
    corpus = open_text(data)
    slices = split_slices(len(corpus.ids), data.split)
    text = {split: corpus.ids[where] for split, where in slices.items()}
    return TrainedRun(workdir, *model, text, read_metrics(workdir))


def get_config(run: TrainedRun) -> dict:
    """Returns the config of a run, without the path of its text."""
    config = read_config(run.workdir).to_dict()
    return config | {"data": config["data"] | {"path": ""}}


def score_run(run: TrainedRun, *, streams: int = STREAMS) -> dict[str, float]:
    """Returns the nats per character of the validation and the test text."""
    return {
        split: score(run.lm, run.params, run.text[split], streams=streams).nats_per_char
        for split in ("valid", "test")
    }


def score_ngrams(run: TrainedRun, *, context: int = CONTEXT) -> dict[str, list[float]]:
    """Returns Kneser-Ney's nats per character, by characters of context from 1 on."""
    model = kneser_ney(run.text["train"], vocab_size=len(run.vocab), context=context)
    return {
        split: losses(model, run.text[split])[1:].tolist()
        for split in ("valid", "test")
    }


def sample_texts(
    run: TrainedRun,
    *,
    temperature: float,
    samples: int = SAMPLES,
    length: int = LENGTH,
    prompt: str | bytes = "",
    stop: str = "",
) -> list[str]:
    """Returns samples of a run; see `charlm.generate_batch`."""
    return generate_batch(
        (run.lm, run.params, run.vocab),
        prompt,
        num_samples=samples,
        length=length,
        sampling=SamplingParams(temperature),
        stop=stop,
    )


def get_passages(run: TrainedRun) -> list[str]:
    """Returns evenly spaced passages of the test text, as many as there are samples."""
    ids = run.text["test"]
    starts = np.linspace(0, max(0, len(ids) - LENGTH), SAMPLES).astype(int)
    return [run.vocab.decode(ids[start : start + LENGTH]) for start in starts]


def choose_excerpt(texts: Sequence[str]) -> str:
    """Returns the excerpt of the samples that the README shows.

    It is the first EXCERPT characters of the first text of which at least half of these
    are no white space; of the first text, if there is no such text.
    """
    excerpts = [text[:EXCERPT] for text in texts]
    for excerpt in excerpts:
        if sum(not c.isspace() for c in excerpt) >= len(excerpt) / 2:
            return excerpt
    return excerpts[0]


def get_best_context(ngrams: dict[str, list[float]]) -> int:
    """Returns the characters of context with the lowest validation loss."""
    return int(np.argmin(ngrams["valid"])) + 1


def summarize(
    run: TrainedRun, scores: dict[str, float], ngrams: dict[str, list[float]]
) -> str:
    """Returns the outcome in words: the time, the size, and who has the lower loss."""
    context = get_best_context(ngrams)
    margin = ngrams["test"][context - 1] - scores["test"]
    verdict = "beats" if margin > 0 else "misses"
    model = read_config(run.workdir).model
    last = run.records[-1]
    checkpoint = run.workdir / FOLDER / str(choose_step(run.workdir))
    machine = read_metadata(checkpoint)["notes"].get("weights_from", "")
    return (
        f"Trained in {format_duration(last['seconds'])}{machine and f' on {machine}'},"
        f" {model.layers} x"
        f" {model.features}, {last['step']:,} steps. On the test text the"
        f" {str(model.cell).upper()} {verdict} the best n-gram ({context} characters of"
        f" context, chosen on the validation text) by {abs(margin):.4f} nats."
    )


def losses_table(scores: dict[str, float], ngrams: dict[str, list[float]]) -> str:
    """Returns a table with a row for the network and one for each context."""
    head = ["", "valid, nats", "test, nats", "test, bits per character"]
    rows = [["**charlm**", scores["valid"], scores["test"]]]
    pairs = zip(ngrams["valid"], ngrams["test"], strict=True)
    rows += [[f"Kneser-Ney, context {n}", *pair] for n, pair in enumerate(pairs, 1)]
    return table(head, [[*row, row[-1] / math.log(2)] for row in rows])


def structure_table(structure: dict[str, dict]) -> str:
    """Returns a table with a row for each measure and a column for each temperature."""
    names = structure[HELD_OUT]
    rows = [[n, *(column[n] for column in structure.values())] for n in names]
    return table(["", *map(format_column, structure)], rows)


def distance_table(distances: dict[str, dict[str, dict]]) -> str:
    """Returns a table of the share that was closed correctly, by distance."""
    head = ["closed correctly, by distance", *map(format_column, distances)]
    rows = [
        [span, *(format_share(column[span]) for column in distances.values())]
        for span in distances[HELD_OUT]
    ]
    return table(head, rows)


def format_share(closed: dict[str, float]) -> str:
    """Returns a share and the count that it is of, or a dash where that is 0."""
    count = closed["count"]
    return f"{format_value(closed['share'])} of {count:,.0f}" if count else DASH


def format_column(column: str) -> str:
    """Returns the name of a column in a table."""
    return HELD_OUT if column == HELD_OUT else f"at {column}"


def draw_curve(path: Path, run: TrainedRun, ngrams: dict[str, list[float]]) -> None:
    """Draws the losses of a run, and the best n-gram's as a line."""
    with figure(path) as axes:
        plot_losses(axes, run.records, "train", alpha=0.5)
        plot_losses(axes, run.records, "valid", marker="o", markersize=4)
        best = min(ngrams["valid"])
        axes.axhline(best, linestyle="--", color="black", label="best n-gram, valid")
        axes.set(xlabel="step", ylabel="nats per character", title=run.workdir.name)
