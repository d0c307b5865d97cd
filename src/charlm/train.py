"""python -m charlm.train --config=configs/tiny_shakespeare.py [--workdir=DIR]

Trains a model as a config says, into a workdir; continues the run that the workdir
holds, exactly. Any knob can be set: --config.model.features=256
"""

import os
import shlex
import signal
import sys
from pathlib import Path

from absl import flags
from ml_collections import config_flags

from charlm.cli.app import run
from charlm.errors import UserError

STOP_SIGNALS = [signal.SIGINT, signal.SIGTERM]
if hasattr(signal, "SIGHUP"):  # not on Windows
    STOP_SIGNALS.append(signal.SIGHUP)


def main() -> int:
    from charlm.model.jax_setup import configure_jax
    from charlm.model.lm import resolve_dtype
    from charlm.training import build
    from charlm.training.loop import check_resumable
    from charlm.workdir.lock import lock_workdir
    from charlm.workdir.model_files import write_bundle

    configure_jax()
    given = given_config()
    build.check_knobs(given.to_dict())
    workdir = Path(flags.FLAGS.workdir or default_workdir())
    config = given.to_dict()
    for section, name in (("data", "path"), ("train", "init_from")):
        if config[section][name]:  # so that they are found from any folder
            config[section][name] = os.path.abspath(config[section][name])
    # The workdir names the type, so that its model is the same on every platform.
    config["model"]["dtype"] = resolve_dtype(config["model"]["dtype"])
    build.check_same_run(workdir, config)
    start = build.start_of(workdir, config)
    made = build.assemble(config, known=build.known_symbols(workdir, start))
    params = build.adopted(start, made, seed=config["seed"]) if start else None
    with lock_workdir(workdir):
        # Once more: another run may have begun here in the meantime.
        build.check_same_run(workdir, config)
        build.check_vocabulary(workdir, made.vocab)
        check_resumable(workdir, made.text_sha256, other_text=flags.FLAGS.other_text)
        write_bundle(workdir, config=config, vocab=made.vocab)
        return train(workdir, config, made, params)


def train(workdir: Path, config, made, params) -> int:
    """Trains the run that was made of a config; the exit status."""
    from charlm.training.build import summary
    from charlm.training.loop import Intervals, fit
    from charlm.training.reporters import make_reporter

    train, stopped = config["train"], []
    for name in STOP_SIGNALS:
        if signal.getsignal(name) != signal.SIG_IGN:  # as nohup leaves SIGHUP
            signal.signal(name, lambda number, _: stop_soon(number, stopped))
    reporter = make_reporter()
    reporter.say(f"{workdir}: {summary(made)}")
    if config["model"]["dtype"] != "float32":
        reporter.say(f"products are in {config['model']['dtype']}")
    try:
        state = fit(
            lm=made.lm,
            vocab=made.vocab,
            optimizer=made.optimizer,
            learning_rate=made.learning_rate,
            streams=made.streams,
            valid=made.valid,
            steps=made.steps,
            workdir=workdir,
            intervals=Intervals(
                log=train["log_every"],
                evaluate=train["eval_every"],
                checkpoint=train["checkpoint_every"],
                sample=train["sample_every"],
            ),
            seed=config["seed"],
            params=params,
            sample_length=train["sample_length"],
            sample_temperature=train["sample_temperature"],
            device_bytes=config["data"]["device_bytes"],
            text_sha256=made.text_sha256,
            other_text=flags.FLAGS.other_text,
            bad_steps=train["bad_steps"],
            reporter=reporter,
            should_stop=lambda: bool(stopped),
        )
    finally:
        reporter.close()
    return report_end(int(state.step), made.steps, workdir, stopped)


def given_config():
    """The config of the command line.

    Raises:
      UserError: there is none, or its file cannot be read.
    """
    config = flags.FLAGS.config
    if config is None:
        raise UserError("say what to train with --config=configs/demo.py")
    try:
        config.lock()
    except OSError as error:  # told only when the config is looked at
        path = config_words()[0]
        raise UserError(f"{path} cannot be read; is that the config's path?") from error
    return config


def report_end(step: int, steps: int, workdir: Path, stopped: list[int]) -> int:
    """Says where the run stands and what to do next; the exit status."""
    if step < steps:
        print(
            f"stopped at step {step:,} of {steps:,} and saved;"
            " the same command goes on",
            file=sys.stderr,
        )
        return 128 + stopped[0]
    print(
        f"done: {step:,} steps in {workdir}; to read what it writes:"
        f" python -m charlm.sample --workdir={shlex.quote(str(workdir))}",
        file=sys.stderr,
    )
    return 0


def stop_soon(number: int, stopped: list[int]) -> None:
    """The first signal asks the run to save and stop; a second one ends it at once."""
    stopped.append(number)
    for name in STOP_SIGNALS:
        # A closing terminal sends SIGHUP twice: no reason to lose what is being saved.
        again = signal.SIG_IGN if name.name == "SIGHUP" else signal.SIG_DFL
        signal.signal(name, again)


def default_workdir() -> str:
    """runs/NAME for configs/NAME.py, runs/NAME-VARIANT for configs/NAME.py:VARIANT."""
    path, variant = config_words()
    return str(Path("runs", Path(path).stem + (f"-{variant}" if variant else "")))


def let_configs_import_each_other() -> None:
    """`from configs import default` works from any folder, not only from the root."""
    sys.path.append(str(Path(config_words()[0]).absolute().parent.parent))


def config_words() -> tuple[str, str]:
    """PATH and VARIANT of --config=PATH:VARIANT, as they stand on the command line."""
    given = "configs/run.py"
    for word, after in zip(sys.argv, [*sys.argv[1:], ""], strict=True):
        flag, equals, value = word.partition("=")
        if flag in ("--config", "-config"):
            given = value if equals else after
    path, _, variant = given.partition(":")
    return path, variant


if __name__ == "__main__":
    config_flags.DEFINE_config_file(
        "config", None, "configs/NAME.py, or configs/NAME.py:VARIANT", lock_config=True
    )
    flags.DEFINE_string("workdir", "", "where the run lives; by default runs/NAME")
    flags.DEFINE_boolean(
        "other_text", False, "go on although the text is not the one the run began on"
    )
    let_configs_import_each_other()
    run(main, about=__doc__ or "")
