"""The functions that most people need: fit, load_model, and a Model's methods."""

import contextlib
import os
import signal
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import ml_collections
import numpy as np
import optax

from charlm.config import RunConfig, find_option
from charlm.corpora.registry import SOURCES
from charlm.evaluation.score import score
from charlm.files import local_path
from charlm.generation.generate import SamplingParams, generate
from charlm.interpret.viewer.notebook import Page, show
from charlm.model.cell import Cell
from charlm.model.jax_setup import configure_jax
from charlm.model.lm import LanguageModel
from charlm.presets import text_config
from charlm.training.branch import inherit_options
from charlm.training.ending import describe_ending
from charlm.training.loop import start_run
from charlm.training.reporters import Reporter, make_reporter
from charlm.training.trackers import add_tracker
from charlm.workdir import model_files
from charlm.workdir.metrics import read_metrics

Config = RunConfig | ml_collections.ConfigDict | Mapping[str, Any]


class Model(model_files.Model):
    """A language model, its parameters and vocabulary; it unpacks as these three."""

    __slots__ = ()

    def generate(
        self,
        prompt: str | bytes = "",
        *,
        length: int = 500,
        temperature: float = 1.0,
        top_k: int = 0,
        top_p: float = 1.0,
        seed: int = 0,
        stop: str = "",
    ) -> str:
        """Returns a text that follows `prompt`, without it; see `charlm.generate`."""
        sampling = SamplingParams(temperature, top_k, top_p)
        return generate(
            self, prompt, length=length, sampling=sampling, seed=seed, stop=stop
        )

    def score(self, texts: str | bytes | Sequence[str | bytes]) -> Any:
        """Returns the nats of a text, or a list of those of each of many.

        They are -ln p of the characters of a text, all but the first, each given those
        before it, summed. Divided by their number, they are the loss. Unseen characters
        are a UserError, and so is a text of fewer than 2.
        """
        if not isinstance(texts, str | bytes):
            return [self.score(text) for text in texts]
        result = score(self.lm, self.params, self.vocab.encode(texts))
        return result.nats_per_char * result.characters

    def show(self, text: str | bytes | np.ndarray, **options: Any) -> Page:
        """Returns the page of a text, which a notebook shows; see `charlm.show`."""
        return show(self, text, **options)


def load_model(
    workdir: str | os.PathLike,
    *,
    checkpoint: str | int = "best",
    cell: Cell | None = None,
    lm: LanguageModel | None = None,
) -> Model:
    """Returns the model of a run. It needs neither the text nor the optimizer.

    Args:
      workdir: of a run.
      checkpoint: "best" (by validation loss; the latest, if none was measured),
        "latest", or a step.
      cell: of a model that was trained with a Cell of your own.
      lm: a model that was trained in place of the config's, as from_nnx makes.

    Raises:
      UserError: no such workdir, or its checkpoint is missing or damaged.
    """
    model, _ = model_files.load(local_path(workdir), checkpoint, cell=cell, lm=lm)
    return Model(*model)


def fit(
    text: str | os.PathLike | Config,
    workdir: str | os.PathLike,
    *,
    optimizer: optax.GradientTransformation | None = None,
    lm: LanguageModel | None = None,
    checkpoint: str | int = "best",
    other_text: bool = False,
    extend: bool = False,
    progress: bool | Reporter = True,
    tracker: Any = None,
    **options: Any,
) -> Model:
    """Trains a model on a text, or continues the run in `workdir`; returns its model.

    It does what `charlm train` does. Interrupted (Ctrl-C, or a notebook's
    stop button), it saves and returns; the same call goes on, exactly.

    Args:
      text: a text file, the name of a corpus, or a config: a RunConfig, an
        ml_collections ConfigDict or nested dicts. A text is trained with the settings
        of configs/text.py.
      workdir: new, empty, or of a run of the same options.
      optimizer: any optax transformation, in place of the config's.
      lm: a model of the text's vocabulary, in place of the config's.
      checkpoint: of the model that is returned, as in load_model.
      other_text: continue although the text is not the one the run started on.
      extend: continue to other steps although the rate is a cosine, which then has the
        new length.
      progress: whether to show it, or a Reporter that does.
      tracker: logs the metrics too: a run of wandb or trackio, or any object with
        log(values, step=step).
      **options: of charlm.config, by name: steps=2000, features=256, cell=my_cell.

    Raises:
      UserError: an option or the text cannot be used, or the workdir is another run's.
    """
    configure_jax()
    workdir = Path(local_path(workdir))
    config = inherit_options(
        make_config(text, **options),
        workdir,
        {find_option(word) for word in options} | {"data.path", "data.corpus"},
        all_options=isinstance(text, str | os.PathLike),
    )
    reporter = progress if isinstance(progress, Reporter) else Reporter()
    if progress is True:
        reporter = make_reporter(read_metrics(workdir))
    with contextlib.ExitStack() as stack:
        stack.callback(reporter.close)
        if tracker is not None:
            reporter = add_tracker(reporter, tracker)
        stops = stack.enter_context(catch_signals([signal.SIGINT]))
        run, ending = start_run(
            config,
            workdir,
            other_text=other_text,
            extend=extend,
            optimizer=optimizer,
            lm=lm,
            reporter=reporter,
            should_stop=lambda: bool(stops),
        )
        reporter.say(describe_ending(run, ending, workdir, again="the same call"))
    return load_model(workdir, checkpoint=checkpoint, lm=run.lm)


def make_config(text: str | os.PathLike | Config, **options: Any) -> RunConfig:
    """Returns the config of a text or a config, with some options changed.

    Raises UserError if there is no such text or option, or a value is impossible.
    """
    if isinstance(text, str | os.PathLike):
        is_corpus = str(text) in SOURCES and not Path(text).exists()
        config: Any = text_config()
        config.data["corpus" if is_corpus else "path"] = str(text)
    else:
        config = text
    run = RunConfig.from_dict(config)
    values = run.to_dict()
    values["model"]["cell"] = run.model.cell  # may be an object
    for word, value in options.items():
        section, _, name = find_option(word).rpartition(".")
        (values[section] if section else values)[name] = value
    return RunConfig.from_dict(values)


@contextlib.contextmanager
def catch_signals(
    numbers: Sequence[int],
    stop: Callable[[int, list[int]], None] = lambda number, stops: stops.append(number),
) -> Iterator[list[int]]:
    """Gives a list, `stops`, and calls stop(number, stops) at the first such signal.

    A second one does what it did before, unless `stop` sets another handler. Outside
    the main thread, where Python handles no signals, the list stays empty.
    """
    stops: list[int] = []
    is_main = threading.current_thread() is threading.main_thread()
    handlers = {number: signal.getsignal(number) for number in numbers if is_main}

    def catch(number, _):
        signal.signal(number, handlers[number])
        stop(number, stops)

    for number in handlers:
        signal.signal(number, catch)
    try:
        yield stops
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
