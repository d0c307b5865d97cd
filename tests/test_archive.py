"""Archives from elsewhere: one text of their files, whatever they say of themselves."""

import bz2
import functools
import gzip
import hashlib
import http.server
import io
import lzma
import os
import random
import stat
import tarfile
import threading
import tracemalloc
import zipfile

import pytest
from conftest import files, serving
from hypothesis import given, settings
from hypothesis import strategies as st

from charlm.corpora import fetch as corpora
from charlm.corpora.archive import by_name, join
from charlm.corpora.builders import FromArchive
from charlm.corpora.registry import SOURCES
from charlm.errors import UserError
from charlm.files import cache_folder

KINDS = ["tar", "gz", "bz2", "xz", "zip"]
PACK = {"tar": bytes, "gz": gzip.compress, "bz2": bz2.compress, "xz": lzma.compress}
WORDS = random.Random(0)
TEXTS = {
    f"linux/{n}.{'ch'[n % 2]}": f"/* {n} {WORDS.random()} é */\n".encode() * n
    for n in range(1, 12)
} | {"linux/README": b"not wanted\n"}
MOST = 1_000_000


def is_c(name):
    return name.endswith((".c", ".h"))


def header(name, **fields):
    info = tarfile.TarInfo(name)
    for field, value in fields.items():
        setattr(info, field, value)
    return info


def tar_of(members, kind="tar", **kwargs):
    """An archive of (header, bytes) pairs."""
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w", **kwargs) as tar:
        for info, content in members:
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return PACK[kind](file.getvalue())


def zip_of(members):
    """A zip of (name or ZipInfo, bytes) pairs."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as packed:
        for name, content in members:
            packed.writestr(name, content)
    return file.getvalue()


def archive_of(kind, texts):
    """An archive of {name: bytes}."""
    if kind == "zip":
        return zip_of(texts.items())
    return tar_of(((header(name), text) for name, text in texts.items()), kind)


def text_of(texts, wanted=is_c):
    """What `join` should make of {name: bytes}."""

    def order(name):
        return hashlib.sha256(name.encode("utf-8", "surrogateescape")).digest()

    return b"".join(texts[name] for name in sorted(texts, key=order) if wanted(name))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("archives")


def joined(folder, data, *, wanted=is_c, most=MOST):
    """The text of an archive, of which nothing else is left on the disk."""
    archive, target = folder / "archive", folder / "text"
    archive.write_bytes(data)
    target.unlink(missing_ok=True)
    try:
        join(archive, target, wanted=wanted, most=most)
        return target.read_bytes()
    finally:
        assert set(folder.iterdir()) <= {archive, target}


def refused(folder, data, message, **kwargs):
    with pytest.raises(UserError) as caught:
        joined(folder, data, **kwargs)
    line = str(caught.value)
    assert message in line and "\n" not in line and len(line) < 400, line
    assert str(folder / "archive") in line


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_text_whatever_the_order(folder, kind):
    made = set()
    for seed in range(3):
        names = list(TEXTS)
        random.Random(seed).shuffle(names)
        made.add(
            joined(folder, archive_of(kind, {name: TEXTS[name] for name in names}))
        )
    assert made == {text_of(TEXTS)}
    assert made != {text_of(dict(TEXTS), lambda name: True)}


def test_the_order_is_the_one_that_is_asked_for(folder):
    shuffled = dict(reversed(TEXTS.items()))
    archive, target = folder / "archive", folder / "text"
    archive.write_bytes(archive_of("gz", shuffled))
    join(archive, target, wanted=is_c, order=by_name, most=MOST)
    in_order = [TEXTS[name] for name in sorted(TEXTS) if is_c(name)]
    assert target.read_bytes() == b"".join(in_order) != text_of(TEXTS)
    target.unlink()


def test_how_far_it_is(folder):
    archive, shown = folder / "archive", []
    archive.write_bytes(archive_of("gz", TEXTS))
    join(
        *(archive, folder / "text"),
        wanted=is_c,
        most=MOST,
        show=lambda done, total: shown.append((done, total)),
    )
    size = archive.stat().st_size
    assert shown == sorted(shown) and shown[-1] == (size, size)
    (folder / "text").unlink()


@pytest.mark.parametrize("kind", KINDS)
def test_names_are_never_paths(tmp_path, kind):
    there = (tmp_path / "was-here.c").as_posix()
    texts = {
        "../up.c": b"up\n",
        f"{'../' * 20}{there[1:]}": b"far up\n",
        there: b"absolute\n",
        "a\\..\\b.c": b"backwards\n",
        "new\nline.c": b"line\n",
        "\x1b[2J.c": b"escape\n",
        "x" * 3000 + ".c": b"long\n",
        "é→😀.c": b"far\n",
    }
    if kind != "zip":
        texts |= {f"\udcff{n}\udcfe.c": b"odd bytes %d\n" % n for n in range(6)}
    (tmp_path / "in").mkdir()
    assert joined(tmp_path / "in", archive_of(kind, texts)) == text_of(texts)
    assert set(tmp_path.iterdir()) == {tmp_path / "in"}


def test_names_beyond_ascii_stand_in_one_order(folder):
    texts = {f"{name}.c": name.encode() for name in ("é", "→", "😀", "ж", "字")}
    made = {joined(folder, archive_of("zip", texts))}
    for form in (tarfile.GNU_FORMAT, tarfile.PAX_FORMAT):
        members = ((header(name), text) for name, text in texts.items())
        made.add(joined(folder, tar_of(members, format=form, encoding="utf-8")))
    assert made == {text_of(texts)}


def test_only_plain_files_of_a_tar_are_read(folder, tmp_path):
    secret = tmp_path / "secret.c"
    secret.write_bytes(b"secret\n")
    special = [
        header("link.c", type=tarfile.SYMTYPE, linkname=str(secret)),
        header("hard.c", type=tarfile.LNKTYPE, linkname="plain.c"),
        header("out.c", type=tarfile.LNKTYPE, linkname=str(secret)),
        header("device.c", type=tarfile.CHRTYPE, devmajor=1, devminor=5),
        header("block.c", type=tarfile.BLKTYPE, devmajor=8),
        header("pipe.c", type=tarfile.FIFOTYPE),
        header("folder.c", type=tarfile.DIRTYPE),
    ]
    members = [(info, b"") for info in special]
    members.insert(3, (header("plain.c", mode=0o4777, uid=0), b"plain\n"))
    assert joined(folder, tar_of(members)) == b"plain\n"


def test_only_plain_files_of_a_zip_are_read(folder, tmp_path):
    secret = tmp_path / "secret.c"
    secret.write_bytes(b"secret\n")
    members = [("plain.c", b"plain\n")]
    for name, kind in [("link.c", stat.S_IFLNK), ("device.c", stat.S_IFCHR)]:
        info = zipfile.ZipInfo(name)
        info.external_attr = (kind | 0o777) << 16
        members.append((info, str(secret).encode()))
    assert joined(folder, zip_of(members)) == b"plain\n"


def test_a_sparse_file_is_left_out(folder):
    """It could claim any number of zeros."""
    info = header("sparse.c", size=4, pax_headers={"GNU.sparse.major": "0"})
    info.pax_headers |= {"GNU.sparse.map": "0,4", "GNU.sparse.size": "999999"}
    members = [(info, b"data"), (header("plain.c"), b"plain\n")]
    assert joined(folder, tar_of(members, format=tarfile.PAX_FORMAT)) == b"plain\n"


def test_the_last_of_a_name_counts(folder):
    twice = [("a.c", b"first\n"), ("b.c", b"b\n"), ("a.c", b"second\n")]
    expected = text_of(dict(twice))
    assert joined(folder, tar_of((header(name), text) for name, text in twice)) == (
        expected
    )
    with pytest.warns(UserWarning, match="Duplicate name"):
        packed = zip_of(twice)
    assert joined(folder, packed) == expected


def test_files_that_are_not_utf_8_are_left_out(folder):
    texts = {"a.c": b"a\n", "latin.c": "é\n".encode("latin-1"), "cut.c": b"b\xe2\x82"}
    assert joined(folder, archive_of("tar", texts)) == b"a\n"


@pytest.mark.parametrize("kind", KINDS)
def test_without_a_wanted_text_there_is_none(folder, kind):
    refused(folder, archive_of(kind, {"a.txt": b"a\n"}), "none of the texts")
    refused(folder, archive_of(kind, {"a.c": b""}), "none of the texts")


def zeros(kind, name):
    return archive_of(kind, {"first.c": b"first\n", name: bytes(30_000_000)})


@pytest.mark.parametrize("kind", KINDS)
def test_a_bomb_does_not_go_off(folder, kind):
    packed = zeros(kind, "bomb.c")
    tracemalloc.start()
    refused(folder, packed, "more than 1,000,000 bytes" if kind == "zip" else "bytes")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 10_000_000 + len(packed)


@pytest.mark.parametrize("kind", KINDS[:-1])
def test_what_is_not_wanted_is_bounded_as_well(folder, kind):
    refused(folder, zeros(kind, "bomb"), "bytes")
    # Many small ones, none of which is too large by itself; and nothing but padding.
    many = archive_of(kind, {f"{n}": bytes(10_000) for n in range(110)})
    refused(folder, many, "it unpacks to more than 1,000,000 bytes")
    padded = PACK[kind](archive_of("tar", TEXTS) + bytes(2_000_000))
    refused(folder, padded, "it unpacks to more than 1,000,000 bytes")


def test_the_bound_is_of_all_files_together_and_exact(folder):
    texts = {"a.c": b"a" * 700, "b.c": b"b" * 300}
    packed = archive_of("zip", texts)
    assert joined(folder, packed, most=1000) == text_of(texts)
    refused(folder, packed, "more than 999 bytes", most=999)
    packed = archive_of("tar", texts)
    assert joined(folder, packed, most=len(packed)) == text_of(texts)
    refused(folder, packed, "more than", most=len(packed) - 1)


@pytest.mark.parametrize("kind", KINDS)
def test_the_number_of_members_is_bounded(folder, kind, monkeypatch):
    packed = archive_of(kind, TEXTS)
    monkeypatch.setattr("charlm.corpora.archive.MEMBERS", len(TEXTS))
    assert joined(folder, packed) == text_of(TEXTS)
    monkeypatch.setattr("charlm.corpora.archive.MEMBERS", len(TEXTS) - 1)
    refused(folder, packed, "more than 11 members")


def test_sizes_that_are_claimed_are_not_believed(folder):
    end = bytes(1024)
    huge = header("huge", size=1 << 62).tobuf(tarfile.GNU_FORMAT)
    refused(folder, huge + end, "claims 4,611,686,018,427,387,904 bytes")
    negative = header("a.c", size=-512).tobuf(tarfile.GNU_FORMAT)
    refused(folder, negative + end, "claims -512 bytes")
    pax = header("a", pax_headers={"size": str(1 << 62)}).tobuf(tarfile.PAX_FORMAT)
    refused(folder, pax + end, "claims 4,611,686,018,427,387,904 bytes")
    long = header("x", type=tarfile.GNUTYPE_LONGNAME, size=2_000_000)
    named = long.tobuf() + bytes(2_000_384) + header("a.c").tobuf() + end
    refused(folder, named, "claims 2,000,000 bytes", most=10_000_000)
    negative = header("x", type=tarfile.GNUTYPE_LONGNAME, size=-512)
    named = negative.tobuf(tarfile.GNU_FORMAT) + header("a.c").tobuf() + end
    refused(folder, named, "claims -512 bytes")


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_zip_that_cannot_be_read_in_little_memory_is_refused(folder, method):
    info = zipfile.ZipInfo("a.c")
    info.compress_type = method
    refused(folder, zip_of([(info, b"a\n")]), "in another way than by deflate")


@pytest.mark.parametrize("kind", KINDS)
def test_a_truncated_archive_is_refused(folder, kind):
    packed = archive_of(kind, TEXTS)
    # A tar ends in two blocks of zeros, and more up to a round size; one is enough.
    end = len(packed.rstrip(b"\0")) + 512 if kind == "tar" else len(packed)
    for n in [*range(0, end, max(1, end // 60)), end - 1]:
        refused(folder, packed[:n], "")


@pytest.mark.parametrize("kind", KINDS)
def test_flipped_bits_are_refused_or_do_no_harm(folder, kind):
    packed = archive_of(kind, TEXTS)
    flips = random.Random(0)
    noticed = 0
    for _ in range(50):
        flipped = bytearray(packed)
        flipped[flips.randrange(len(packed))] ^= 1 << flips.randrange(8)
        try:
            text = joined(folder, bytes(flipped))
        except UserError:
            noticed += 1
        else:  # neither a tar's contents nor a zip's directory have checksums
            assert text == text_of(TEXTS) or kind in ("tar", "zip")
    assert noticed > {"tar": 2, "zip": 15}.get(kind, 40)


@pytest.mark.parametrize("kind", KINDS)
@given(data=st.data())
@settings(max_examples=40)
def test_any_bytes_end_in_a_text_or_in_one_line(folder, kind, data):
    packed = archive_of(kind, {"a.c": b"some text\n" * 9, "b.h": b"more\n"})
    start = data.draw(st.integers(0, len(packed)))
    end = data.draw(st.integers(start, len(packed)))
    changed = packed[:start] + data.draw(st.binary()) + packed[end:]
    try:
        joined(folder, changed)
    except UserError as error:
        assert "\n" not in str(error)


def test_an_encrypted_zip_is_refused(folder):
    packed = bytearray(archive_of("zip", {"a.c": b"a\n"}))
    packed[6] |= 1
    packed[packed.index(b"PK\1\2") + 8] |= 1
    refused(folder, bytes(packed), "encrypted")


@pytest.mark.parametrize("kind", ["gz", "xz", "zip"])
def test_a_large_file_takes_little_memory(folder, kind):
    text = b"the quick brown fox jumps over the lazy dog\n" * 1_000_000
    packed = archive_of(kind, {"large.c": text})
    tracemalloc.start()
    archive, target = folder / "archive", folder / "text"
    archive.write_bytes(packed)
    join(archive, target, wanted=is_c, most=50_000_000)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert target.read_bytes() == text
    assert peak < 20_000_000


def test_many_files_take_little_memory(folder):
    packed = header("unwanted").tobuf() * 8_000 + tar_of([(header("a.c"), b"a\n")])
    tracemalloc.start()
    assert joined(folder, packed, most=len(packed)) == b"a\n"
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2_000_000


@pytest.fixture
def source(tmp_path, monkeypatch):
    """A corpus "linux" of a web server's archive, with the file that is served."""
    served = tmp_path / "served" / "linux.tar.xz"
    served.parent.mkdir()
    served.write_bytes(archive_of("xz", TEXTS))
    handler = functools.partial(
        http.server.SimpleHTTPRequestHandler, directory=served.parent
    )
    monkeypatch.setattr(handler.func, "log_message", lambda *_: None)
    monkeypatch.setenv("NO_PROXY", "*")
    linux = SOURCES["linux"]
    assert isinstance(linux.how, FromArchive)
    # What is kept for another corpus of the same archive has a test of its own.
    others = {name: SOURCES[name] for name in SOURCES if name != "linux_kernel"}
    monkeypatch.setattr(corpora, "SOURCES", others)
    with serving(handler) as (_, address):
        how = linux.how._replace(
            file="linux/linux.tar.xz",
            url=f"{address}/linux.tar.xz",
            sha256=hashlib.sha256(served.read_bytes()).hexdigest(),
        )
        yield linux._replace(how=how)


def away(source):
    """The same where there is no network."""
    how = source.how._replace(url="http://127.0.0.1:9/linux.tar.xz")
    return source._replace(how=how)


def fetch(source, monkeypatch):
    monkeypatch.setitem(corpora.SOURCES, "linux", source)
    return corpora.fetch("linux")


def test_a_corpus_of_an_archive(source, monkeypatch):
    place = cache_folder() / "data" / source.file
    assert fetch(source, monkeypatch) == place
    assert files(place.parent) == {place: text_of(TEXTS)}
    assert fetch(away(source), monkeypatch) == place


def test_an_archive_that_is_there_needs_no_network(source, monkeypatch, tmp_path):
    place = cache_folder() / "data" / source.file
    by_hand = place.with_name("linux.tar.xz")
    with pytest.raises(UserError, match=rf"save it as {by_hand} \(SHA-256 .*CHARLM_D"):
        fetch(away(source), monkeypatch)
    assert files(place.parent) == {}
    data = (tmp_path / "served" / "linux.tar.xz").read_bytes()
    by_hand.write_bytes(data)
    assert fetch(away(source), monkeypatch) == place
    # What its user put there stays.
    assert files(place.parent) == {place: text_of(TEXTS), by_hand: data}


def test_an_archive_of_another_text_is_refused(source, monkeypatch):
    place = cache_folder() / "data" / source.file
    with pytest.raises(UserError, match="does not hold the linux that is known"):
        fetch(source._replace(sha256="0" * 64), monkeypatch)
    assert list(files(place.parent)) == [place.with_name("linux.tar.xz")]
    right = source._replace(sha256=hashlib.sha256(text_of(TEXTS)).hexdigest())
    assert fetch(right, monkeypatch) == place


def test_a_full_disk_leaves_no_text(source, monkeypatch):
    place = cache_folder() / "data" / source.file

    def full(**_):
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr("charlm.corpora.archive.tempfile.TemporaryFile", full)
    with pytest.raises(UserError, match=f"{place} cannot be written: No space left"):
        fetch(source, monkeypatch)
    assert list(files(place.parent)) == [place.with_name("linux.tar.xz")]


def test_several_at_once_make_it_once(source, monkeypatch):
    made = []
    ours = corpora.join

    def counted(*args, **kwargs):
        made.append(args)
        ours(*args, **kwargs)

    monkeypatch.setattr(corpora, "join", counted)
    monkeypatch.setitem(corpora.SOURCES, "linux", source)
    threads = [threading.Thread(target=corpora.fetch, args=("linux",)) for _ in "abc"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(made) == 1
    place = cache_folder() / "data" / source.file
    assert files(place.parent) == {place: text_of(TEXTS)}
