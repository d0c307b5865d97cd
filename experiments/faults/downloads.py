"""Kills downloads from a slow server of our own."""

import hashlib
import http.server
import random
import re
import time
from pathlib import Path

from experiments.faults.children import Child
from experiments.faults.outcome import BUG, IDENTICAL, Tally, take_snapshot

SIZE, SECONDS = 4_000_000, 1.0  # bytes of the file, and the time of its transfer
CHUNKS = 100
KILLS = 5  # of each download, before it is left alone


class SlowServer(http.server.BaseHTTPRequestHandler):
    """Sends `data`, or a Range of it, in chunks."""

    data = b""

    def log_message(self, format, *args):
        pass

    def do_GET(self):
        requested = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        start = int(requested[1]) if requested else 0
        if start >= len(self.data):
            return self.send_error(416)
        self.send_response(206 if requested else 200)
        self.send_header("Content-Length", str(len(self.data) - start))
        if requested:
            end = len(self.data)
            self.send_header("Content-Range", f"bytes {start}-{end - 1}/{end}")
        self.end_headers()
        size = len(self.data) // CHUNKS
        try:
            for place in range(start, len(self.data), size):
                self.wfile.write(self.data[place : place + size])
                time.sleep(SECONDS / CHUNKS)
        except OSError:  # the client was killed
            pass


def kill_downloading(times: int, rng: random.Random, folder: Path) -> Tally:
    """Kills a download KILLS times, then lets it end: the file must be the server's."""
    tally = Tally("killed in downloading")
    SlowServer.data = random.Random(0).randbytes(SIZE)
    sha256 = hashlib.sha256(SlowServer.data).hexdigest()
    port = folder / "port"

    def serve():
        address = ("127.0.0.1", 0)
        with http.server.ThreadingHTTPServer(address, SlowServer) as server:
            port.write_text(f"{server.server_port}\n")
            server.serve_forever()

    server = Child(serve)
    while not port.exists() or not port.read_text().endswith("\n"):
        time.sleep(0.01)
    url = f"http://127.0.0.1:{int(port.read_text())}/text"

    def make_fetch(target):
        def main():
            from charlm.corpora.download import download

            download(url, target, name="text", max_bytes=SIZE, sha256=sha256)

        return main

    for n in range(times):
        target = folder / f"{n // KILLS}" / "text"
        target.parent.mkdir(exist_ok=True)
        child = Child(make_fetch(target), NO_PROXY="*")
        time.sleep(rng.uniform(0, SECONDS / 2))
        child.kill()
        child.wait()
        is_wrong = target.exists() and target.read_bytes() != SlowServer.data
        outcome = f"{BUG}: the target is not whole" if is_wrong else IDENTICAL
        if n % KILLS == KILLS - 1 or n == times - 1:
            end = Child(make_fetch(target), NO_PROXY="*").wait()
            if take_snapshot(target.parent) != {"text": SlowServer.data}:
                outcome = f"{BUG}: {end.status} {end.err[-300:]}"
        tally.add(outcome, f"kill {n}")
    server.kill()
    server.wait()
    return tally
