"""charlm write WORKDIR [FILE] [--temperature=0.8] [--length=line]

Opens an editor in the terminal, in which a model writes along. Tab asks it for five
continuations of the text before the cursor; 1 to 5, or the arrows and Enter, take one;
Tab draws others, and Esc puts the list away. Two lines at the bottom say what other
keys do: undo, the temperature, how long a continuation is, saving and leaving.
"""

import sys
from functools import partial
from pathlib import Path

from absl import flags

from charlm.cli.app import MODEL_FLAGS, run_app
from charlm.errors import UserError
from charlm.files import LocalPath

FLAGS = {
    **MODEL_FLAGS,
    "file": (LocalPath(), "the text's file; it may be new, or have a name later"),
    "temperature": (0.8, "0 takes the likeliest character each time"),
    "length": ("line", "word, sentence, line, paragraph, or a number of characters"),
    "seed": (0, "the same seed writes the same continuations"),
}


def write(values: flags.FlagValues) -> None:
    """Runs the editor; if it fails, a text that was not saved goes beside its file."""
    if not is_terminal():
        raise UserError(
            "charlm write needs a terminal; use `charlm sample`, which writes to files"
            " and pipes"
        )
    from charlm.cli.editor import Editor, Settings
    from charlm.cli.screen import run
    from charlm.cli.trained import load

    _, model, _ = load(values)
    settings = Settings(values.temperature, values.length, values.seed)
    path = Path(values.file) if values.file else None
    editor = Editor(model, path, settings)
    try:
        run(editor)
    except BaseException:
        if editor.unsaved:
            print(f"the text is in {editor.rescue()}", file=sys.stderr)
        raise
    finally:
        editor.close()


def is_terminal() -> bool:
    """Returns whether a terminal reads and shows what this process does."""
    streams = (sys.stdin, sys.stdout)  # None where the shell closed it
    return all(stream is not None and stream.isatty() for stream in streams)


POSITIONAL = ["workdir", "file"]
# (argv) -> exit status
main = partial(run_app, __doc__ or "", FLAGS, write, positional=POSITIONAL)

if __name__ == "__main__":
    sys.exit(main())
