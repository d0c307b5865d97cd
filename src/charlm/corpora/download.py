"""download(...): the file of an address, verified and whole at its place, or absent."""

import hashlib
import io
import os
import re
import time
from collections.abc import Callable
from pathlib import Path

import requests
import urllib3

from charlm.corpora.progress import progress
from charlm.corpora.web import AGENT, TIMEOUT, reason
from charlm.errors import UserError
from charlm.files import file_sha256
from charlm.locks import locked

PIECE = 1 << 16  # bytes received at a time: the most that a killed download loses
PAUSES = (0.5, 1.0, 2.0, 4.0)  # seconds before each further try


def download(
    url: str, target: Path, *, what: str, size: int, sha256: str, hint: str = ""
) -> None:
    """Puts the file of an address at `target`, unless it is there already.

    It grows in `target` with .part at its end, which a later call continues where the
    server can; verified, it is renamed. A second process waits for the first.

    Args:
      url: http or https, and so is every address it leads to.
      target: its place; the folder is there.
      what: its name in messages.
      size: bytes, at most; no more are ever written.
      sha256: in hexadecimal; empty if the address has the same in other bytes at other
        times, so that what is made of it must be checked.
      hint: ends the message of what could not be had: where else it may stand.

    Raises:
      UserError: it could not be had, is another file, or cannot be written.
    """
    part = target.with_name(f"{target.name}.part")

    def failed(why: str) -> UserError:
        return UserError(
            f"{what} could not be downloaded from {url} ({why});"
            f" fetch that address by other means and save it as {target}{hint}"
        )

    try:
        with locked(part) as file, progress(what) as show:
            if target.is_file() and sha256 in ("", file_sha256(target)):
                return
            if _length(file) > size or not sha256:
                file.truncate(0)
            resumed = _length(file) > 0
            if not resumed or _sha256(file) != sha256:
                _fill(file, url, size, show, failed)
            if resumed and _sha256(file) != sha256:  # its beginning was of another file
                file.truncate(0)
                _fill(file, url, size, show, failed)
            if sha256 and (found := _sha256(file)) != sha256:
                file.truncate(0)
                raise failed(
                    f"its SHA-256 is {found}, not {sha256}: it is another file, or was"
                    " damaged on its way"
                )
            settle(file, part, target)
    except OSError as error:
        raise UserError(
            f"{target} cannot be written: {error.strerror}; mend that and try again,"
            " what has arrived is kept"
        ) from error


def settle(file: io.FileIO, part: Path, target: Path) -> None:
    """Renames an open file onto its target once its bytes are on the disk."""
    os.fsync(file.fileno())
    part.replace(target)
    folder = os.open(target.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _length(file: io.FileIO) -> int:
    return os.fstat(file.fileno()).st_size


def _sha256(file: io.FileIO) -> str:
    file.seek(0)
    return hashlib.file_digest(file, "sha256").hexdigest()


def _fill(file, url, size, show, failed: Callable[[str], UserError]) -> None:
    """Receives until the end; tries again if it breaks off in the middle."""
    at_first = _length(file)
    for pause in (*PAUSES, None):
        try:
            return _receive(file, url, size, show)
        except (requests.RequestException, urllib3.exceptions.HTTPError) as error:
            # Without an answer there is most likely no network: waiting is no help.
            if pause is None or _length(file) == at_first:
                kept = f", {n:,} bytes are kept" if (n := _length(file)) else ""
                raise failed(reason(error) + kept) from error
        except ValueError as error:
            raise failed(str(error)) from error
        time.sleep(pause)


def _receive(file, url, size, show) -> None:
    """Appends to `file` what the server has beyond it; a server that has more than
    `size` bytes is a ValueError."""
    start = _length(file)
    # As it is: Range and the lengths are then of the file's own bytes.
    headers = {"Accept-Encoding": "identity", "User-Agent": AGENT}
    if start:
        headers["Range"] = f"bytes={start}-"
    with requests.get(url, headers=headers, stream=True, timeout=TIMEOUT) as response:
        status = response.status_code
        begins, total = _extent(response)
        if start and (status == 416 or status == 206 and begins != start):
            file.truncate(0)  # it cannot continue from there
            return _receive(file, url, size, show)
        if status != 200 and not (start and status == 206):
            raise requests.HTTPError(f"HTTP {status}")
        if total and total > size:
            raise ValueError(f"it has {total:,} bytes, more than the {size:,} expected")
        if status == 200:
            file.truncate(0)
        while piece := response.raw.read(PIECE, decode_content=False):
            if _length(file) + len(piece) > size:
                file.truncate(0)
                raise ValueError(f"it sends more than the {size:,} bytes expected")
            rest = memoryview(piece)
            while rest:  # a disk that is nearly full takes a part of it
                rest = rest[file.write(rest) :]
            show(_length(file), total or size)
        if total and _length(file) < total:
            raise requests.ConnectionError("the connection broke off")


def _extent(response: requests.Response) -> tuple[int, int | None]:
    """Where in the file an answer begins, and the file's length if the answer says."""
    if response.status_code == 200:
        length = response.headers.get("Content-Length", "")
        return 0, int(length) if length.isdecimal() else None
    given = response.headers.get("Content-Range", "")
    match = re.fullmatch(r"bytes (\d+)-(\d+)/(\d+|\*)", given)
    if not match:
        return -1, None
    return int(match[1]), int(match[3]) if match[3] != "*" else int(match[2]) + 1
