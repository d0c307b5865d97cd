"""The command `charlm NAME ...`: which commands there are, and running one."""

import importlib
import sys
from collections.abc import Sequence
from typing import NamedTuple

from charlm.synonyms import find_similar
from charlm.version import VERSION


class Command(NamedTuple):
    """A front door: a module with main(argv), FLAGS and POSITIONAL."""

    module: str
    about: str


COMMANDS = {
    "train": Command("charlm.train", "train a model on a text, or continue a run"),
    "sample": Command("charlm.sample", "write text with a model"),
    "write": Command("charlm.write", "write in the terminal, together with a model"),
    "score": Command("charlm.evaluate", "the exact loss of a model on a text"),
    "look": Command("charlm.visualize", "a page that shows what a model's units do"),
    "curve": Command("charlm.curve", "a picture of the losses of runs"),
    "configs": Command("charlm.configs", "the configs that come with charlm"),
    "corpora": Command("charlm.corpora.__main__", "the named texts; fetch one"),
    "completion": Command("charlm.completion", "completion for bash, zsh and fish"),
}
SYNONYMS = {"evaluate": "score", "visualize": "look"}


def find_command(word: str) -> Command | None:
    """Returns the command of a name, or of its module's name; None without one."""
    return COMMANDS.get(SYNONYMS.get(word, word))


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command that the first word names, and returns its exit status."""
    name, *words = [*(sys.argv[1:] if argv is None else argv)] or [""]
    if command := find_command(name):
        return importlib.import_module(command.module).main(words)
    if name == "--version":
        print(f"charlm {VERSION}")
    elif name in ("", "help", "-h", "--help", "-help"):
        print(describe_commands())
    else:
        near = find_similar(name, [*COMMANDS, *SYNONYMS])
        hint = (
            f"did you mean `charlm {near}`?" if near else "`charlm --help` lists them"
        )
        print(f"error: charlm has no command {name!r}; {hint}", file=sys.stderr)
        return 2
    return 0


def describe_commands() -> str:
    """Returns a line for each command, for --help."""
    lines = [f"  {name:<12}{command.about}" for name, command in COMMANDS.items()]
    return "\n".join(
        [
            "charlm COMMAND ...: character-level language models",
            "",
            "  charlm train my.txt            trains on a text, into runs/my",
            '  charlm sample runs/my "Once "  writes',
            "",
            "commands; `charlm COMMAND --help` describes one:",
            *lines,
        ]
    )
