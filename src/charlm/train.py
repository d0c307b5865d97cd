"""charlm train [TEXT] [--config=NAME[:VARIANT] or FILE.py] [--workdir=DIR]

Trains a model on a text file, or as a config says, into a workdir; continues the run
that the workdir holds, exactly. `charlm configs` lists the configs. Any option can be
set: --config.model.features=256
"""

import contextlib
import itertools
import json
import re
import shlex
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ml_collections import config_flags

from charlm.cli.app import run_app
from charlm.cli.configs import find_config, load_config
from charlm.config import RunConfig, list_options
from charlm.corpora.registry import SOURCES
from charlm.errors import UserError
from charlm.files import LocalPath, make_file_name
from charlm.synonyms import describe_unknown

# Clusters warn with USR1 or USR2. Windows has neither them nor SIGHUP.
STOP = ("SIGINT", "SIGTERM", "SIGHUP", "SIGUSR1", "SIGUSR2")
STOP_SIGNALS = [s for s in signal.Signals if s.name in STOP]
DEFAULT_CONFIG = "text"  # of a text that is named without a config
FLAGS = {
    "text": (LocalPath(), "a text file, or the name of a corpus, to train on"),
    "workdir": (LocalPath(), "where the run lives; by default runs/NAME"),
    "other_text": (False, "continue on another text than the run started on"),
    "dry_run": (False, "say what the run would be and take, and train nothing"),
    "extend": (False, "continue a cosine to other steps; it has the new length then"),
    "tracker": ("", "trackio or wandb, to log the metrics there too"),
}


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the front door and returns its exit status."""
    about = f"{__doc__}\noptions of the config, with their defaults:\n"
    about += describe_options()
    name, given = "", set()

    def define_config(values, words):
        nonlocal name, given
        given = list_config_flags(words)
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
        workdir = Path(values.workdir or Path("runs", make_file_name(name or text)))
        config = RunConfig.from_dict(config)
        if values.text:
            given.update(("data.path", "data.corpus"))
        return train(config, workdir, values, given, all_options=not name)

    positional = ["text"]
    return run_app(
        about, FLAGS, run, argv, positional=positional, define_more=define_config
    )


def train(
    config: RunConfig, workdir: Path, values: Any, given: set[str], *, all_options: bool
) -> int:
    """Trains what a config says, and says what to do next; returns the exit status.

    Args:
      config: the options.
      workdir: of the run.
      values: of FLAGS.
      given: the options that are given on the command line.
      all_options: as in inherit_options.
    """
    from charlm.api import catch_signals
    from charlm.model.jax_setup import configure_process
    from charlm.training.branch import inherit_options
    from charlm.training.ending import describe_ending
    from charlm.training.loop import start_run
    from charlm.training.reporters import make_reporter
    from charlm.training.trackers import add_tracker, start_tracker

    configure_process()
    config = inherit_options(config, workdir, given, all_options=all_options)
    if values.dry_run:
        return plan(config, workdir, extend=values.extend)
    # Before the progress line, since it may ask for a password.
    module = values.tracker and start_tracker(values.tracker, config, workdir)
    reporter = make_reporter()
    if module:
        reporter = add_tracker(reporter, module, finish=module.finish)
    # What is ignored stays so, as nohup leaves SIGHUP.
    caught = [n for n in STOP_SIGNALS if signal.getsignal(n) != signal.SIG_IGN]
    with contextlib.ExitStack() as stack:
        stack.callback(reporter.close)
        stops = stack.enter_context(catch_signals(caught, stop_soon))
        run, ending = start_run(
            config,
            workdir,
            other_text=values.other_text,
            extend=values.extend,
            reporter=reporter,
            should_stop=lambda: bool(stops),
        )
    reporter.say(describe_ending(run, ending, workdir, again="the same command"))
    if ending.is_final:
        reporter.say(
            f"to read what it writes: charlm sample {shlex.quote(workdir.as_posix())}"
        )
    return 128 + stops[0] if stops and not ending.is_final else 0


def plan(config: RunConfig, workdir: Path, *, extend: bool) -> int:
    """Prints the config of a run and what it would take; writes nothing."""
    from charlm.training.dry_run import describe_plan
    from charlm.training.loop import prepare_run
    from charlm.workdir.metadata import read_newest

    run, _ = prepare_run(config, workdir, extend=extend)
    step, _ = read_newest(workdir)
    print(json.dumps(run.config.to_dict(), indent=1))
    print(f"workdir: {workdir}" + (f", which is at step {step:,}" if step else ""))
    print(describe_plan(run, step))
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


def list_config_flags(words: Sequence[str]) -> set[str]:
    """Returns the options that words set; UserError for one that does not exist."""
    matches = (re.match(r"--?config\.([\w.]+)", word) for word in words)
    names = {match[1]: None for match in matches if match}
    for name in names:
        if name not in list_options():
            raise UserError(describe_unknown(name, list_options()))
    return set(names)


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
