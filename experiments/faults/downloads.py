"""kill -9 in the middle of a download, from a slow server of our own."""

import hashlib
import http.server
import random
import re
import time
from pathlib import Path

from doors import Child
from outcome import BUG, IDENTICAL, Tally, snapshot

SIZE, SECONDS = 4_000_000, 1.0  # bytes, and how long the server takes over them
CHUNKS = 100


class Slow(http.server.BaseHTTPRequestHandler):
    """Serves `data`, or what a Range asks of it, chunk by chunk."""

    data = b""

    def log_message(self, *_):
        pass

    def do_GET(self):
        span = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        start = int(span[1]) if span else 0
        if start >= len(self.data):
            return self.send_error(416)
        self.send_response(206 if span else 200)
        self.send_header("Content-Length", str(len(self.data) - start))
        if span:
            end = len(self.data)
            self.send_header("Content-Range", f"bytes {start}-{end - 1}/{end}")
        self.end_headers()
        step = len(self.data) // CHUNKS
        try:
            for place in range(start, len(self.data), step):
                self.wfile.write(self.data[place : place + step])
                time.sleep(SECONDS / CHUNKS)
        except OSError:  # the client is dead
            pass


def kill_downloading(times: int, draw: random.Random, folder: Path) -> Tally:
    """Killed five times or so, then left alone: the file is the one that is served."""
    tally = Tally("killed in downloading")
    Slow.data = random.Random(0).randbytes(SIZE)
    sha256 = hashlib.sha256(Slow.data).hexdigest()
    port = folder / "port"

    def serve():
        with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Slow) as server:
            port.write_text(f"{server.server_port}\n")
            server.serve_forever()

    server = Child(serve)
    while not port.exists() or not port.read_text().endswith("\n"):
        time.sleep(0.01)
    url = f"http://127.0.0.1:{int(port.read_text())}/text"

    def fetch(target):
        def main():
            from charlm.corpora.download import download

            download(url, target, name="text", max_bytes=SIZE, sha256=sha256)

        return main

    for n in range(times):
        target = folder / f"{n // 5}" / "text"
        target.parent.mkdir(exist_ok=True)
        child = Child(fetch(target), NO_PROXY="*")
        time.sleep(draw.uniform(0, SECONDS / 2))
        child.kill()
        child.wait()
        is_damaged = target.exists() and target.read_bytes() != Slow.data
        outcome = f"{BUG}: a target that is not whole" if is_damaged else IDENTICAL
        if n % 5 == 4 or n == times - 1:
            done = Child(fetch(target), NO_PROXY="*").wait()
            if snapshot(target.parent) != {"text": Slow.data}:
                outcome = f"{BUG}: {done.status} {done.err[-300:]}"
        tally.add(outcome, f"kill {n}")
    server.kill()
    server.wait()
    return tally
