"""charlm score WORKDIR [TEXT] [--split=valid]

The exact loss of a workdir's model on a part of its text, or on another text.
"""

import json
import sys
from functools import partial

from absl import flags

from charlm.cli.app import MODEL_FLAGS, TEXT_FLAGS, run_app
from charlm.options import check_number

FLAGS = {
    **MODEL_FLAGS,
    **TEXT_FLAGS,
    "streams": (0, "streams read side by side from a zero state; 0: the batch size"),
    "window": (0, "score windows of this length without earlier context (nanoGPT)"),
    "json": (False, "one JSON object on standard output"),
}


def evaluate(values: flags.FlagValues) -> None:
    """Prints the score that the flags ask for."""
    from charlm.cli import trained
    from charlm.evaluation.score import score

    check_number("--streams", values.streams, low=0)
    check_number("--window", values.window, low=0)
    config, model, restored = trained.load(values)
    ids = trained.read_text(values, config, model, restored)
    trained.announce(values, restored)
    result = score(
        model.lm,
        model.params,
        ids,
        streams=values.streams or config.train.batch_size,
        seq_length=config.train.seq_length,
        window=values.window,
    )
    source = {"text": values.text} if values.text else {"split": values.split}
    if values.json:
        print(json.dumps({"step": restored.step, **source, **result._asdict()}))
        return
    unit = f"windows of {values.window}" if values.window else "streams"
    print(
        f"step {restored.step}, {next(iter(source.values()))}:"
        f" {result.nats_per_char:.4f} nats/char, {result.bits_per_char:.4f} bits/char,"
        f" perplexity {result.perplexity:.3f} over {result.characters:,} characters"
        f" in {result.streams} {unit}, the worst {result.worst_nats_per_char:.4f}"
    )


POSITIONAL = ["workdir", "text"]
# (argv) -> exit status
main = partial(run_app, __doc__ or "", FLAGS, evaluate, positional=POSITIONAL)

if __name__ == "__main__":
    sys.exit(main())
