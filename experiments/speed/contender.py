"""A process that measures on request, and waits while others measure."""

import json
import subprocess
from typing import Any


class Contender:
    """One of the processes that are measured in turn."""

    def __init__(self, name: str, command: list[str], **options: Any):
        """Starts the process. It writes a line of JSON for each line that it is sent.

        Args:
          name: identifies it.
          command: its command line.
          options: of subprocess.Popen.
        """
        self.name = name
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, **options
        )

    def ask(self) -> None:
        """Requests a measure, for which `answer` waits."""
        try:
            print(file=self._process.stdin, flush=True)
        except BrokenPipeError:  # the process has ended; `answer` says so
            pass

    def answer(self) -> Any:
        """Returns what the process measured; None if it cannot take part here."""
        assert self._process.stdout
        line = self._process.stdout.readline()
        return json.loads(line) if line else None

    def measure(self) -> Any:
        """Requests a measure and returns it."""
        self.ask()
        return self.answer()

    def stop(self) -> None:
        """Ends the process."""
        try:
            self._process.communicate()
        except BrokenPipeError:  # the process has ended
            self._process.wait()
