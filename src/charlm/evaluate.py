"""python -m charlm.evaluate --workdir=runs/demo [--split=valid] [--text=FILE]

The exact loss of a workdir's model on a part of its text, or on another text.
"""

import json
from pathlib import Path

from absl import flags

from charlm.doors.command import run
from charlm.errors import UserError


def main() -> None:
    from charlm.doors.machine import use_machine
    from charlm.evaluation.score import evaluate
    from charlm.workdir import bundle

    use_machine()
    given = flags.FLAGS
    if not given.workdir:
        raise UserError("say whose model is scored with --workdir=runs/NAME")
    if given.streams < 0 or given.window < 0:
        raise UserError("--streams and --window must be at least 0")
    config = bundle.read_config(given.workdir)
    (lm, params, vocab), kept = bundle.load(given.workdir, given.checkpoint)
    step, ids = kept.step, read_text(config, vocab, kept.notes)
    train = config.get("train", {})
    score = evaluate(
        lm,
        params,
        ids,
        streams=given.streams or max(1, train.get("batch_size", 1)),
        seq_length=max(1, train.get("seq_length", 100)),
        window=given.window,
    )
    what = {"text": given.text} if given.text else {"split": given.split}
    if given.json:
        print(json.dumps({"step": step, **what, **score._asdict()}))
        return
    kind = f"windows of {given.window}" if given.window else "streams"
    print(
        f"step {step}, {next(iter(what.values()))}:"
        f" {score.nats_per_char:.4f} nats/char, {score.bits_per_char:.4f} bits/char,"
        f" perplexity {score.perplexity:.3f} over {score.characters:,} characters"
        f" in {score.streams} {kind}, the worst {score.worst_nats_per_char:.4f}"
    )


def read_text(config, vocab, notes):
    """ids[n] of --text, or of the --split of the text that the run was trained on."""
    from charlm.doors.assemble import corpus_of
    from charlm.text.corpus import SPLITS, parts

    given = flags.FLAGS
    anything = {"path": "", "corpus": "", "encoding": "utf-8", "unit": vocab.unit}
    data = {**anything, **config.get("data", {})}
    if given.text:
        corpus = corpus_of({**data, "path": given.text})
        return vocab.translate(corpus.ids, corpus.vocab, what=given.text)
    if given.split not in SPLITS:
        raise UserError(f"--split={given.split}: choose one of {', '.join(SPLITS)}")
    if "split" not in data:
        raise UserError("this run's config names no text; score one with --text=FILE")
    if data["path"] and not Path(data["path"]).exists():
        raise UserError(
            f"the text of this run, {data['path']}, is not there; put it back, or score"
            " another with --text=FILE"
        )
    corpus = corpus_of(data)
    if notes.get("text_sha256") not in ("", corpus.sha256):
        raise UserError(
            "the text has changed since this run, and so have its parts; put it back as"
            " it was, or score a whole file with --text=FILE"
        )
    part = parts(len(corpus.ids), data["split"])[given.split]
    if part.stop - part.start < 2:
        raise UserError(
            f"this run's {given.split} part has {part.stop - part.start} characters"
            f" (data.split is {tuple(data['split'])}); choose another --split, or"
            " --text=FILE"
        )
    return vocab.translate(corpus.ids[part], corpus.vocab, what=given.split)


if __name__ == "__main__":
    flags.DEFINE_string("workdir", "", "of the run whose model is scored")
    flags.DEFINE_string("checkpoint", "best", "best, latest, or a step")
    flags.DEFINE_string("split", "valid", "train, valid or test, of the run's own text")
    flags.DEFINE_string("text", "", "a file to score instead, whole")
    flags.DEFINE_integer(
        "streams", 0, "stretches read side by side from zero; 0: as in training; 1: one"
    )
    flags.DEFINE_integer(
        "window", 0, "score windows of this length without earlier context (nanoGPT)"
    )
    flags.DEFINE_boolean("json", False, "one JSON object on standard output")
    run(main, about=__doc__ or "")
