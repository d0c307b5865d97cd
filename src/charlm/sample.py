"""charlm sample WORKDIR [PROMPT] [--length=500] [--temperature=0.7]

Writes text with the model of a workdir, as it is drawn.
"""

import io
import itertools
import json
import sys
from functools import partial
from pathlib import Path

from absl import flags

from charlm.cli.app import MODEL_FLAGS, run_app
from charlm.data.corpus import BOM
from charlm.errors import UserError
from charlm.files import LocalPath

FLAGS = {
    **MODEL_FLAGS,
    "length": (500, "characters to write, after the prompt"),
    "temperature": (1.0, "0 takes the likeliest character each time"),
    "top_k": (0, "draw from the k likeliest characters; 0 is all"),
    "top_p": (1.0, "draw from the likeliest that have probability p"),
    "prompt": ("", "what the model reads first"),
    "prompt_file": (LocalPath(), "a file that holds the prompt"),
    "seed": (0, "the same seed writes the same text"),
    "samples": (1, "how many texts"),
    "stop": ("", "a text ends before this"),
    "endless": (False, "write until stopped"),
    "json": (False, "one JSON object on standard output"),
}


def sample(values: flags.FlagValues) -> None:
    """Writes what the flags ask for to standard output."""
    from charlm.cli.trained import announce, load
    from charlm.generation.generate import (
        check_sampling,
        generate_batch,
        generate_stream,
    )
    from charlm.generation.sampler import SamplingParams

    if values.endless and (values.json or values.samples != 1):
        raise UserError("--endless writes one text: leave out --json and --samples")
    config, model, restored = load(values)
    prompt: str | bytes = values.prompt
    if values.prompt_file:
        encoding = config.data.encoding if model.vocab.unit == "char" else ""
        prompt = read_prompt(prompt, values.prompt_file, encoding)
    options = {
        "length": None if values.endless else values.length,
        "sampling": SamplingParams(values.temperature, values.top_k, values.top_p),
        "seed": values.seed,
        "stop": values.stop,
    }
    if isinstance(sys.stdout, io.TextIOWrapper):  # and not a notebook's
        sys.stdout.reconfigure(encoding="utf-8")
    prompt_text = model.vocab.decode(model.vocab.encode(prompt, what="the prompt"))
    check_sampling(values.length, options["sampling"], values.seed, values.samples, 1)
    announce(values, restored)
    if not values.json and values.samples == 1:
        chunks = generate_stream(model, prompt, **options)
        for chunk in itertools.chain([prompt_text], chunks, ["\n"]):
            print(chunk, end="", flush=True)
        return
    texts = generate_batch(model, prompt, num_samples=values.samples, **options)
    if values.json:
        print(
            json.dumps({"step": restored.step, "prompt": prompt_text, "samples": texts})
        )
        return
    for number, text in enumerate(texts, 1):
        print(f"--- sample {number} ---\n{prompt_text}{text}")


def read_prompt(prompt: str | bytes, path: str, encoding: str) -> str | bytes:
    """Returns the text of a prompt's file, or without an encoding its bytes."""
    if prompt:
        raise UserError("--prompt and --prompt_file are two prompts; give one")
    try:
        data = Path(path).read_bytes()
        return data.decode(encoding).removeprefix(BOM) if encoding else data
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}") from error
    except (UnicodeError, LookupError) as error:
        raise UserError(f"{path} is not in the model's {encoding}: {error}") from error


POSITIONAL = ["workdir", "prompt"]
# (argv) -> exit status
main = partial(run_app, __doc__ or "", FLAGS, sample, positional=POSITIONAL)

if __name__ == "__main__":
    sys.exit(main())
