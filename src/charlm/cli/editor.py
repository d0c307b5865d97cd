"""Editor: a text, what is asked of the model for it, and the questions to its writer.

The screen that shows it, and the keys that call it, are in `screen.py`.
"""

import asyncio
import itertools
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import numpy as np
from prompt_toolkit.application import get_app
from prompt_toolkit.buffer import Buffer
from prompt_toolkit.document import Document

from charlm.cli.app import describe_error
from charlm.cli.continuations import (
    COUNT,
    Choices,
    get_max_characters,
    get_next_length,
    split_prompt,
)
from charlm.cli.questions import Questions
from charlm.errors import UserError
from charlm.files import atomic_file, local_path
from charlm.generation.continuer import Continuer
from charlm.generation.sampler import CHUNK_READ, SamplingParams

Item = TypeVar("Item")
MAX_SHOWN = 20  # characters that the model has never seen
# Bytes of a file that are no UTF-8 are kept as Python keeps those of file names.
KEEP_BYTES = "surrogateescape"


class Settings(NamedTuple):
    """How continuations are drawn."""

    temperature: float = 0.8
    length: str = "line"  # a name of continuations.ENDS, or a number of characters
    seed: int = 0


class Editor:
    """The state of the screen. All methods run in the terminal's thread.

    Attributes:
      buffer: the text, with its cursor and what can be undone.
      questions: what is asked at the bottom.
      path: the file of the text, None before it has a name.
      choices: the list of continuations, None without one.
      message: one line about what happened last.
    """

    def __init__(self, model: Any, path: Path | None, settings: Settings):
        text = read_text(path)
        self.path, self.settings = path, settings
        self.buffer = Buffer(document=Document(text, len(text)))
        self.questions = Questions()
        self.choices: Choices | None = None
        self.message = ""
        self.vocab = model.vocab
        self._continuer = Continuer(model)
        self._saved_text = text
        self._pool = ThreadPoolExecutor(1)  # the model's, so that keys stay alive
        self._task: asyncio.Task | None = None
        self._draw("", settings)  # UserError for impossible settings
        self.buffer.on_text_changed += lambda _: self.put_away()
        self.buffer.on_cursor_position_changed += lambda _: self.put_away()

    @property
    def unsaved(self) -> bool:
        return self.buffer.text != self._saved_text

    @property
    def busy(self) -> bool:
        """Whether the model reads or draws."""
        return self._task is not None and not self._task.done()

    def close(self) -> None:
        """Waits for the model's thread, which stops after a chunk."""
        self._pool.shutdown(cancel_futures=True)

    def warm_up(self) -> None:
        """Compiles all that the model needs, and reads the text."""
        symbols = self.vocab.decode_bytes(np.zeros(CHUNK_READ + 1, np.int32))
        text = split_prompt(self.buffer.text, self.vocab)[0]
        self._start(self._warm_up([symbols, text]))

    async def _warm_up(self, prompts: list[str | bytes]) -> None:
        for prompt in prompts:
            async for _ in self._in_thread(self._draw(prompt, Settings(length="1"))):
                pass

    def ask(self) -> None:
        """Draws continuations of the text before the cursor, others than before."""
        seed = (self.settings.seed + 1) % 2**32
        self._fill_choices()
        self.settings = self.settings._replace(seed=seed)

    def put_away(self) -> None:
        """Removes the list and the message; what is being drawn is stopped."""
        if self._task and self.choices:
            self._task.cancel()
        self.choices, self.message = None, ""

    def mark(self, step: int) -> None:
        """Marks another continuation of the list, `step` places further down."""
        if self.choices:
            self.choices = self.choices.move(step)

    def choose(self, place: int | None = None) -> None:
        """Inserts a continuation of the list, without a place the marked one."""
        if self.choices:
            place = self.choices.selected if place is None else place
            text = self.choices.get(place)
            self.buffer.save_to_undo_stack()
            self.buffer.insert_text(text)
            self.buffer.save_to_undo_stack()  # what is typed next is undone before it

    def change_temperature(self, step: float) -> None:
        temperature = max(0.0, round(self.settings.temperature + step, 2))
        self._change(temperature=temperature)

    def change_length(self) -> None:
        self._change(length=get_next_length(self.settings.length))

    def _change(self, **settings: Any) -> None:
        """Changes settings, and draws the list again if there is one."""
        self.settings = self.settings._replace(**settings)
        if self.choices:
            self._fill_choices()

    def _fill_choices(self) -> None:
        text = self.buffer.document.text_before_cursor
        prompt, unseen = split_prompt(text, self.vocab)
        self.put_away()
        if unseen:
            more = " ..." * (len(unseen) > MAX_SHOWN)
            shown = repr(unseen[:MAX_SHOWN]) + more
            self.message = f"not read, for the model has never seen it: {shown}"
        self.choices = Choices(self.settings.length)
        self._start(self._fill(self._draw(prompt, self.settings)))

    async def _fill(self, chunks: Iterator[list[str]]) -> None:
        assert self.choices
        async for new in self._in_thread(chunks):
            self.choices = self.choices.add(new)
            get_app().invalidate()
            if self.choices.done:
                break
        self.choices = self.choices._replace(done=True).move(0)

    def _draw(self, prompt: str | bytes, settings: Settings) -> Iterator[list[str]]:
        return self._continuer.draw(
            prompt,
            num_samples=COUNT,
            length=get_max_characters(settings.length),
            sampling=SamplingParams(settings.temperature),
            seed=settings.seed,
        )

    def _start(self, coroutine) -> None:
        """Runs the model's work in the background, in place of what it was doing."""

        async def run():
            try:
                await coroutine
            except Exception as error:
                message = describe_error(error)
                if message is None:
                    raise
                self.choices, self.message = None, message
            get_app().invalidate()

        if self._task:
            self._task.cancel()
        self._task = get_app().create_background_task(run())

    async def _in_thread(self, iterator: Iterator[Item]) -> AsyncIterator[Item]:
        """Yields the items of an iterator that the model's thread computes."""
        loop = asyncio.get_running_loop()
        while (
            item := await loop.run_in_executor(self._pool, next, iterator, None)
        ) is not None:
            yield item

    async def save(self) -> bool:
        """Writes the text to its file; asks for a name if it has none.

        Returns whether the text is written.
        """
        self.put_away()
        text = self.buffer.text
        try:
            path = self.path or await self._ask_path()
            if path:
                write_text(path, text)
        except (UserError, OSError) as error:
            self.path = None
            why = describe_error(error)
            self.message = f"not saved: {why}; Ctrl-S asks for another name"
            return False
        if path is None:
            self.message = "not saved"
            return False
        self.path, self._saved_text = path, text
        self.message = f"saved {path}"
        return True

    async def _ask_path(self) -> Path | None:
        """Returns the path that the writer names, None for none."""
        name = await self.questions.ask("save as: ")
        path = Path(local_path(name)) if name else None
        if path and path.exists():
            question = f"{path} is there already; replace it? (y, n) "
            return path if await self.questions.ask(question, "yn") == "y" else None
        return path

    def rescue(self) -> Path:
        """Writes the text to a new file beside its own, and returns the path."""
        path = self.path or Path("charlm-write.txt")
        names = (f"{path.name}.unsaved{number or ''}" for number in itertools.count())
        new = next(p for p in map(path.with_name, names) if not p.exists())
        write_text(new, self.buffer.text)
        return new

    async def leave(self) -> None:
        """Ends the program; asks what to do with a text that is not saved."""
        self.put_away()
        if self.unsaved:
            question = "save before you leave? (y, n; Esc stays) "
            answer = await self.questions.ask(question, "yn")
            if not answer or (answer == "y" and not await self.save()):
                return
        get_app().exit()


def read_text(path: Path | None) -> str:
    """Returns the text of a file, "" if it is not there yet."""
    if path is None or not path.exists():
        return ""
    return path.read_bytes().decode("utf-8", KEEP_BYTES)


def write_text(path: Path, text: str) -> None:
    """Writes a file, whole or not at all."""
    with atomic_file(path) as temporary:
        temporary.write_bytes(text.encode("utf-8", KEEP_BYTES))
