"""A pseudo-terminal with a program in it, and the screen that the program draws."""

import codecs
import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import termios
import time

ROWS, COLUMNS = 24, 80
# What moves the cursor or erases, by its last letter; of other sequences nothing shows.
TOKEN = re.compile(
    r"\x1b\[(?P<numbers>[0-9;?]*)(?P<letter>[A-Za-z])|\x1b\][^\x07]*\x07|\x1b[=>]|[^\x1b]"
)


class Terminal:
    """Runs a command in a terminal; `wait_for` reads what it shows."""

    def __init__(self, words: list[str], **kwargs):
        self.file, program_s_end = pty.openpty()
        size = struct.pack("HHHH", ROWS, COLUMNS, 0, 0)
        fcntl.ioctl(self.file, termios.TIOCSWINSZ, size)
        ends = dict.fromkeys(("stdin", "stdout", "stderr"), program_s_end)
        self.process = subprocess.Popen(words, start_new_session=True, **ends, **kwargs)
        os.close(program_s_end)
        self._decoder = codecs.getincrementaldecoder("utf-8")()
        self._rest = ""  # the beginning of a sequence
        self._row = self._column = 0
        self._erase()

    @property
    def text(self) -> str:
        """What the screen shows."""
        return "\n".join("".join(row).rstrip() for row in self._cells)

    def send(self, keys: str) -> None:
        os.write(self.file, keys.encode())

    def wait_for(self, found, seconds: float = 120) -> str:
        """Reads until the screen shows a text, or found(text); returns the screen."""
        check = found if callable(found) else lambda text: found in text
        end = time.monotonic() + seconds
        while not check(self.text):
            assert time.monotonic() < end, f"not {found!r} on:\n{self.text}"
            assert self._read(1) is not None, f"it ended; it showed:\n{self.text}"
        return self.text

    def wait_for_exit(self, seconds: float = 120) -> int:
        """Reads until the program ends, and returns its status."""
        end = time.monotonic() + seconds
        while self._read(1) is not None:
            assert time.monotonic() < end, f"it has not ended:\n{self.text}"
        return self.process.wait(seconds)

    def hang_up(self, seconds: float = 120) -> int:
        """Closes the terminal as its window does, and returns the program's status."""
        os.close(self.file)
        self.file = -1
        return self.process.wait(seconds)

    def close(self) -> None:
        """Ends the program, if it has not ended."""
        self.process.kill()
        self.process.wait()
        if self.file >= 0:
            os.close(self.file)

    def _read(self, seconds: float) -> bool | None:
        """Draws what comes within some seconds; returns None at the end of all."""
        if not select.select([self.file], [], [], seconds)[0]:
            return False
        try:
            data = os.read(self.file, 65536)
        except OSError:  # Linux says EIO when the program is gone
            return None
        text = self._rest + self._decoder.decode(data)
        place = 0
        while match := TOKEN.match(text, place):
            self._draw(match)
            place = match.end()
        self._rest = text[place:]
        return True if data else None

    def _draw(self, token: re.Match) -> None:
        letter, character = token["letter"], token[0]
        if letter and "?" not in token["numbers"]:
            numbers = [int(number or 1) for number in token["numbers"].split(";")]
            self._move(letter, numbers)
        elif character in ("\r", "\n", "\b"):
            self._column = {"\r": 0, "\b": self._column - 1}.get(character, 0)
            self._row += character == "\n"
            if self._row == ROWS:
                self._cells = [*self._cells[1:], [" "] * COLUMNS]
                self._row -= 1
        elif len(character) == 1 and character.isprintable():
            if self._row < ROWS and self._column < COLUMNS:
                self._cells[self._row][self._column] = character
            self._column += 1

    def _move(self, letter: str, numbers: list[int]) -> None:
        count = numbers[0]
        if letter == "H":
            self._row, self._column = count - 1, numbers[-1] - 1 if numbers[1:] else 0
        elif letter in "AB":
            self._row += count if letter == "B" else -count
        elif letter in "CD":
            self._column += count if letter == "C" else -count
        elif letter == "K":
            self._cells[self._row][self._column :] = " " * (COLUMNS - self._column)
        elif letter == "J":
            self._erase()

    def _erase(self) -> None:
        self._cells = [[" "] * COLUMNS for _ in range(ROWS)]
