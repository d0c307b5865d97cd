"""samples.txt: texts drawn while a run trains, each under a line with its step."""

import os
import re
from pathlib import Path

FILE = "samples.txt"
TITLE = re.compile(rb"^=== step (\d{1,18}), epoch ", re.MULTILINE)


class Samples:
    """Appends samples to a workdir's samples.txt."""

    def __init__(self, workdir: str | os.PathLike, *, step: int = 0):
        """Opens the file of a run that continues at `step`; later samples are cut."""
        self.path = Path(workdir) / FILE
        if not self.path.exists():
            return
        data = self.path.read_bytes()
        for title in TITLE.finditer(data):
            if int(title[1]) > step:
                os.truncate(self.path, title.start())
                return

    def write(self, title: str, text: str) -> None:
        """Appends a text under its title, which begins with `step N, epoch E`."""
        with self.path.open("ab") as file:
            file.write(f"=== {title} ===\n{text}\n\n".encode())
