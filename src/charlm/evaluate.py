"""python -m charlm.evaluate --workdir=runs/demo [--split=valid] [--text=FILE]

The exact loss of a workdir's model on a part of its text, or on another text.
"""

import json

from absl import flags

from charlm.cli.app import run
from charlm.errors import UserError


def main() -> None:
    from charlm.cli.text_source import read_text
    from charlm.evaluation.score import evaluate
    from charlm.model.jax_setup import configure_jax
    from charlm.workdir import model_files

    configure_jax()
    given = flags.FLAGS
    if not given.workdir:
        raise UserError("say whose model is scored with --workdir=runs/NAME")
    if given.streams < 0 or given.window < 0:
        raise UserError("--streams and --window must be at least 0")
    config = model_files.read_config(given.workdir)
    (lm, params, vocab), kept = model_files.load(given.workdir, given.checkpoint)
    step = kept.step
    ids = read_text(config, vocab, kept.notes, text=given.text, split=given.split)
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
