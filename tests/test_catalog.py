"""The catalog: each corpus found, downloaded or made by its rule; none overwritten."""

import hashlib
import http.server
import threading
from pathlib import Path

import pytest
from conftest import door, files, make_tar, make_zip, refused, serving

from charlm.corpora import builders, fetch
from charlm.corpora.builders import Crawled, FromArchive, FromUrl
from charlm.corpora.registry import SOURCES
from charlm.data.corpus import open_corpus
from charlm.errors import UserError
from charlm.files import get_cache_folder

CLOSED = "http://127.0.0.1:9/closed"
C_FILES = {
    "linux-9/kernel/fork.c": b"fork\n",
    "linux-9/kernel/irq/a.h": b"irq\n",
    "linux-9/init/kernel/b.c": b"not the folder\n",
    "linux-9/init/main.c": b"main\n",
    "linux-9/kernel/Makefile": b"no C\n",
}


def get_archive(name: str) -> str:
    """Returns the place of the archive of a corpus, below a data folder."""
    origin = SOURCES[name].origin
    assert isinstance(origin, FromArchive)
    return origin.file


def sha256(data):
    return hashlib.sha256(data).hexdigest()


def by_hash(names):
    return sorted(names, key=lambda name: hashlib.sha256(name.encode()).digest())


@pytest.fixture
def entry(monkeypatch):
    """Changes an entry for the test: entry(name, size=...), and its origin.

    `archive` is the one that is known; no entry has an address but those given here.
    """
    monkeypatch.setenv("NO_PROXY", "*")

    def change(name, **fields):
        source = SOURCES[name]
        origin = source.origin
        if url := fields.pop("url", ""):
            origin = origin._replace(url=url)
        if archive := fields.pop("archive", b""):
            origin = origin._replace(sha256=sha256(archive))
        monkeypatch.setitem(SOURCES, name, source._replace(origin=origin, **fields))

    for name, source in list(SOURCES.items()):
        if getattr(source.origin, "url", ""):
            change(name, url=CLOSED)
    return change


@pytest.fixture
def data(tmp_path, monkeypatch):
    """The folder that CHARLM_DATA names, marked as read-only; put(file, bytes)."""
    folder = tmp_path / "data"
    folder.mkdir(mode=0o555)
    monkeypatch.setenv("CHARLM_DATA", str(folder))

    def put(file, content):
        folder.chmod(0o755)
        (folder / file).parent.mkdir(exist_ok=True)
        (folder / file).write_bytes(content)
        folder.chmod(0o555)
        return folder / file

    yield put
    folder.chmod(0o755)


@pytest.fixture
def served():
    """{path: bytes} of a web server, its address, and the paths that were requests."""
    content, requests = {}, []

    class Handler(http.server.BaseHTTPRequestHandler):
        def log_message(self, format, *args):
            pass

        def do_GET(self):
            requests.append(self.path)
            self.send_response(200)
            self.end_headers()
            self.wfile.write(content[self.path])

    with serving(Handler) as (_, address):
        yield content, address, requests


def in_cache(name):
    return get_cache_folder() / "data" / SOURCES[name].file


def refusal(name):
    with pytest.raises(UserError) as caught:
        fetch.fetch(name)
    line = str(caught.value)
    assert "\n" not in line
    return line


@pytest.mark.parametrize("name", SOURCES)
def test_an_entry_says_all_that_there_is_to_say(name):
    source = SOURCES[name]
    origin = source.origin
    assert source.about and source.license and source.file == source.file.strip("/")
    assert isinstance(origin, FromUrl) or source.rule
    assert not source.sha256 or len(source.sha256) == 64 and source.size > 0
    if isinstance(origin, FromUrl):
        assert source.sha256
    if isinstance(origin, FromArchive):
        # Without either, whatever came would be taken.
        assert source.sha256 or origin.url and len(origin.sha256) == 64
        assert 0 < fetch.MAX_ARCHIVE_BYTES <= origin.max_bytes
        assert Path(origin.file).parent == Path(source.file).parent
    if (
        isinstance(origin, FromUrl | Crawled)
        or isinstance(origin, FromArchive)
        and origin.url
    ):
        assert origin.url.startswith(("http://", "https://"))


def test_no_two_share_a_place():
    places = [source.file for source in SOURCES.values()]
    assert len(set(places)) == len(places)


@pytest.mark.parametrize("name", SOURCES)
def test_without_a_network_one_line_says_where_to_put_it(entry, name):
    source = SOURCES[name]
    base = SOURCES[getattr(source.origin, "corpus", "") or name]
    if isinstance(base.origin, builders.Generated):
        assert fetch.fetch(name).is_file()
        return
    line = refusal(name)
    assert (CLOSED in line and "connection refused" in line) or "no lasting" in line
    file = base.origin.file if isinstance(base.origin, FromArchive) else base.file
    assert f"as {get_cache_folder() / 'data' / file}" in line
    assert f"as {file} in a folder that CHARLM_DATA names" in line
    assert not any(path.is_file() for path in files(get_cache_folder()))


def test_it_is_downloaded_to_its_place(entry, served):
    content, address, _ = served
    content["/text"] = b"First Citizen:\n"
    entry("shakespeare", url=f"{address}/text", size=15)
    line = refusal("shakespeare")
    assert line.startswith("shakespeare could not be") and "its SHA-256 is" in line
    assert files(in_cache("shakespeare").parent) == {}
    entry("shakespeare", sha256=sha256(content["/text"]))
    assert fetch.fetch("shakespeare") == in_cache("shakespeare")
    assert in_cache("shakespeare").read_bytes() == content["/text"]


def test_what_is_there_needs_no_network(entry, data):
    path = data(SOURCES["tiny_shakespeare"].file, b"First Citizen:\n")
    entry("tiny_shakespeare", sha256=sha256(b"First Citizen:\n"))
    assert fetch.fetch("tiny_shakespeare") == path
    # A text whose bytes nobody knows beforehand is used as it is.
    path = data(SOURCES["paul_graham"].file, b"An essay.\n")
    assert fetch.fetch("paul_graham") == path


def test_another_file_in_its_place_is_neither_used_nor_replaced(entry, data, served):
    content, address, requests = served
    content["/text"] = b"the known one"
    known = sha256(b"the known one")
    entry("war_and_peace", url=f"{address}/text", size=100, sha256=known)
    in_cache("war_and_peace").parent.mkdir(parents=True)
    for put in (data, lambda _, text: in_cache("war_and_peace").write_bytes(text)):
        put(SOURCES["war_and_peace"].file, b"theirs")
        line = refusal("war_and_peace")
        assert f"its SHA-256 is {sha256(b'theirs')}, not {known}" in line
        assert "data.path=" in line and "move it away" in line
        assert not requests
    assert in_cache("war_and_peace").read_bytes() == b"theirs"
    in_cache("war_and_peace").write_bytes(b"the known one")
    assert fetch.fetch("war_and_peace") == in_cache("war_and_peace")


def test_latex_is_the_top_folders_tex_by_name(entry, data):
    folder = "stacks-project-abc"
    texts = {
        f"{folder}/sets.tex": b"sets\n",
        f"{folder}/documentation/howto.tex": b"no\n",
        f"{folder}/Makefile": b"no\n",
        f"{folder}/algebra.tex": b"algebra\n",
    }
    archive = make_tar(texts.items(), "gz")
    theirs = data(get_archive("latex"), archive)
    line = refusal("latex")
    assert f"{theirs} does not hold the latex that is known; move it away" in line
    assert theirs.read_bytes() == archive and not in_cache("latex").exists()
    entry("latex", sha256=sha256(b"algebra\nsets\n"))
    assert fetch.fetch("latex") == in_cache("latex")
    assert files(in_cache("latex").parent) == {in_cache("latex"): b"algebra\nsets\n"}
    assert theirs.exists()


def test_an_archive_without_a_checksum_is_kept_by_its_texts(entry, served):
    content, address, requests = served
    entry("latex", url=f"{address}/a", sha256=sha256(b"right\n"))
    for text in (b"wrong\n", b"right\n"):  # what was wrong is requests for again
        content["/a"] = make_tar([("stacks/a.tex", text)], "gz")
        if text == b"wrong\n":
            assert "it has been removed; try again" in refusal("latex")
            assert files(in_cache("latex").parent) == {}
    fetch.fetch("latex")
    assert files(in_cache("latex").parent) == {in_cache("latex"): b"right\n"}
    assert requests == ["/a", "/a"]


def test_names_are_each_once_in_the_order_of_a_hash(entry, data):
    texts = {
        "names/README": b"not names",
        "names/female.txt": b"Abby\nGale \nRobin\n",
        "names/male.txt": b"Adam\n\nGale\nRobin\n",
    }
    packed = make_zip(texts.items())
    data(get_archive("names_list"), packed)
    listed = b"Adam\nGale\nRobin\nAbby\nGale\nRobin\n"
    entry("names_list", sha256=sha256(listed))
    names = "".join(f"{name}\n" for name in by_hash(["Adam", "Gale", "Robin", "Abby"]))
    entry("names", sha256=sha256(names.encode()))
    assert fetch.fetch("names").read_text() == names
    assert fetch.fetch("names_list").read_bytes() == listed


def test_a_prefix_is_found_or_cut(entry, data, monkeypatch):
    monkeypatch.setattr(builders, "PREFIX_BYTES", 9)
    packed = make_zip([("enwik8", b"<mediawiki>")])
    entry("wikipedia", sha256=sha256(b"<mediawiki>"), archive=packed)
    entry("wikipedia_prefix", sha256=sha256(b"<mediawik"))
    data(get_archive("wikipedia"), packed)
    assert fetch.fetch("wikipedia_prefix").read_bytes() == b"<mediawik"
    assert fetch.fetch("wikipedia").read_bytes() == b"<mediawiki>"
    there = data(SOURCES["wikipedia_prefix"].file, b"<mediawik")
    assert fetch.fetch("wikipedia_prefix") == there


@pytest.fixture
def linux(entry, served):
    """The two corpora of a Linux archive that is served: their texts; its requests."""
    content, address, requests = served
    content["/linux"] = make_tar(C_FILES.items(), "xz")
    for name in ("linux", "linux_kernel"):
        entry(name, url=f"{address}/linux", archive=content["/linux"])
    names = [name for name in by_hash(C_FILES) if name.endswith((".c", ".h"))]
    kernel = [name for name in names if "-9/kernel" in name]
    return *(
        b"".join(map(C_FILES.__getitem__, each)) for each in (names, kernel)
    ), requests


def test_the_corpora_of_one_archive_download_it_once(linux):
    text, kernel_text, requests = linux
    assert fetch.fetch("linux").read_bytes() == text
    assert fetch.fetch("linux_kernel").read_bytes() == kernel_text
    assert requests == ["/linux"]


def test_an_archive_of_another_text_is_kept(linux, entry):
    archive = in_cache("linux").with_name("linux-4.0.tar.xz")
    entry("linux", sha256=sha256(b"another text"))
    assert f"{archive} does not hold the linux that is known" in refusal("linux")
    assert list(files(archive.parent)) == [archive]


def test_a_full_disk_leaves_no_text(linux, monkeypatch):
    def fail(**_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("charlm.corpora.archive.tempfile.TemporaryFile", fail)
    place = in_cache("linux")
    assert f"{place} cannot be written: No space left" in refusal("linux")
    assert list(files(place.parent)) == [place.with_name("linux-4.0.tar.xz")]


def test_several_at_once_make_it_once(linux, monkeypatch):
    calls, join = [], fetch.join

    def count(*args, **kwargs):
        calls.append(args)
        join(*args, **kwargs)

    monkeypatch.setattr(fetch, "join", count)
    threads = [threading.Thread(target=fetch.fetch, args=("linux",)) for _ in "abc"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(calls) == 1 and in_cache("linux").read_bytes() == linux[0]


def test_a_release_that_has_no_address_is_made_of_what_is_put_there(entry, data):
    by_path = b"fork\nirq\n"
    entry("linux_kernel_6.1", sha256=sha256(by_path))
    data(get_archive("linux_kernel_6.1"), make_tar(C_FILES.items(), "xz"))
    assert fetch.fetch("linux_kernel_6.1").read_bytes() == by_path


def test_another_releases_archive_is_used_when_asked_for(entry, data, tmp_path):
    archive = data(get_archive("linux_kernel"), make_tar(C_FILES.items(), "xz"))
    line = refusal("linux_kernel")
    assert line.startswith(f"{archive} is not the archive that is known")
    assert f"join linux_kernel {archive} FILE" in line
    target = tmp_path / "text"
    done = door("corpora", "join", "linux_kernel", str(archive), str(target))
    assert (done.returncode, done.stdout) == (0, f"{target}\n"), done.stderr
    assert sorted(target.read_bytes().split()) == [b"fork", b"irq"]
    with pytest.raises(UserError, match="is there already"):
        fetch.join_archive("linux", archive, target)
    with pytest.raises(UserError, match="those that are: wikipedia, latex, linux"):
        fetch.join_archive("hello", archive, target)
    with pytest.raises(UserError, match="there is no archive .*absent"):
        fetch.join_archive("linux", tmp_path / "absent", tmp_path / "other")
    with pytest.raises(UserError, match=f"{archive} has no text"):
        fetch.join_archive("latex", archive, tmp_path / "other")
    assert set(tmp_path.iterdir()) == {tmp_path / "data", target}


def test_the_list_has_each_entrys_facts(tmp_path, monkeypatch):
    monkeypatch.setenv("CHARLM_DATA", str(tmp_path))
    other = tmp_path / SOURCES["shakespeare"].file
    other.parent.mkdir()
    other.write_text("theirs")
    done = door("corpora", "list")
    assert done.returncode == 0, done.stderr
    blocks = dict(block.split(": ", 1) for block in done.stdout.split("\n\n"))
    assert list(blocks) == list(SOURCES)
    for name, source in SOURCES.items():
        for fact in (source.about, source.license, source.sha256, source.rule):
            assert fact in blocks[name], name
        assert not source.size or f"{source.size:,} bytes" in blocks[name]
        assert getattr(source.origin, "url", "") in blocks[name]
        assert getattr(source.origin, "sha256", "") in blocks[name]
    assert f"{other} is not the shakespeare that is known" in blocks["shakespeare"]
    refused(door("corpora", "path", "shakespeare"), "is not the shakespeare")
    refused(door("corpora", "path", "latex"), "corpora fetch latex")
    refused(door("corpora", "join", "latex"), "join NAME ARCHIVE FILE")


def test_python_stdlib_is_real_and_deterministic():
    path = fetch.fetch("python_stdlib")
    text = path.read_text(encoding="utf-8")
    assert len(text) > 2_000_000 and "def __init__(self" in text
    first = path.read_bytes()
    path.unlink()
    assert fetch.fetch("python_stdlib").read_bytes() == first


def test_the_standard_librarys_tests_are_left_out(tmp_path):
    for name in ("b.py", "a/c.py", "test/d.py", "a/tests/e.py", "site-packages/f.py"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("")
    paths = builders.list_stdlib_files(tmp_path)
    names = [path.relative_to(tmp_path).as_posix() for path in paths]
    assert names == by_hash(["b.py", "a/c.py"])


REAL = [name for name, source in SOURCES.items() if source.sha256]


@pytest.mark.parametrize("name", REAL)
def test_what_is_there_is_what_is_known(real_data, monkeypatch, name):
    monkeypatch.setenv("CHARLM_DATA", str(real_data))
    source = SOURCES[name]
    if not (real_data / source.file).exists() and name != "names":
        pytest.skip(f"CHARLM_DATA has no {source.file}")
    if name == "names":
        monkeypatch.setattr(fetch, "_get_writable_folder", get_cache_folder)
    path = fetch.fetch(name)
    assert path.stat().st_size == source.size
    assert name != "names" or len(path.read_text().splitlines()) == 7_578


def test_tiny_shakespeare_has_65_symbols(real_data):
    corpus = open_corpus(real_data / SOURCES["tiny_shakespeare"].file)
    assert len(corpus.ids) == 1_115_394 and len(corpus.vocab) == 65
