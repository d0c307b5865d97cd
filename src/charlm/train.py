"""charlm train [TEXT] [--config=NAME[:VARIANT] or FILE.py] [--workdir=DIR]

Trains a model on a text file, or as a config says, into a workdir; continues the run
that the workdir holds, exactly. `charlm configs` lists the configs. Any option can be
set: --config.model.features=256
"""

import contextlib
import itertools
import re
import shlex
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from ml_collections import config_flags

from charlm.cli.app import run_app
from charlm.cli.configs import find_config, load_config
from charlm.config import RunConfig, list_options
from charlm.corpora.registry import SOURCES
from charlm.errors import UserError
from charlm.files import LocalPath
from charlm.synonyms import describe_unknown

# Clusters warn with USR1 or USR2. Windows has neither them nor SIGHUP.
STOP = ("SIGINT", "SIGTERM", "SIGHUP", "SIGUSR1", "SIGUSR2")
STOP_SIGNALS = [s for s in signal.Signals if s.name in STOP]
DEFAULT_CONFIG = "text"  # of a text that is named without a config
FLAGS = {
    "text": (LocalPath(), "a text file, or the name of a corpus, to train on"),
    "workdir": (LocalPath(), "where the run lives; by default runs/NAME"),
    "other_text": (False, "continue on another text than the run started on"),
    "tracker": ("", "trackio or wandb, to log the metrics there too"),
}


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the front door and returns its exit status."""
    about = f"{__doc__}\noptions of the config, with their defaults:\n"
    about += describe_options()
    name = ""

    def define_config(values, words):
        nonlocal name
        check_config_flags(words)
        word, words = split_config_flag(words)
        path, variant = find_config(word or DEFAULT_CONFIG)
        if word:
            name = path.stem + (f"-{variant}" if variant else "")
        config = load_config(path, variant)
        config_flags.DEFINE_config_dict(
            "config", config, flag_values=values, sys_argv=words
        )
        return words

    def run(values):
        config = values.config
        if values.text:
            is_corpus = values.text in SOURCES and not Path(values.text).exists()
            config.data.path = "" if is_corpus else str(values.text)
            config.data.corpus = values.text if is_corpus else config.data.corpus
        text = Path(config.data.path).stem or config.data.corpus or DEFAULT_CONFIG
        workdir = Path(values.workdir or Path("runs", name or text))
        config = RunConfig.from_dict(config)
        return train(
            config, workdir, other_text=values.other_text, tracker=values.tracker
        )

    positional = ["text"]
    return run_app(
        about, FLAGS, run, argv, positional=positional, define_more=define_config
    )


def train(
    config: RunConfig, workdir: Path, *, other_text: bool, tracker: str = ""
) -> int:
    """Trains what a config says, and says what to do next; returns the exit status."""
    from charlm.api import catch_signals
    from charlm.model.jax_setup import configure_process
    from charlm.training.loop import start_run
    from charlm.training.reporters import make_reporter
    from charlm.training.trackers import add_tracker, start_tracker

    configure_process()
    # Before the progress line, since it may ask for a password.
    module = start_tracker(tracker, config, workdir) if tracker else None
    reporter = make_reporter()
    if module:
        reporter = add_tracker(reporter, module, finish=module.finish)
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
        f" charlm sample {shlex.quote(str(workdir))}"
    )
    return 0


def stop_soon(number: int, stops: list[int]) -> None:
    """Asks the run to save and stop; a second signal ends it at once."""
    stops.append(number)
    for other in STOP_SIGNALS:
        # A closing terminal sends SIGHUP twice, and clusters may warn again: no reason
        # to lose what is being saved.
        at_once = other.name in ("SIGINT", "SIGTERM")
        signal.signal(other, signal.SIG_DFL if at_once else signal.SIG_IGN)


def describe_options() -> str:
    """Returns the options with their defaults and meanings, for --help."""
    lines = []
    for name, field in list_options().items():
        choices = "|".join(field.metadata["choices"])
        choices = f" ({choices})" if choices else ""
        lines.append(f"  --config.{name}={field.default}")
        lines.append(f"      {field.metadata['about']}{choices}")
    return "\n".join(lines)


def check_config_flags(words: Sequence[str]) -> None:
    """Raises UserError for an option that does not exist."""
    for word in words:
        match = re.match(r"--?config\.([\w.]+)", word)
        if match and match[1] not in list_options():
            raise UserError(describe_unknown(match[1], list_options()))


def split_config_flag(words: Sequence[str]) -> tuple[str, list[str]]:
    """Returns the value of the last --config, or "", and the other words."""
    value, rest, is_value = "", [], False
    for word, next_word in itertools.pairwise([*words, ""]):
        flag, equals, after = word.partition("=")
        if is_value:
            is_value = False
        elif flag in ("--config", "-config"):
            value, is_value = (after, False) if equals else (next_word, True)
        else:
            rest.append(word)
    return value, rest


if __name__ == "__main__":
    sys.exit(main())
