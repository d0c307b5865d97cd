"""python -m charlm.sample --workdir=runs/demo [--length=500] [--temperature=0.7]

Writes text with the model of a workdir, as it is drawn.
"""

import io
import json
import sys
from pathlib import Path

from absl import flags

from charlm.cli.app import run
from charlm.data.corpus import BOM
from charlm.errors import UserError


def main() -> None:
    from charlm.generation.stream import sample, stream
    from charlm.model.jax_setup import configure_jax
    from charlm.workdir.model_files import load_model, read_config

    configure_jax()
    given = flags.FLAGS
    if not given.workdir:
        raise UserError("say whose model writes with --workdir=runs/NAME")
    if given.endless and (given.json or given.samples != 1):
        raise UserError("--endless writes one text: leave out --json and --samples")
    lm, params, vocab = load_model(given.workdir, checkpoint=given.checkpoint)
    prompt = given.prompt
    if given.prompt_file:
        data = read_config(given.workdir).get("data", {})
        encoding = data.get("encoding", "utf-8") if vocab.unit == "char" else ""
        prompt = read_prompt(given.prompt, given.prompt_file, encoding)
    sampling = {
        "prompt": prompt,
        "length": None if given.endless else given.length,
        "temperature": given.temperature,
        "top_k": given.top_k,
        "top_p": given.top_p,
        "seed": given.seed,
        "stop": given.stop,
    }
    if isinstance(sys.stdout, io.TextIOWrapper):  # and not a notebook's
        sys.stdout.reconfigure(encoding="utf-8", newline="")
    shown = vocab.decode(vocab.encode(prompt, what="the prompt")) if prompt else ""
    if given.json:
        texts = sample(lm, params, vocab, samples=given.samples, **sampling)
        print(json.dumps({"prompt": shown, "samples": texts}))
    elif given.samples != 1:
        texts = sample(lm, params, vocab, samples=given.samples, **sampling)
        for number, text in enumerate(texts, 1):
            print(f"--- sample {number} ---\n{shown}{text}")
    else:
        pieces = stream(lm, params, vocab, **sampling)
        sys.stdout.write(shown)
        for [piece] in pieces:
            sys.stdout.write(piece)
            sys.stdout.flush()
        sys.stdout.write("\n")


def read_prompt(prompt: str, path: str, encoding: str) -> str | bytes:
    """The prompt of a file: its text, or with no encoding its bytes."""
    if prompt:
        raise UserError("--prompt and --prompt_file are two prompts; give one")
    try:
        data = Path(path).read_bytes()
        return data.decode(encoding).removeprefix(BOM) if encoding else data
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}") from error
    except (UnicodeError, LookupError) as error:
        raise UserError(f"{path} is not in the model's {encoding}: {error}") from error


if __name__ == "__main__":
    flags.DEFINE_string("workdir", "", "of the run whose model writes")
    flags.DEFINE_string("checkpoint", "best", "best, latest, or a step")
    flags.DEFINE_integer("length", 500, "characters to write, after the prompt")
    flags.DEFINE_float("temperature", 1.0, "0 takes the likeliest character each time")
    flags.DEFINE_integer("top_k", 0, "only the k likeliest characters; 0 is all")
    flags.DEFINE_float("top_p", 1.0, "only the likeliest that have probability p")
    flags.DEFINE_string("prompt", "", "what the model reads first")
    flags.DEFINE_string("prompt_file", "", "a file that holds the prompt")
    flags.DEFINE_integer("seed", 0, "the same seed writes the same text")
    flags.DEFINE_integer("samples", 1, "how many texts")
    flags.DEFINE_string("stop", "", "a text ends before this")
    flags.DEFINE_boolean("endless", False, "write until stopped")
    flags.DEFINE_boolean("json", False, "one JSON object on standard output")
    run(main, about=__doc__ or "")
