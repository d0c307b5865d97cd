"""Helpers of all tests: small texts and configs, front doors, a browser."""

import bz2
import contextlib
import gzip
import http.server
import importlib
import io
import lzma
import os
import shutil
import signal
import subprocess
import sys
import tarfile
import tempfile
import threading
import zipfile
from collections.abc import Iterable
from pathlib import Path
from typing import NoReturn

import hypothesis
import pytest
from jaxtyping import install_import_hook

# All but charlm.config and charlm.options, which check values themselves, with a
# message for users.
CHECKED = "api cli corpora data evaluation generation interpret model training workdir"
install_import_hook([f"charlm.{r}" for r in CHECKED.split()], "typecheck.typechecker")
hypothesis.settings.register_profile("no clock", deadline=None)
hypothesis.settings.load_profile("no clock")

ROOT = Path(__file__).parent.parent
REAL_DATA = os.environ.get("CHARLM_DATA")
WORDS = ["the cat ", "sat on ", "a mat.\n", "The dog ", "ran to ", "the sea.\n"]
# 20,000 characters that a small net learns quickly.
MADE_TEXT = "".join(WORDS[(n * 7919 >> 3) % 6] for n in range(3000))[:20_000]


# What one test compiled, others and the front doors they run need not compile again.
COMPILED = tempfile.TemporaryDirectory(prefix="charlm-compiled-")
os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", COMPILED.name)
os.environ["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"] = "0"
os.environ["JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES"] = "-1"


# What the front doors tell XLA, for the tests that compute in this process; and that
# LLVM need not optimize, which would take a quarter of the tests' time. What has to be
# the same to the bit as elsewhere is computed in a process without this: released().
os.environ.setdefault(
    "XLA_FLAGS",
    "--xla_backend_extra_options=xla_cpu_use_multi_output_fusion"
    " --xla_backend_optimization_level=0",
)
# As many devices as a small laptop has cores: some tests share a batch among them.
os.environ.setdefault("JAX_NUM_CPU_DEVICES", "4")


# A shell starts what goes to the background with Ctrl-C ignored, and so would the front
# doors that tests interrupt be.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# Nothing that a test writes has to outlive a power cut, and disks are slow.
os.fsync = lambda _: None


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory, monkeypatch):
    """Every test has a cache of its own, and no corpora but those it makes."""
    monkeypatch.setenv("CHARLM_CACHE", str(tmp_path_factory.mktemp("cache")))
    monkeypatch.delenv("CHARLM_DATA", raising=False)


@pytest.fixture
def compiled():
    """The programs compiled since the test began, by the names of their events."""
    import jax  # after the environment that it reads is set

    names, listening = [], [True]

    def listen(event: str, duration_secs: float, **kwargs: str | int):
        if listening and "backend_compile" in event:
            names.append(event)

    jax.monitoring.register_event_duration_secs_listener(listen)
    yield names
    listening.clear()  # JAX 0.7 cannot unregister a listener


@pytest.fixture
def text_file(tmp_path):
    """MADE_TEXT in a file."""
    path = tmp_path / "text.txt"
    path.write_text(MADE_TEXT)
    return path


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A small run to its end, its text beside it."""
    folder = tmp_path_factory.mktemp("trained")
    (folder / "text.txt").write_text(MADE_TEXT)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CHARLM_CACHE", str(folder / "cache"))
        done = train(folder / "text.txt", folder / "run")
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture
def real_data():
    """The folder of real corpora; the test is skipped where there is none."""
    if not REAL_DATA or not Path(REAL_DATA).is_dir():
        pytest.skip("CHARLM_DATA names no folder of real corpora")
    return Path(REAL_DATA)


@contextlib.contextmanager
def serving(handler):
    """A web server on this machine, and its address, without a slash at the end."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.02,)).start()
        try:
            yield server, f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()


BROWSERS = ("chromium", "chromium-browser", "google-chrome")


def missing(what: str) -> NoReturn:
    """Skips a test that needs a browser, or fails where CHARLM_BROWSER=required."""
    if os.environ.get("CHARLM_BROWSER") == "required":
        pytest.fail(f"CHARLM_BROWSER=required, but {what}", pytrace=False)
    pytest.skip(what)


@pytest.fixture(scope="module")
def browser():
    """A real browser; the tests are skipped where there is none.

    Not of a whole session: while one is open an event loop runs in this thread, and
    what later tests save would find it there.
    """
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        missing("Playwright, the web extra, is not installed")
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    if not found:
        missing("there is no Chromium to look at pages with")
    root = hasattr(os, "getuid") and os.getuid() == 0
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(
            executable_path=found, args=["--no-sandbox"] if root else []
        )
        yield opened
        opened.close()


@pytest.fixture
def new_page(browser):
    """(**options of a context) -> an empty page.

    By the end of the test it may have said nothing on the console, failed nowhere and
    asked for nothing but files that it was sent to.
    """
    wrong, contexts = [], []

    def requested(request):
        if not (request.is_navigation_request() and request.url.startswith("file:")):
            wrong.append(f"asked for {request.url}")

    def new(**options):
        contexts.append(browser.new_context(**options))
        page = contexts[-1].new_page()
        page.on("console", lambda message: wrong.append(message.text))
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("request", requested)
        return page

    yield new
    for context in contexts:
        context.close()
    assert not wrong


@pytest.fixture(scope="session")
def net():
    """A small net of which pages are made, and its activations on a text."""
    from pages import make_net  # after the import hook is set

    return make_net()


@pytest.fixture
def open_page(new_page, tmp_path):
    """(net, link, width) -> its page, opened; nothing may go wrong in it."""
    from pages import page_opener

    return page_opener(new_page, tmp_path)


SMALL = {
    "model.features": 16,
    "model.layers": 1,
    "train.batch_size": 4,
    "train.seq_length": 10,
    "train.steps": 40,
    "train.log_every": 10,
    "train.eval_every": 20,
    "train.checkpoint_every": 20,
    "train.sample_every": 20,
    "train.sample_length": 20,
    "optim.schedule": "constant",
}


def command(door: str, *flags: str) -> list[str]:
    """The command line of a front door."""
    return [sys.executable, "-m", f"charlm.{door}", *flags]


def door(name: str, *flags: str, cwd: Path = ROOT) -> subprocess.CompletedProcess:
    """Runs a front door to its end in this process, which is quick."""
    from charlm.cli.main import find_command  # after the import hook is set

    command_of_name = find_command(name)
    assert command_of_name is not None
    main = importlib.import_module(command_of_name.module).main
    with (
        contextlib.chdir(cwd),
        contextlib.redirect_stdout(io.StringIO()) as stdout,
        contextlib.redirect_stderr(io.StringIO()) as stderr,
    ):
        status = main([str(flag) for flag in flags])
    return subprocess.CompletedProcess(
        command(name, *flags), status, stdout.getvalue(), stderr.getvalue()
    )


def door_process(name: str, *flags: str, cwd: Path = ROOT, **kwargs):
    """Runs a front door to its end as a user does, in a process of its own."""
    return subprocess.run(
        command(name, *flags),
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=300,
        **kwargs,
    )


def released() -> dict[str, str]:
    """The environment of a process that compiles as a user's does."""
    return {name: value for name, value in os.environ.items() if name != "XLA_FLAGS"}


def train_flags(text: Path, workdir: Path, **options) -> list[str]:
    """Returns the flags of a small run; options have __ for dots."""
    values = SMALL | {name.replace("__", "."): value for name, value in options.items()}
    return [
        f"--config={ROOT}/configs/text.py",
        f"--config.data.path={text}",
        f"--workdir={workdir}",
        *(f"--config.{name}={value}" for name, value in values.items()),
    ]


def train(text: Path, workdir: Path, **options) -> subprocess.CompletedProcess:
    """Trains a small run on a text to its end."""
    return door("train", *train_flags(text, workdir, **options))


def refused(done, message):
    """One line that says what is wrong, exit status 2, nothing on standard output."""
    assert done.returncode == 2, (done.returncode, done.stderr)
    assert done.stdout == ""
    [line] = done.stderr.splitlines()
    assert line.startswith("error: ") and message in line, line


TIMES = ("seconds", "chars_per_second")


def read_untimed(workdir: Path) -> list[dict]:
    """Returns the records of a run without what differs from time to time."""
    from charlm.workdir.metrics import read_metrics

    return [
        {key: value for key, value in record.items() if key not in TIMES}
        for record in read_metrics(workdir)
    ]


def files(path):
    return {p: p.read_bytes() if p.is_file() else None for p in path.rglob("*")}


COMPRESS = {"tar": bytes, "gz": gzip.compress, "bz2": bz2.compress, "xz": lzma.compress}


def make_header(name: str, **fields) -> tarfile.TarInfo:
    """The header of a file in a tar."""
    header = tarfile.TarInfo(name)
    for field, value in fields.items():
        setattr(header, field, value)
    return header


def make_tar(members: Iterable, kind: str = "tar", **options) -> bytes:
    """A tar of (header or name, bytes) pairs, compressed as `kind` says."""
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w", **options) as tar:
        for header, content in members:
            header = make_header(header) if isinstance(header, str) else header
            header.size = len(content)
            tar.addfile(header, io.BytesIO(content))
    return COMPRESS[kind](file.getvalue())


def make_zip(members: Iterable) -> bytes:
    """A zip of (name or ZipInfo, bytes) pairs."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members:
            archive.writestr(name, content)
    return file.getvalue()
