"""A process that measures when it is asked to, and waits while others measure."""

import json
import subprocess
from typing import Any


class Contender:
    """One of the processes that are measured in turn."""

    def __init__(self, name: str, command: list[str], **more: Any):
        """Starts it. It writes a line of JSON for each line that it is sent.

        Args:
          name: to tell it by.
          command: its command line.
          more: of subprocess.Popen.
        """
        self.name = name
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, **more
        )

    def ask(self) -> None:
        """Asks for a measure, which `answer` waits for."""
        try:
            print(file=self._process.stdin, flush=True)
        except BrokenPipeError:  # it has left; `answer` says so
            pass

    def answer(self) -> Any:
        """Returns what was measured; None if it cannot take part here."""
        line = self._process.stdout.readline()
        return json.loads(line) if line else None

    def measure(self) -> Any:
        self.ask()
        return self.answer()

    def stop(self) -> None:
        try:
            self._process.communicate()
        except BrokenPipeError:  # it has left
            self._process.wait()
