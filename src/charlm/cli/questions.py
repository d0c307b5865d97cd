"""Questions: what the last line of a screen asks, and the answer that is awaited."""

import asyncio
from typing import NamedTuple

from prompt_toolkit.application import get_app
from prompt_toolkit.buffer import Buffer


class Question(NamedTuple):
    """One question, and where its answer goes."""

    label: str
    keys: str  # of which one is pressed; "": an answer that Enter ends
    future: asyncio.Future


class Questions:
    """Asks one question at a time.

    Attributes:
      current: the question that waits for its answer, None without one.
      answer: what is typed in answer.
    """

    def __init__(self):
        self.current: Question | None = None
        self.answer = Buffer(multiline=False, on_text_changed=self._check_key)

    async def ask(self, label: str, keys: str = "") -> str:
        """Returns the answer to a question, "" if there was none."""
        future = asyncio.get_running_loop().create_future()
        self.answer.reset()
        self.current = Question(label, keys, future)
        layout = get_app().layout
        layout.focus(self.answer)
        try:
            return await future
        finally:
            self.current = None
            layout.focus_last()

    def reply(self, answer: str) -> None:
        """Answers the question; "" is no answer."""
        if self.current and not self.current.future.done():
            self.current.future.set_result(answer)

    def _check_key(self, _) -> None:
        """Takes a key that is an answer, and removes any other."""
        if self.current and self.current.keys and self.answer.text:
            key = self.answer.text[0].lower()
            self.answer.reset()
            if key in self.current.keys:
                self.reply(key)
