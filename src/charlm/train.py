"""python -m charlm.train --config=configs/tiny_shakespeare.py [--workdir=DIR]

Trains a model as a config says, into a workdir; continues the run that the workdir
holds, exactly. Any option can be set: --config.model.features=256
"""

import contextlib
import itertools
import os
import re
import shlex
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from ml_collections import config_flags

from charlm.cli.app import run_app
from charlm.config import RunConfig, list_options
from charlm.errors import UserError
from charlm.synonyms import describe_unknown

# Windows has no SIGHUP.
STOP_SIGNALS = [s for s in signal.Signals if s.name in ("SIGINT", "SIGTERM", "SIGHUP")]
FLAGS = {
    "workdir": ("", "where the run lives; by default runs/NAME"),
    "other_text": (False, "continue on another text than the run started on"),
}


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the front door and returns its exit status."""
    words = list(sys.argv[1:] if argv is None else argv)
    about = f"{__doc__}\noptions of the config, with their defaults:\n"
    path, variant = split_config_flag(words)

    def define_config(values):
        check_config_flags(words, path)
        sys.path.append(str(Path(path).absolute().parent.parent))  # has `configs`
        config_flags.DEFINE_config_file(
            "config",
            None,
            "configs/NAME.py, or configs/NAME.py:VARIANT",
            flag_values=values,
            sys_argv=words,
        )

    def run(values):
        if values.config is None:
            raise UserError("--config is required, such as --config=configs/demo.py")
        config = RunConfig.from_dict(values.config.to_dict())
        name = Path(path).stem + (f"-{variant}" if variant else "")
        workdir = Path(values.workdir or Path("runs", name))
        return train(config, workdir, other_text=values.other_text)

    about += describe_options()
    return run_app(about, FLAGS, run, words, define_more=define_config)


def train(config: RunConfig, workdir: Path, *, other_text: bool) -> int:
    """Trains what a config says, and says what to do next; returns the exit status."""
    from charlm.api import catch_signals
    from charlm.model.jax_setup import configure_jax
    from charlm.training.loop import start_run
    from charlm.training.reporters import make_reporter

    configure_jax()
    reporter = make_reporter()
    # What is ignored stays so, as nohup leaves SIGHUP.
    caught = [n for n in STOP_SIGNALS if signal.getsignal(n) != signal.SIG_IGN]
    with contextlib.ExitStack() as stack:
        stack.callback(reporter.close)
        stops = stack.enter_context(catch_signals(caught, stop_soon))
        run, state = start_run(
            config,
            workdir,
            other_text=other_text,
            reporter=reporter,
            should_stop=lambda: bool(stops),
        )
    step = int(state.step)
    if step < run.steps:
        reporter.say(
            f"stopped at step {step:,} of {run.steps:,} and saved; the same command"
            " goes on"
        )
        return 128 + stops[0]
    reporter.say(
        f"done: {step:,} steps in {workdir}; to read what it writes:"
        f" python -m charlm.sample --workdir={shlex.quote(str(workdir))}"
    )
    return 0


def stop_soon(number: int, stops: list[int]) -> None:
    """Asks the run to save and stop; a second signal ends it at once."""
    stops.append(number)
    for other in STOP_SIGNALS:
        # A closing terminal sends SIGHUP twice: no reason to lose what is being saved.
        is_hangup = other.name == "SIGHUP"
        signal.signal(other, signal.SIG_IGN if is_hangup else signal.SIG_DFL)


def describe_options() -> str:
    """Returns the options with their defaults and meanings, for --help."""
    lines = []
    for name, field in list_options().items():
        choices = "|".join(field.metadata["choices"])
        choices = f" ({choices})" if choices else ""
        lines.append(f"  --config.{name}={field.default}")
        lines.append(f"      {field.metadata['about']}{choices}")
    return "\n".join(lines)


def check_config_flags(words: Sequence[str], path: str) -> None:
    """Raises UserError for a config or an option that does not exist."""
    if path and not os.access(path, os.R_OK):
        raise UserError(f"{path} cannot be read; is that the config's path?")
    for word in words:
        match = re.match(r"--?config\.([\w.]+)", word)
        if match and match[1] not in list_options():
            raise UserError(describe_unknown(match[1], list_options()))


def split_config_flag(words: Sequence[str]) -> tuple[str, str]:
    """Returns PATH and VARIANT of --config=PATH:VARIANT on the command line."""
    value = ""
    for word, next_word in itertools.pairwise([*words, ""]):
        flag, equals, rest = word.partition("=")
        if flag in ("--config", "-config"):
            value = rest if equals else next_word
    path, _, variant = value.partition(":")
    return path, variant


if __name__ == "__main__":
    sys.exit(main())
