"""download(...): the file of an address, verified, and whole or absent.

pooch 1.9 would do less: it neither continues a broken download nor bounds its size.
"""

import time
from pathlib import Path

import requests
import urllib3

from charlm.corpora.progress import progress_bar
from charlm.errors import UserError
from charlm.files import commit, file_sha256, lock_file

CHUNK_BYTES = 1 << 16  # received at a time: the most that a killed download loses
PAUSES = (0.5, 1.0, 2.0, 4.0)  # seconds before each further try
TIMEOUT = (10.0, 30.0)  # seconds to connect, and between two arrivals
HEADERS = {
    "User-Agent": "charlm (a character-level language model)",
    "Accept-Encoding": "identity",  # so that ranges are of the file's own bytes
}
NETWORK_ERRORS = (requests.RequestException, urllib3.exceptions.HTTPError)


def download(
    url: str, target: Path, *, name: str, max_bytes: int, sha256: str, hint: str = ""
) -> None:
    """Puts the file of an address at `target`, unless it is there already.

    At most `max_bytes` are received in `target` with .part at its end, which a later
    call continues where the server can. A second process waits for the first. The
    address and all to which it redirects are http or https. `sha256` is in hexadecimal;
    "" verifies nothing. `name` is the file's in messages; `hint` ends that of a
    failure, and says where else the file may be.
    """
    part = Path(f"{target}.part")
    try:
        with lock_file(Path(f"{target}.lock")), progress_bar(name) as on_progress:
            if target.is_file() and sha256 in ("", file_sha256(target)):
                return
            if not sha256:  # nothing would tell of what file a part is
                part.unlink(missing_ok=True)
            actual = ""
            for _ in range(1 + part.exists()):  # that may be a part of another file
                _receive_all(url, part, max_bytes, on_progress)
                if sha256 in ("", actual := file_sha256(part)):
                    return commit(part, target)
                part.unlink()
            raise ValueError(f"its SHA-256 is {actual}, not {sha256}")
    except (*NETWORK_ERRORS, ValueError) as error:
        note = f", {size:,} bytes are kept" if (size := _get_size(part)) else ""
        raise UserError(
            f"{name} could not be downloaded from {url} ({get_reason(error)}{note});"
            f" fetch that address by other means and save it as {target}{hint}"
        ) from error
    except OSError as error:
        raise UserError(
            f"{target} cannot be written: {error.strerror}; what has arrived is kept,"
            " try again when it can"
        ) from error


def get_reason(error: BaseException) -> str:
    """Returns why a request failed: what the innermost of its errors says."""
    while inner := error.__cause__ or error.__context__:
        error = inner
    words = getattr(error, "strerror", None)  # of the network
    return words.lower() if words else str(error) or type(error).__name__


def _get_size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _receive_all(url, part, max_bytes, on_progress) -> None:
    """Receives a file to its end. Tries again if the connection breaks on the way."""
    start = _get_size(part)
    for pause in (*PAUSES, None):
        try:
            return _receive(url, part, max_bytes, on_progress)
        except NETWORK_ERRORS:
            # Without any bytes there is most likely no network: waiting is no help.
            if pause is None or _get_size(part) == start:
                raise
            time.sleep(pause)


def _receive(url, part, max_bytes, on_progress) -> None:
    """Appends what the server has beyond `part`, or all if it cannot continue."""
    start = _get_size(part)
    headers = HEADERS | ({"Range": f"bytes={start}-"} if start else {})
    with requests.get(url, headers=headers, stream=True, timeout=TIMEOUT) as response:
        status, span = response.status_code, response.headers.get("Content-Range", "")
        if start and status in (206, 416) and not span.startswith(f"bytes {start}-"):
            return  # the server has nothing beyond: the checksum decides
        if status not in (200, 206):
            raise requests.HTTPError(f"HTTP {status}")
        with part.open("ab" if status == 206 else "wb") as file:
            total = file.tell() + (response.raw.length_remaining or max_bytes)
            while chunk := response.raw.read(CHUNK_BYTES, decode_content=False):
                if file.tell() + len(chunk) > max_bytes:
                    break
                file.write(chunk)
                on_progress(file.tell(), total)
            else:
                return
    part.unlink()
    raise ValueError(f"it has more than the {max_bytes:,} bytes expected")
