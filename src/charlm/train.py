"""python -m charlm.train --config=configs/tiny_shakespeare.py [--workdir=DIR]

Trains a model as a config says, into a workdir; continues the run that the workdir
holds, exactly. Any option can be set: --config.model.features=256
"""

import re
import shlex
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from absl import flags
from ml_collections import config_flags

from charlm.cli.app import run_app
from charlm.config import RunConfig, describe_options, describe_unknown, list_options
from charlm.errors import UserError

STOP_SIGNALS = [
    getattr(signal, name)
    for name in ("SIGINT", "SIGTERM", "SIGHUP")
    if hasattr(signal, name)  # Windows has no SIGHUP
]


FLAGS = {
    "workdir": ("", "where the run lives; by default runs/NAME"),
    "other_text": (
        False,
        "continue although the text is not the one the run started on",
    ),
}


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the front door and returns its exit status."""
    words = list(sys.argv[1:] if argv is None else argv)
    about = f"{__doc__}\noptions of the config, with their defaults:\n"

    def define_config(values):
        check_options_exist(words)
        add_config_folder(words)
        config_flags.DEFINE_config_file(
            "config",
            None,
            "configs/NAME.py, or configs/NAME.py:VARIANT",
            flag_values=values,
            lock_config=True,
            sys_argv=words,
        )

    def run(values):
        return train(values, words)

    about += describe_options()
    return run_app(about, FLAGS, run, words, define_more=define_config)


def train(values: flags.FlagValues, words: Sequence[str]) -> int:
    """Trains what the flags say; returns the exit status."""
    from charlm.model.jax_setup import configure_jax
    from charlm.training.loop import start_run
    from charlm.training.reporters import make_reporter

    configure_jax()
    config = RunConfig.from_dict(get_config(values, words).to_dict())
    workdir = Path(values.workdir or get_default_workdir(words))
    stops: list[int] = []
    handlers = {number: signal.getsignal(number) for number in STOP_SIGNALS}
    for number, handler in handlers.items():
        if handler != signal.SIG_IGN:  # as nohup leaves SIGHUP
            signal.signal(number, lambda number, _: stop_soon(number, stops))
    reporter = make_reporter()
    try:
        run, state = start_run(
            config,
            workdir,
            other_text=values.other_text,
            reporter=reporter,
            should_stop=lambda: bool(stops),
        )
    finally:
        reporter.close()
        for number, handler in handlers.items():
            signal.signal(number, handler)
    return report_end(int(state.step), run.steps, workdir, stops)


def get_config(values: flags.FlagValues, words: Sequence[str]):
    """Returns the config of the command line.

    Raises:
      UserError: there is none, or its file cannot be read.
    """
    config = values.config
    if config is None:
        raise UserError("--config is required, for example --config=configs/demo.py")
    try:
        config.lock()
    except OSError as error:  # raised only when the config is read
        path, _ = split_config_flag(words)
        raise UserError(f"{path} cannot be read; is that the config's path?") from error
    return config


def report_end(step: int, steps: int, workdir: Path, stops: list[int]) -> int:
    """Says where the run stands and what to do next; returns the exit status."""
    if step < steps:
        print(
            f"stopped at step {step:,} of {steps:,} and saved;"
            " the same command goes on",
            file=sys.stderr,
        )
        return 128 + stops[0]
    print(
        f"done: {step:,} steps in {workdir}; to read what it writes:"
        f" python -m charlm.sample --workdir={shlex.quote(str(workdir))}",
        file=sys.stderr,
    )
    return 0


def stop_soon(number: int, stops: list[int]) -> None:
    """Asks the run to save and stop; a second signal ends it at once."""
    stops.append(number)
    for other in STOP_SIGNALS:
        # A closing terminal sends SIGHUP twice: no reason to lose what is being saved.
        hangup = other == getattr(signal, "SIGHUP", None)
        signal.signal(other, signal.SIG_IGN if hangup else signal.SIG_DFL)


def get_default_workdir(words: Sequence[str]) -> str:
    """Returns runs/NAME of configs/NAME.py, runs/NAME-VARIANT with a variant."""
    path, variant = split_config_flag(words)
    return str(Path("runs", Path(path).stem + (f"-{variant}" if variant else "")))


def add_config_folder(words: Sequence[str]) -> None:
    """Makes `from configs import default` work from any folder."""
    path, _ = split_config_flag(words)
    folder = str(Path(path).absolute().parent.parent)
    if folder not in sys.path:
        sys.path.append(folder)


def check_options_exist(words: Sequence[str]) -> None:
    """Raises UserError for --config.NAME of an option that does not exist."""
    for word in words:
        match = re.match(r"--?config\.([\w.]+)", word)
        if match and match[1] not in list_options():
            raise UserError(describe_unknown(match[1]))


def split_config_flag(words: Sequence[str]) -> tuple[str, str]:
    """Returns PATH and VARIANT of --config=PATH:VARIANT on the command line."""
    value = "configs/run.py"
    for word, next_word in zip(words, [*words, ""][1:], strict=True):
        flag, equals, rest = word.partition("=")
        if flag in ("--config", "-config"):
            value = rest if equals else next_word
    path, _, variant = value.partition(":")
    return path, variant


if __name__ == "__main__":
    sys.exit(main())
