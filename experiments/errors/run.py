"""python -m experiments.errors.run

Which characters of the test text are hard for the nets of configs/NAME.py:small in
runs/NAME-small (trained first, if they are not there) and for n-grams. Writes
results.json and errors.png beside this file, and the tables into README.md.
"""

from pathlib import Path

import numpy as np

from charlm.evaluation.kneser_ney import kneser_ney, losses, nats_by_context
from charlm.evaluation.score import log_probabilities
from experiments.corpus import STREAMS, Trained, small
from experiments.errors.oracles import (
    CLASSES,
    apportioned,
    classes_of,
    grouped,
    oracles,
    text_of,
    words_in,
)
from experiments.report import keep, table
from experiments.style import picture, spread

HERE = Path(__file__).parent
NAMES = {"war_and_peace": "War and Peace", "linux": "Linux"}
CONTEXT = 8  # characters before the one that an n-gram of nine predicts


def main() -> None:
    found = {name: broken_down(small(name)) for name in NAMES}
    draw(found)
    blocks = [block for name, row in found.items() for block in told(name, row)]
    blocks.append("![errors](errors.png)")
    keep(HERE, found, (f"{block}\n" for block in blocks))
    print("\n\n".join(blocks))


def broken_down(run: Trained) -> dict:
    """The errors of a run and of the best n-gram, by oracle and by class."""
    ids, vocab = run.text["test"], run.vocab
    model = kneser_ney(run.text["train"], vocab_size=len(vocab), context=CONTEXT)
    context = int(np.argmin(losses(model, run.text["valid"])))
    grams, best = np.zeros(len(ids), bool), np.zeros(len(ids))
    for m, nats in enumerate(nats_by_context(model, ids)):
        p = np.exp(-nats)
        grams |= p >= 0.5
        best = p if m == context else best
    log_p = log_probabilities(run.lm, run.params, ids, streams=STREAMS)
    text, train = text_of(ids, vocab), text_of(run.text["train"], vocab)
    words = words_in(text, train)
    classes = classes_of(text, words)[1:]
    rows = {}
    # The first character is predicted by n-grams alone, and left out.
    for name, p in (("net", np.exp(log_p)), ("n-gram", best[1:])):
        everywhere = np.concatenate([[1.0], p])
        masks = oracles(text, words, everywhere, grams)
        masks = {name: mask[1:] for name, mask in masks.items()}
        rows[name] = {
            "errors": int((p < 0.5).sum()),
            "by_oracle": apportioned(p < 0.5, masks),
            "nats_per_char": float(-np.log(p).mean()),
            "by_class": by_class(p, classes),
        }
    cell = run.workdir.name
    return {"characters": len(ids) - 1, "context": context, "run": cell, **rows}


def by_class(p: np.ndarray, classes: np.ndarray) -> dict[str, dict[str, float]]:
    """Of each class that there is: its count, its nats, and its errors."""
    found = {}
    for n, name in enumerate(CLASSES):
        given = p[classes == n]
        if len(given):
            found[name] = {
                "count": len(given),
                "nats": float(-np.log(given).sum()),
                "errors": int((given < 0.5).sum()),
            }
    return found


def told(name: str, row: dict) -> list[str]:
    """What came out, in blocks of Markdown."""
    net, gram, total = row["net"], row["n-gram"], row["characters"]
    return [
        f"## {NAMES[name]}",
        f"Of {total:,} characters of the test text, {net['errors'] / total:.1%} are"
        f" errors of `{row['run']}` ({net['nats_per_char']:.4f} nats per character) and"
        f" {gram['errors'] / total:.1%} of the n-gram with {row['context']} characters"
        f" of context ({gram['nats_per_char']:.4f}).",
        oracle_table(row),
        class_table(row),
    ]


def oracle_table(row: dict) -> str:
    head = ["errors that are mended by", "of the net", "share of its errors"]
    head += ["of the n-gram", "share of its errors"]
    rows = []
    for name, count in row["net"]["by_oracle"].items():
        line = [f"*{name}*" if name == "the rest" else name]
        for who in ("net", "n-gram"):
            count, errors = row[who]["by_oracle"][name], row[who]["errors"]
            line += [count, f"{count / max(1, errors):.1%}"]
        rows.append(line)
    return table(head, rows)


def class_table(row: dict) -> str:
    head = ["class", "of all characters", "of the net's loss", "its nats per character"]
    head += ["its errors", "the n-gram's nats per character", "its errors"]
    total, rows = row["characters"], []
    whole = row["net"]["nats_per_char"] * total
    for name, net in row["net"]["by_class"].items():
        gram, count = row["n-gram"]["by_class"][name], net["count"]
        line = [name, f"{count / total:.1%}", f"{net['nats'] / whole:.1%}"]
        for of in (net, gram):
            line += [of["nats"] / count, f"{of['errors'] / count:.1%}"]
        rows.append(line)
    return table(head, rows)


def draw(found: dict[str, dict]) -> None:
    """The errors of each net beside its n-gram's, stacked by what would mend them."""
    bars = {
        f"{NAMES[name]}\n{label}": (grouped(row[who]["by_oracle"]), row["characters"])
        for name, row in found.items()
        for who, label in (("net", "LSTM"), ("n-gram", f"{row['context']} characters"))
    }
    groups = list(next(iter(bars.values()))[0])
    with picture(HERE / "errors.png", width=9, height=5.5) as axes:
        bottom = np.zeros(len(bars))
        for group, colour in zip(groups, spread(len(groups)), strict=True):
            heights = [100 * of[group] / total for of, total in bars.values()]
            places = range(len(bars))
            axes.bar(places, heights, 0.6, bottom, color=colour, label=group)
            bottom += heights
        axes.set_xticks(range(len(bars)), bars)
        axes.set(ylabel="% of the test text's characters", xlim=(-0.5, len(bars) + 0.8))
        axes.set_title("characters given less than a half, by what would mend them")
        axes.grid(visible=False, axis="x")


if __name__ == "__main__":
    main()
