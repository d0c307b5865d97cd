"""Downloads: verified, whole or absent, continued where they broke off, and bounded."""

import hashlib
import http.server
import os
import pty
import random
import resource
import signal
import socket
import subprocess
import sys
import time
from types import SimpleNamespace
from typing import Any

import pytest
from conftest import files, serving

from charlm.corpora.download import download
from charlm.errors import UserError

CONTENT = random.Random(0).randbytes(300_000)
SHA256 = hashlib.sha256(CONTENT).hexdigest()
DOWNLOAD = """
import sys
from pathlib import Path
from charlm.corpora.download import download
url, target, size, sha256 = sys.argv[1:]
download(url, Path(target), name="it", max_bytes=int(size), sha256=sha256)
"""


class Handler(http.server.BaseHTTPRequestHandler):
    """Answers as its server's `plan` says; notes each request in `plan.log`."""

    server: Any

    def log_message(self, format, *args):
        pass

    def do_GET(self):
        plan = self.server.plan
        span = self.headers.get("Range")
        start = int(span.removeprefix("bytes=").removesuffix("-")) if span else 0
        note = SimpleNamespace(start=start, sent=0)
        plan.log.append(note)
        if self.path in plan.redirects:
            self.send_response(302)
            self.send_header("Location", plan.redirects[self.path])
            self.end_headers()
            return
        if start and (plan.ranges == "416" or start >= len(plan.content)):
            return self.send_error(416)
        if plan.status != 200:
            return self.send_error(plan.status)
        if not plan.ranges:
            start = 0
        if plan.ranges == "shifted" and start:
            start -= 1
        body = plan.content[start:]
        self.send_response(206 if span and plan.ranges else 200)
        if span and plan.ranges:
            end = len(plan.content) - 1
            self.send_header("Content-Range", f"bytes {start}-{end}/{end + 1}")
        if plan.announced != "nothing":
            length = (plan.announced or len(plan.content)) - start
            self.send_header("Content-Length", str(length))
        self.send_header("Content-Disposition", 'attachment; filename="../theirs"')
        self.end_headers()
        body = body[: plan.cuts.pop(0)] if plan.cuts else body
        for n in range(0, len(body), 10_000):
            time.sleep(plan.delay)
            chunk = body[n : n + 10_000]
            note.sent += len(chunk)  # before the other side, which may look, has it
            try:
                self.wfile.write(chunk)
            except OSError:  # the other side is gone
                note.sent -= len(chunk)
                return


@pytest.fixture
def plan(monkeypatch):
    """A web server of CONTENT at plan.url; the other fields say how it misbehaves."""
    monkeypatch.setenv("NO_PROXY", "*")
    monkeypatch.setattr("charlm.corpora.download.PAUSES", (0, 0, 0))
    with serving(Handler) as (server, address):
        plan = SimpleNamespace(
            url=f"{address}/file",
            content=CONTENT,
            ranges=True,
            cuts=[],
            announced=None,
            status=200,
            redirects={},
            delay=0,
            log=[],
        )
        setattr(server, "plan", plan)  # noqa: B010
        yield plan


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "data").mkdir()
    return tmp_path / "data"


def get(plan, folder, **changes):
    kwargs = {"name": "it", "max_bytes": len(CONTENT), "sha256": SHA256} | changes
    download(kwargs.pop("url", plan.url), folder / "target", **kwargs)


def refusal(plan, folder, **changes):
    """The message with which a download fails: one line that says what to do."""
    with pytest.raises(UserError) as caught:
        get(plan, folder, **changes)
    message = str(caught.value)
    assert "\n" not in message
    assert message.startswith("it could not be downloaded from http")
    assert message.endswith(f"save it as {folder / 'target'}")
    return message


def assert_whole(folder):
    assert files(folder) == {folder / "target": CONTENT}


def test_a_download_is_silent_and_leaves_one_file(plan, folder, capfd):
    plan.delay = 0.002
    get(plan, folder)
    assert_whole(folder)
    get(plan, folder, url="http://127.0.0.1:9/closed")  # it is there
    assert capfd.readouterr() == ("", "")


def test_what_breaks_off_goes_on_from_there(plan, folder):
    plan.cuts = [1000, 150_000, 77]
    get(plan, folder)
    assert_whole(folder)
    assert [note.start for note in plan.log] == [0, 1000, 151_000, 151_077]
    assert sum(note.sent for note in plan.log) == len(CONTENT)


@pytest.mark.parametrize("announced", [None, "nothing"])
def test_a_server_that_cannot_continue_is_asked_anew(plan, folder, announced):
    plan.ranges, plan.cuts, plan.announced = False, [100_000], announced
    if announced:  # its end is no sign; the checksum is
        assert "SHA-256" in refusal(plan, folder)
    get(plan, folder)
    assert_whole(folder)
    assert sum(note.sent for note in plan.log) == 100_000 + len(CONTENT)


def test_what_has_arrived_serves_the_next_call(plan, folder):
    plan.cuts = [50_000] * 4
    message = refusal(plan, folder)
    assert "200,000 bytes are kept)" in message
    assert files(folder) == {folder / "target.part": CONTENT[:200_000]}
    plan.log.clear()
    plan.status = 503
    assert "(HTTP 503, 200,000 bytes are kept)" in refusal(plan, folder)
    plan.status = 200
    get(plan, folder)
    assert_whole(folder)
    assert [note.start for note in plan.log] == [200_000, 200_000]
    assert plan.log[-1].sent == 100_000


@pytest.mark.parametrize(
    "part, ranges, starts",
    [
        (CONTENT[:5000], "416", [5000, 0]),
        (CONTENT[:5000], "shifted", [5000, 0]),
        (CONTENT[:5000], False, [5000]),
        (CONTENT + b"more", True, [300_004, 0]),
        (b"x" * 5000, True, [5000, 0]),
        (b"x" * len(CONTENT), "416", [300_000, 0]),
        (CONTENT, True, [300_000]),
    ],
    ids=["416", "shifted", "200", "too long", "another file", "all another", "all"],
)
def test_a_part_that_is_there(plan, folder, part, ranges, starts):
    (folder / "target.part").write_bytes(part)
    plan.ranges = ranges
    get(plan, folder)
    assert_whole(folder)
    assert [note.start for note in plan.log] == starts


@pytest.mark.parametrize("part", [b"", CONTENT[:7]])
def test_wrong_bytes_are_refused_and_removed(plan, folder, part):
    (folder / "target").write_bytes(b"what was here")
    if part:
        (folder / "target.part").write_bytes(part)
    plan.content = CONTENT[:-1] + b"?"
    message = refusal(plan, folder)
    assert f"its SHA-256 is {hashlib.sha256(plan.content).hexdigest()}, not" in message
    assert files(folder) == {folder / "target": b"what was here"}
    assert [note.start for note in plan.log] == ([len(part), 0] if part else [0])


def test_a_length_that_is_a_lie(plan, folder):
    plan.announced = 1000  # and then sends all
    assert "SHA-256" in refusal(plan, folder)
    assert files(folder) == {}


@pytest.fixture
def file_limit():
    """Sets how long a file may become, as a full disk would."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    yield lambda size: resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize("start", [0, 1000])
@pytest.mark.parametrize("announced", [None, 299_000, "nothing"])
def test_no_more_than_the_bound_is_taken(plan, folder, file_limit, start, announced):
    if start:
        (folder / "target.part").write_bytes(CONTENT[:start])
    plan.announced, plan.ranges = announced, announced != "nothing"
    file_limit(250_000)  # a byte more would be an error of its own
    assert "than the 250,000" in refusal(plan, folder, max_bytes=250_000)
    assert files(folder) == {}


def test_a_full_disk_damages_nothing(plan, folder, file_limit):
    (folder / "target").write_bytes(b"what was here")
    file_limit(100_001)
    with pytest.raises(UserError) as caught:
        get(plan, folder)
    message = str(caught.value)
    assert message.startswith(f"{folder / 'target'} cannot be written: File too large")
    assert files(folder) == {
        folder / "target": b"what was here",
        folder / "target.part": CONTENT[:100_001],
    }
    file_limit(resource.RLIM_INFINITY)
    get(plan, folder)
    assert_whole(folder)
    assert plan.log[-1].start == 100_001


def test_a_place_that_cannot_be_written(plan, folder):
    (folder / "target").mkdir()
    with pytest.raises(UserError, match="target cannot be written: Is a directory"):
        get(plan, folder)


def test_why_it_could_not_be_had(plan, folder, monkeypatch):
    home = plan.url.removesuffix("file")
    plan.redirects = {
        "/local": "file:///etc/hostname",
        "/round": "/round",
        "/there": "/file",
    }
    (folder / "target.part").write_bytes(CONTENT[:10])
    for url, reason in [
        ("http://127.0.0.1:9/closed", "(connection refused, 10 bytes are kept)"),
        (home + "local", "file:///etc/hostname"),
        (home + "round", "redirects"),
    ]:
        assert reason in refusal(plan, folder, url=url), reason

    def fail(*_, **__):
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    with monkeypatch.context() as patch:
        patch.setattr("socket.getaddrinfo", fail)
        assert "name or service" in refusal(plan, folder, url="http://example.org/")
    plan.status = 404
    assert "(HTTP 404, 10 bytes are kept)" in refusal(plan, folder)
    plan.status, plan.delay = 200, 0.5
    monkeypatch.setattr("charlm.corpora.download.TIMEOUT", (0.1, 0.1))
    assert "(timed out" in refusal(plan, folder)
    plan.delay = 0
    get(plan, folder, url=home + "there")
    assert_whole(folder)


def start(plan, folder, **kwargs):
    """The download of `get` in a process of its own."""
    words = [plan.url, str(folder / "target"), str(len(CONTENT)), SHA256]
    return subprocess.Popen([sys.executable, "-c", DOWNLOAD, *words], **kwargs)


def test_two_at_once_download_it_once(plan, folder):
    plan.delay = 0.05  # 1.5 seconds in all
    both = [start(plan, folder) for _ in range(2)]
    assert [process.wait(60) for process in both] == [0, 0]
    assert_whole(folder)
    assert [note.start for note in plan.log] == [0]


def test_killed_at_any_moment_it_goes_on(plan, folder):
    plan.delay = 0.02
    part = folder / "target.part"
    reached = 0
    for _ in range(3):
        process = start(plan, folder)
        deadline = time.monotonic() + 30
        while not part.exists() or part.stat().st_size <= reached:
            assert time.monotonic() < deadline and process.poll() is None
            time.sleep(0.005)
        process.send_signal(signal.SIGKILL)
        process.wait()
        reached = part.stat().st_size
        assert part.read_bytes() == CONTENT[:reached]
        assert reached < len(CONTENT)
    plan.delay = 0
    get(plan, folder)
    assert_whole(folder)
    assert len(plan.log) == 4 and plan.log[-1].start == reached


def test_a_terminal_shows_how_far_it_is(plan, folder):
    plan.delay = 0.02
    ours, theirs = pty.openpty()
    process = start(plan, folder, stderr=theirs, stdout=subprocess.PIPE)
    os.close(theirs)
    output = b""
    while True:
        try:
            output += os.read(ours, 10_000)
        except OSError:  # how a terminal ends
            break
    os.close(ours)
    assert process.communicate()[0] == b"" and process.returncode == 0
    assert b"/300.0 kB" in output and b"it" in output
    assert_whole(folder)
