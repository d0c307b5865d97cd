"""charlm completion bash|zsh|fish

Prints a script that makes the shell complete the commands of charlm, their flags, the
options of configs and the names of configs. For this shell, and for every later one:

    bash  source <(charlm completion bash)       in ~/.bashrc
    zsh   source <(charlm completion zsh)        in ~/.zshrc, after compinit
    fish  charlm completion fish | source        in ~/.config/fish/config.fish
"""

import importlib
import sys
from collections.abc import Iterator, Sequence

from absl import flags

from charlm.cli.app import prepare_streams, run_app
from charlm.cli.configs import list_configs
from charlm.cli.main import COMMANDS, find_command
from charlm.config import list_options
from charlm.errors import UserError

# Each asks `charlm completion --words` for what may stand in place of the last word.
# Where that is nothing, files are completed. Bash takes `=` and `:` for ends of words.
SCRIPTS = {
    "bash": """\
_charlm() {
    local line="${COMP_LINE:0:COMP_POINT}" reply
    local last="${line##* }" IFS=$'\\n'
    local -a words
    IFS=' ' read -ra words <<< "$line"
    [[ $line == *' ' ]] && words+=('')
    reply=$(charlm completion --words -- "${words[@]:1}" 2>/dev/null)
    local prefix="${last%"${last##*[=:]}"}"
    COMPREPLY=()
    for word in $reply; do COMPREPLY+=("${word#"$prefix"}"); done
    [[ ${#COMPREPLY[@]} == 1 && ${COMPREPLY[0]} == *= ]] && compopt -o nospace
}
complete -o default -F _charlm charlm
""",
    "zsh": """\
_charlm() {
    local -a reply
    reply=(${(f)"$(charlm completion --words -- "${(@)words[2,CURRENT]}" 2>/dev/null)"})
    if (( $#reply )); then
        compadd -Q -S '' -a reply
    else
        compset -P '*='
        _files
    fi
}
compdef _charlm charlm
""",
    "fish": """\
function __charlm
    set -l words (commandline -opc) (commandline -ct)
    charlm completion --words -- $words[2..] 2>/dev/null
end
complete -c charlm -a '(__charlm)'
""",
}
FLAGS = {"shell": ("", "bash, zsh or fish")}
POSITIONAL = ["shell"]


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the front door and returns its exit status."""
    words = list(sys.argv[1:] if argv is None else argv)
    if words[:2] == ["--words", "--"]:  # of a script
        prepare_streams()
        print("\n".join(list_completions(words[2:])))
        return 0
    return run_app(__doc__ or "", FLAGS, show, words, positional=POSITIONAL)


def show(values: flags.FlagValues) -> None:
    """Prints a shell's script."""
    if values.shell not in SCRIPTS:
        raise UserError(f"say which shell: {', '.join(SCRIPTS)}")
    print(SCRIPTS[values.shell], end="")


def list_completions(words: Sequence[str]) -> list[str]:
    """Returns what may stand for the last of the words after `charlm`."""
    name, *rest = [*words] or [""]
    if not rest:
        found = iter(COMMANDS)
    elif command := find_command(name):
        found = _list_words(importlib.import_module(command.module), name, rest[-1])
    else:
        found = iter(())
    return [word for word in found if word.startswith(rest[-1] if rest else name)]


def _list_words(module, command: str, word: str) -> Iterator[str]:
    """Yields the flags of a command, or of a flag with `=` its values."""
    flag, equals, _ = word.partition("=")
    options = list_options() if command == "train" else {}
    names = [f"--{name}" for name in [*module.FLAGS, *(["config"] if options else [])]]
    if command == "configs":
        yield from list_configs()
    elif not equals and word.startswith("-"):
        yield from (f"{name}=" for name in names)
        yield from (f"--config.{name}=" for name in options)
    elif flag == "--config":
        yield from (f"{flag}={name}" for name in list_configs())
    elif option := options.get(flag.removeprefix("--config.")):
        choices = option.metadata["choices"] or ("True", "False")
        if option.metadata["choices"] or option.type is bool:
            yield from (f"{flag}={choice}" for choice in choices)


if __name__ == "__main__":
    sys.exit(main())
