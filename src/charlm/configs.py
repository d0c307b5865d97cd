"""charlm configs [NAME]

Lists the configs that come with charlm, with what they train and what was measured; of
one config it shows all that its file says. `charlm train --config=NAME` uses one.
"""

import re
import sys
from functools import partial
from typing import Any

from absl import flags

from charlm.cli.app import run_app
from charlm.cli.configs import find_config, list_configs, load_config, load_module

FLAGS = {"name": ("", "the config to show")}
POSITIONAL = ["name"]


def show(values: flags.FlagValues) -> None:
    """Prints the list, or the config that is named."""
    if values.name:
        path, _ = find_config(values.name)
        print(f"{(load_module(path).__doc__ or '').strip()}\n\nfile: {path}")
        return
    for name, path in list_configs().items():
        module = load_module(path)
        print(f"{name}: {(module.__doc__ or '').strip().splitlines()[0]}")
        measured = getattr(module, "MEASURED", {})
        for variant in list_variants(module.__doc__ or ""):
            full = f"{name}:{variant}" if variant else name
            nats, time = measured.get(variant, (None, ""))
            result = f"{nats:.4f} nats in {time}" if nats else ""
            print(f"  {full:<28}{describe(path, variant):<40}{result}".rstrip())


def list_variants(text: str) -> list[str]:
    """Returns the variants that a config's docstring describes, after the config."""
    return list(dict.fromkeys(["", *re.findall(r"`:(\w+)`", text)]))


def describe(path, variant: str) -> str:
    """Returns the model and the length of training of a config in some words."""
    config: Any = load_config(path, variant)
    model, train = config.model, config.train
    length = f"{train.steps:,} steps" if train.steps else f"{train.epochs:g} epochs"
    size = f"{model.layers} x {model.features} {model.cell}"
    return f"{size}, {train.batch_size} x {train.seq_length}, {length}"


# (argv) -> exit status
main = partial(run_app, __doc__ or "", FLAGS, show, positional=POSITIONAL)

if __name__ == "__main__":
    sys.exit(main())
