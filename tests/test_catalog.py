"""The catalog: each corpus found, downloaded or made by its rule; none overwritten."""

import hashlib
import http.server
import io
import tarfile
import zipfile
from pathlib import Path

import pytest
from conftest import door, files, refused, serving

from charlm.corpora import builders, fetch
from charlm.corpora.builders import Crawled, FromArchive, FromUrl
from charlm.corpora.registry import SOURCES
from charlm.data.corpus import cache_folder, open_corpus
from charlm.errors import UserError

CLOSED = "http://127.0.0.1:9/closed"
C_FILES = {
    "linux-9/kernel/fork.c": b"fork\n",
    "linux-9/kernel/irq/a.h": b"irq\n",
    "linux-9/init/kernel/b.c": b"not the folder\n",
    "linux-9/init/main.c": b"main\n",
    "linux-9/kernel/Makefile": b"no C\n",
}


def sha256(data):
    return hashlib.sha256(data).hexdigest()


def by_hash(names):
    return sorted(names, key=lambda name: hashlib.sha256(name.encode()).digest())


def tar_of(texts):
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w:gz") as tar:
        for name, text in texts.items():
            info = tarfile.TarInfo(name)
            info.size = len(text)
            tar.addfile(info, io.BytesIO(text))
    return file.getvalue()


def zip_of(texts):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as packed:
        for name, text in texts.items():
            packed.writestr(name, text)
    return file.getvalue()


@pytest.fixture
def entry(monkeypatch):
    """Changes an entry for the test: entry(name, size=...), and how it comes.

    `archive` is the one that is known; no entry has an address but those given here.
    """
    monkeypatch.setenv("NO_PROXY", "*")

    def change(name, **fields):
        source = SOURCES[name]
        how = source.how
        if url := fields.pop("url", ""):
            how = how._replace(url=url)
        if archive := fields.pop("archive", b""):
            how = how._replace(sha256=sha256(archive))
        monkeypatch.setitem(SOURCES, name, source._replace(how=how, **fields))

    for name, source in list(SOURCES.items()):
        if getattr(source.how, "url", ""):
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
    """{path: bytes} of a web server, its address, and the paths that were asked."""
    content, asked = {}, []

    class Handler(http.server.BaseHTTPRequestHandler):
        def log_message(self, *_):
            pass

        def do_GET(self):
            asked.append(self.path)
            self.send_response(200)
            self.end_headers()
            self.wfile.write(content[self.path])

    with serving(Handler) as (_, address):
        yield content, address, asked


def in_cache(name):
    return cache_folder() / "data" / SOURCES[name].file


def refusal(name):
    with pytest.raises(UserError) as caught:
        fetch.fetch(name)
    line = str(caught.value)
    assert "\n" not in line
    return line


@pytest.mark.parametrize("name", SOURCES)
def test_an_entry_says_all_that_there_is_to_say(name):
    source = SOURCES[name]
    how = source.how
    assert source.about and source.licence and source.file == source.file.strip("/")
    assert isinstance(how, FromUrl) or source.rule
    assert not source.sha256 or len(source.sha256) == 64 and source.size > 0
    if isinstance(how, FromUrl):
        assert source.sha256
    if isinstance(how, FromArchive):
        # Without either, whatever came would be taken.
        assert source.sha256 or how.url and len(how.sha256) == 64
        assert 0 < how.packed <= how.most
        assert Path(how.file).parent == Path(source.file).parent
    if isinstance(how, FromUrl | Crawled) or isinstance(how, FromArchive) and how.url:
        assert how.url.startswith(("http://", "https://"))


def test_no_two_share_a_place():
    places = [source.file for source in SOURCES.values()]
    assert len(set(places)) == len(places)


@pytest.mark.parametrize("name", SOURCES)
def test_without_a_network_one_line_says_where_to_put_it(entry, name):
    source = SOURCES[name]
    base = SOURCES[getattr(source.how, "of", name)]
    if isinstance(base.how, builders.Generated):
        assert fetch.fetch(name).is_file()
        return
    line = refusal(name)
    assert (CLOSED in line and "connection refused" in line) or "no lasting" in line
    kept = base.how.file if isinstance(base.how, FromArchive) else base.file
    assert f"as {cache_folder() / 'data' / kept}" in line
    assert f"as {kept} in a folder that CHARLM_DATA names" in line
    if base.sha256:
        assert f"({base.size:,} bytes, SHA-256 {base.sha256})" in line
    assert not any(path.is_file() for path in files(cache_folder()))


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
    content, address, asked = served
    content["/text"] = b"the known one"
    known = sha256(b"the known one")
    entry("war_and_peace", url=f"{address}/text", size=100, sha256=known)
    in_cache("war_and_peace").parent.mkdir(parents=True)
    for put in (data, lambda _, text: in_cache("war_and_peace").write_bytes(text)):
        put(SOURCES["war_and_peace"].file, b"theirs")
        line = refusal("war_and_peace")
        assert f"its SHA-256 is {sha256(b'theirs')}, not {known}" in line
        assert "--config.data.path=" in line and "move it away" in line
        assert fetch.find("war_and_peace") is None and not asked
    assert in_cache("war_and_peace").read_bytes() == b"theirs"
    in_cache("war_and_peace").write_bytes(b"the known one")
    assert fetch.fetch("war_and_peace") == in_cache("war_and_peace")


def test_latex_is_the_top_folders_tex_by_name(entry, data):
    folder = "stacks-project-abc"
    archive = tar_of(
        {
            f"{folder}/sets.tex": b"sets\n",
            f"{folder}/documentation/howto.tex": b"no\n",
            f"{folder}/Makefile": b"no\n",
            f"{folder}/algebra.tex": b"algebra\n",
        }
    )
    theirs = data(SOURCES["latex"].how.file, archive)
    line = refusal("latex")
    assert f"{theirs} does not hold the latex that is known; move it away" in line
    assert theirs.read_bytes() == archive and not in_cache("latex").exists()
    entry("latex", sha256=sha256(b"algebra\nsets\n"))
    assert fetch.fetch("latex") == in_cache("latex")
    assert files(in_cache("latex").parent) == {in_cache("latex"): b"algebra\nsets\n"}
    assert theirs.exists()


def test_an_archive_without_a_checksum_is_kept_by_its_texts(entry, served):
    content, address, asked = served
    entry("latex", url=f"{address}/a", sha256=sha256(b"right\n"))
    for text in (b"wrong\n", b"right\n"):  # what was wrong is asked for again
        content["/a"] = tar_of({"stacks/a.tex": text})
        if text == b"wrong\n":
            assert f"it has been removed: get {address}/a again" in refusal("latex")
            assert files(in_cache("latex").parent) == {}
    fetch.fetch("latex")
    assert files(in_cache("latex").parent) == {in_cache("latex"): b"right\n"}
    assert asked == ["/a", "/a"]


def test_names_are_each_once_in_the_order_of_a_hash(entry, data):
    packed = zip_of(
        {
            "names/README": b"not names",
            "names/female.txt": b"Abby\nGale \nRobin\n",
            "names/male.txt": b"Adam\n\nGale\nRobin\n",
        }
    )
    data(SOURCES["names_list"].how.file, packed)
    listed = b"Adam\nGale\nRobin\nAbby\nGale\nRobin\n"
    entry("names_list", sha256=sha256(listed))
    names = "".join(f"{name}\n" for name in by_hash(["Adam", "Gale", "Robin", "Abby"]))
    entry("names", sha256=sha256(names.encode()))
    assert fetch.fetch("names").read_text() == names
    assert fetch.fetch("names_list").read_bytes() == listed


def test_a_prefix_is_found_or_cut(entry, data, monkeypatch):
    monkeypatch.setattr(builders, "PREFIX", 9)
    packed = zip_of({"enwik8": b"<mediawiki>"})
    entry("wikipedia", sha256=sha256(b"<mediawiki>"), archive=packed)
    entry("wikipedia_prefix", sha256=sha256(b"<mediawik"))
    data(SOURCES["wikipedia"].how.file, packed)
    assert fetch.fetch("wikipedia_prefix").read_bytes() == b"<mediawik"
    assert fetch.fetch("wikipedia").read_bytes() == b"<mediawiki>"
    there = data(SOURCES["wikipedia_prefix"].file, b"<mediawik")
    assert fetch.fetch("wikipedia_prefix") == there


def test_the_corpora_of_one_archive_download_it_once(entry, served):
    content, address, asked = served
    content["/linux"] = tar_of(C_FILES)
    for name in ("linux", "linux_kernel"):
        entry(name, url=f"{address}/linux", archive=content["/linux"])
    c_files = [name for name in by_hash(C_FILES) if name.endswith((".c", ".h"))]
    assert fetch.fetch("linux").read_bytes() == b"".join(map(C_FILES.get, c_files))
    of_kernel = [C_FILES[name] for name in c_files if "-9/kernel" in name]
    assert fetch.fetch("linux_kernel").read_bytes() == b"".join(of_kernel)
    assert asked == ["/linux"]


def test_a_release_that_has_no_address_is_made_of_what_is_put_there(entry, data):
    by_path = b"fork\nirq\n"
    entry("linux_kernel_6.1", sha256=sha256(by_path))
    data(SOURCES["linux_kernel_6.1"].how.file, tar_of(C_FILES))
    assert fetch.fetch("linux_kernel_6.1").read_bytes() == by_path


def test_another_releases_archive_is_used_when_asked_for(entry, data, tmp_path):
    archive = data(SOURCES["linux_kernel"].how.file, tar_of(C_FILES))
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
    with pytest.raises(UserError, match="has none of the texts"):
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
        for fact in (source.about, source.licence, source.sha256, source.rule):
            assert fact in blocks[name], name
        assert not source.size or f"{source.size:,} bytes" in blocks[name]
        assert getattr(source.how, "url", "") in blocks[name]
        assert getattr(source.how, "sha256", "") in blocks[name]
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
    found = builders.python_stdlib_files(tmp_path)
    names = [path.relative_to(tmp_path).as_posix() for path in found]
    assert names == by_hash(["b.py", "a/c.py"])


REAL = [name for name, source in SOURCES.items() if source.sha256]


@pytest.mark.parametrize("name", REAL)
def test_what_is_there_is_what_is_known(real_data, monkeypatch, name):
    monkeypatch.setenv("CHARLM_DATA", str(real_data))
    source = SOURCES[name]
    if not (real_data / source.file).exists() and name != "names":
        pytest.skip(f"CHARLM_DATA has no {source.file}")
    if name == "names":
        monkeypatch.setattr(fetch, "_writable_folder", lambda: cache_folder())
    path = fetch.fetch(name)
    assert path.stat().st_size == source.size
    assert name != "names" or len(path.read_text().splitlines()) == 7_578


def test_tiny_shakespeare_has_65_symbols(real_data):
    corpus = open_corpus(real_data / SOURCES["tiny_shakespeare"].file)
    assert len(corpus.ids) == 1_115_394 and len(corpus.vocab) == 65
