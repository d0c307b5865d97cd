"""Finds the hard characters of a test text: python -m experiments.errors.run

The networks are those of configs/NAME.py:small in runs/NAME-small, which it trains
first if they are not there; n-grams stand beside them. It writes results.json and
errors.png beside this file, and the tables into README.md.
"""

from pathlib import Path

import numpy as np

from charlm.evaluation.kneser_ney import kneser_ney, losses, nats_by_context
from charlm.evaluation.score import compute_log_probabilities
from experiments.corpus import STREAMS, TrainedRun, train_small
from experiments.errors.oracles import (
    CLASSES,
    REST,
    classify,
    count_by_oracle,
    decode_by_id,
    find_words,
    group_counts,
    make_masks,
)
from experiments.report import table, write_report
from experiments.style import figure, get_shades

HERE = Path(__file__).parent
NAMES = {"war_and_peace": "War and Peace", "linux": "Linux"}
CONTEXT = 8  # characters before the one that an n-gram of nine predicts
NET, NGRAM = "net", "n-gram"  # models
SOURCES = ("nats", "nats_per_char")  # the README divides them by counts


def main() -> None:
    results = {name: analyze(train_small(name)) for name in NAMES}
    draw_errors(results)
    blocks = [block for name, row in results.items() for block in summarize(name, row)]
    blocks.append("![errors](errors.png)")
    write_report(HERE, results, blocks, sources=SOURCES)
    print("\n\n".join(blocks))


def analyze(run: TrainedRun) -> dict:
    """Returns the errors of a run and of the best n-gram, by oracle and by class."""
    ids, vocab = run.text["test"], run.vocab
    model = kneser_ney(run.text["train"], vocab_size=len(vocab), context=CONTEXT)
    context = int(np.argmin(losses(model, run.text["valid"])))
    likely, best = np.zeros(len(ids), bool), np.zeros(len(ids))
    for m, nats in enumerate(nats_by_context(model, ids)):
        p = np.exp(-nats)
        likely |= p >= 0.5
        best = p if m == context else best
    log_p = compute_log_probabilities(run.lm, run.params, ids, streams=STREAMS)
    text, train = decode_by_id(ids, vocab), decode_by_id(run.text["train"], vocab)
    words = find_words(text, train)
    classes = classify(text, words)[1:]
    rows = {}
    # The network does not predict the first character, which is left out.
    for name, p in ((NET, np.exp(log_p)), (NGRAM, best[1:])):
        masks = make_masks(text, words, np.concatenate([[1.0], p]), likely)
        masks = {oracle: mask[1:] for oracle, mask in masks.items()}
        rows[name] = {
            "errors": int((p < 0.5).sum()),
            "by_oracle": count_by_oracle(p < 0.5, masks),
            "nats_per_char": float(-np.log(p).mean()),
            "by_class": sum_by_class(p, classes),
        }
    name = run.workdir.name
    return {"characters": len(ids) - 1, "context": context, "run": name, **rows}


def sum_by_class(p: np.ndarray, classes: np.ndarray) -> dict[str, dict[str, float]]:
    """Returns the count, nats and errors of each class that the text has.

    Args:
      p: the probability of each character.
      classes: the index in CLASSES of each.
    """
    sums = {}
    for n, name in enumerate(CLASSES):
        of_class = p[classes == n]
        if len(of_class):
            sums[name] = {
                "count": len(of_class),
                "nats": float(-np.log(of_class).sum()),
                "errors": int((of_class < 0.5).sum()),
            }
    return sums


def summarize(name: str, row: dict) -> list[str]:
    """Returns the outcome of a corpus, in blocks of Markdown."""
    net, ngram, total = row[NET], row[NGRAM], row["characters"]
    return [
        f"## {NAMES[name]}",
        f"Of {total:,} characters of the test text, {net['errors'] / total:.1%} are"
        f" errors of `{row['run']}` ({net['nats_per_char']:.4f} nats per character) and"
        f" {ngram['errors'] / total:.1%} of the n-gram with {row['context']} characters"
        f" of context ({ngram['nats_per_char']:.4f}).",
        oracle_table(row),
        class_table(row),
    ]


def oracle_table(row: dict) -> str:
    """Returns a table of the errors that each oracle removes."""
    head = ["oracle that removes the error", "network's errors", "share of them"]
    head += ["n-gram's errors", "share of them"]
    rows = []
    for name in row[NET]["by_oracle"]:
        line = [f"*{name}*" if name == REST else name]
        for model in (NET, NGRAM):
            count, errors = row[model]["by_oracle"][name], row[model]["errors"]
            line += [count, f"{count / max(1, errors):.1%}"]
        rows.append(line)
    return table(head, rows)


def class_table(row: dict) -> str:
    """Returns a table of the loss and the errors of each class of characters."""
    head = ["class", "share of characters", "share of the network's loss"]
    for model in ("network", "n-gram"):
        head += [f"{model}'s nats per character", f"{model}'s errors"]
    total, rows = row["characters"], []
    whole = row[NET]["nats_per_char"] * total
    for name, net in row[NET]["by_class"].items():
        ngram, count = row[NGRAM]["by_class"][name], net["count"]
        line = [name, f"{count / total:.1%}", f"{net['nats'] / whole:.1%}"]
        for sums in (net, ngram):
            line += [sums["nats"] / count, f"{sums['errors'] / count:.1%}"]
        rows.append(line)
    return table(head, rows)


def draw_errors(results: dict[str, dict]) -> None:
    """Draws the errors of each network and n-gram, stacked by oracle."""
    bars = {
        f"{NAMES[name]}\n{label}": (
            group_counts(row[model]["by_oracle"]),
            row["characters"],
        )
        for name, row in results.items()
        for model, label in ((NET, "LSTM"), (NGRAM, f"{row['context']} characters"))
    }
    groups = list(next(iter(bars.values()))[0])
    with figure(HERE / "errors.png", width=9, height=5.5) as axes:
        bottom = np.zeros(len(bars))
        for group, color in zip(groups, get_shades(len(groups)), strict=True):
            heights = [100 * counts[group] / total for counts, total in bars.values()]
            axes.bar(range(len(bars)), heights, 0.6, bottom, color=color, label=group)
            bottom += heights
        axes.set_xticks(range(len(bars)), bars)
        axes.set(ylabel="% of the test text's characters", xlim=(-0.5, len(bars) + 0.8))
        axes.set_title("characters with a probability below a half, by oracle")
        axes.grid(visible=False, axis="x")


if __name__ == "__main__":
    main()
