"""python -m experiments.evolution.run

Trains on War and Peace for 2,000 steps with a sample every 100, or goes on where
runs/evolution stands. Writes results.json and curve.png beside this file, what is
measured into README.md, and the page runs/evolution.html.
"""

import math
from pathlib import Path

from charlm.workdir.metrics import SAMPLES
from charlm.workdir.model_files import read_config
from experiments.corpus import ROOT, TrainedRun, get_config, train_run
from experiments.evolution.page import (
    Sample,
    list_words,
    make_page,
    parse_samples,
    truncate,
)
from experiments.report import format_duration, quote, table, write_report
from experiments.style import figure, plot_losses

HERE = Path(__file__).parent
PAGE = ROOT / "runs/evolution.html"
POST = (100, 300, 500, 700, 1200, 2000)  # iterations whose samples the post shows
EVERY, STEPS = 100, 2000
SHOWN, ON_PAGE = 500, 800  # characters of a sample in the README and on the page
LENGTHS = {"1-3": (1, 3), "4-6": (4, 6), "7 or more": (7, math.inf)}  # of words
KNOBS = {
    "train.steps": STEPS,
    "train.log_every": 20,
    "train.eval_every": EVERY,
    "train.sample_every": EVERY,
    "train.sample_length": 2000,
    "train.sample_temperature": 0.8,
}


def main() -> None:
    flags = [f"--config.{name}={value}" for name, value in KNOBS.items()]
    run = train_run("war_and_peace.py:small", "runs/evolution", *flags)
    written = (run.workdir / SAMPLES).read_bytes().decode(errors="replace")
    samples = parse_samples(written.replace("\r\n", "\n"))
    known = set(list_words(run.vocab.decode(run.text["train"])))
    shares = {sample.step: share_known(sample.text, known) for sample in samples}
    held_out = share_known(run.vocab.decode(run.text["valid"]), known)
    losses = {part: list_losses(run, part) for part in ("train", "valid")}
    page = make_page(
        samples,
        known_words=known,
        shares=[shares[sample.step]["all"] for sample in samples],
        losses=losses,
        marked_steps=POST,
        length=ON_PAGE,
        about=describe_network(run),
    )
    PAGE.write_text(page)
    draw(run, shares)
    rows = {step: [dict(losses[part])[step] for part in losses] for step in shares}
    blocks = [describe_training(run), evolution_table(rows, shares, held_out)]
    blocks += ["![curve](curve.png)", *format_samples(samples, rows)]
    results = {"losses": rows, "words_known": shares, "words_known_valid": held_out}
    results |= {"seconds": get_seconds(run), "config": get_config(run)}
    sources = ("words_known", "words_known_valid")  # percentages in the README
    write_report(HERE, results, blocks, sources=sources)
    print("\n\n".join(blocks))


def share_known(text: str, known: set[str]) -> dict[str, float]:
    """The share of known words in a text: of all, and of those of each length."""
    words = list_words(text)
    among = {"all": words}
    for name, (low, high) in LENGTHS.items():
        among[name] = [word for word in words if low <= len(word) <= high]
    return {
        name: sum(word in known for word in words) / len(words) if words else 0.0
        for name, words in among.items()
    }


def list_losses(run: TrainedRun, part: str) -> list[tuple[int, float]]:
    """(step, nats per character) of a part, in order."""
    rows = [record for record in run.records if record["split"] == part]
    return [(row["step"], row["nats_per_char"]) for row in rows]


def get_seconds(run: TrainedRun) -> float:
    return run.records[-1]["seconds"]


def describe_training(run: TrainedRun) -> str:
    config = read_config(run.workdir)
    model, train = config.model, config.train
    return (
        f"{model.layers} x {model.features} {str(model.cell).upper()}, {STEPS:,}"
        f" steps of {train.batch_size} x {train.seq_length} characters,"
        f" {run.records[-1]['epoch']:.2f} epochs, in"
        f" {format_duration(get_seconds(run))}, samples"
        " and scores included. Losses are in nats per character; that of training is"
        f" the mean of {train.log_every} steps."
    )


def describe_network(run: TrainedRun) -> str:
    model = read_config(run.workdir).model
    units = f"{model.features} {str(model.cell).upper()} units"
    layers = "one layer" if model.layers == 1 else f"{model.layers} layers"
    return (
        f"The network is {layers} of {units}, trained for"
        f" {format_duration(get_seconds(run))} on"
        " Tolstoy’s novel in the Maudes’ translation, with charlm. The steps that have"
        " a number under the slider are those shown in Andrej Karpathy’s “The"
        " Unreasonable Effectiveness of Recurrent Neural Networks” (2015)."
    )


def evolution_table(rows, shares, held_out) -> str:
    head = ["step", "training loss", "validation loss", "words known, of all"]
    head += [f"of those of {name} letters" for name in LENGTHS]
    lines = [
        [f"**{step:,}**" if step in POST else step, *row, *format_shares(shares[step])]
        for step, row in rows.items()
    ]
    return table(head, [*lines, ["validation text", "", "", *format_shares(held_out)]])


def format_shares(shares: dict[str, float]) -> list[str]:
    return [f"{share:.1%}" for share in shares.values()]


def format_samples(samples: list[Sample], rows: dict[int, list[float]]) -> list[str]:
    """The six samples of the post, each under its step and losses."""
    blocks = []
    for sample in samples:
        if sample.step in POST:
            train, valid = rows[sample.step]
            head = f"Step {sample.step:,}, loss {train:.4f} in training, {valid:.4f} in"
            text = truncate(sample.text.strip(), SHOWN)
            blocks += [f"{head} validation:\n\n{quote(text)}"]
    return blocks


def draw(run: TrainedRun, shares: dict[int, dict[str, float]]) -> None:
    """The losses, and the words that are known, by step."""
    with figure(HERE / "curve.png", columns=2, width=10) as (left, right):
        plot_losses(left, run.records, "train", alpha=0.5)
        plot_losses(left, run.records, "valid", marker="o", markersize=3)
        left.set(xlabel="step", ylabel="nats per character", title="loss")
        for name in LENGTHS:
            known = [100 * share[name] for share in shares.values()]
            right.plot(list(shares), known, "o-", markersize=3, label=name)
        title = "words that the training text has, by their letters"
        right.set(xlabel="step", ylabel="%", ylim=(0, 103), title=title)


if __name__ == "__main__":
    main()
