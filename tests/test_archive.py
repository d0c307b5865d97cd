"""Archives: one text of their files, in bounded memory, and one line for damage."""

import hashlib
import random
import stat
import tarfile
import tracemalloc
import zipfile
from typing import Any

import pytest
from conftest import COMPRESS, make_header, make_tar, make_zip
from hypothesis import given, settings
from hypothesis import strategies as st

from charlm.corpora.archive import by_name, join
from charlm.corpora.builders import is_c
from charlm.errors import UserError

KINDS = ["tar", "gz", "bz2", "xz", "zip"]
DRAW = random.Random(0)
TEXTS = {
    f"linux/{n}.{'ch'[n % 2]}": f"/* {n} {DRAW.random()} é */\n".encode() * n
    for n in range(1, 12)
} | {"linux/README": b"not C\n"}
MAX_BYTES = 1_000_000


def make_archive(kind, texts):
    """An archive of {name: bytes}."""
    return make_zip(texts.items()) if kind == "zip" else make_tar(texts.items(), kind)


def expected_text(texts):
    """What `join` should make of {name: bytes}."""

    def sort_key(name):
        return hashlib.sha256(name.encode("utf-8", "surrogateescape")).digest()

    return b"".join(texts[name] for name in sorted(texts, key=sort_key) if is_c(name))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("archives")


def join_text(folder, data, **options):
    """The text of an archive, of which nothing else is left on the disk."""
    archive, target = folder / "archive", folder / "text"
    archive.write_bytes(data)
    target.unlink(missing_ok=True)
    try:
        join(archive, target, **{"keep": is_c, "max_bytes": MAX_BYTES} | options)
        return target.read_bytes()
    finally:
        assert set(folder.iterdir()) <= {archive, target}


def assert_refused(folder, data, **options):
    with pytest.raises(UserError) as caught:
        join_text(folder, data, **options)
    line = str(caught.value)
    assert line.startswith(f"{folder / 'archive'} ")
    assert "\n" not in line and len(line) < 400, line


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_text_whatever_the_order(folder, kind):
    joined = set()
    for seed in range(3):
        names = list(TEXTS)
        random.Random(seed).shuffle(names)
        archive = make_archive(kind, {name: TEXTS[name] for name in names})
        joined.add(join_text(folder, archive))
    assert joined == {expected_text(TEXTS)}


def test_the_order_of_the_sort_key_and_the_progress(folder):
    progress = []
    data = make_archive("gz", dict(reversed(TEXTS.items())))
    text = join_text(
        *(folder, data),
        sort_key=by_name,
        on_progress=lambda done, total: progress.append((done, total)),
    )
    in_order = [TEXTS[name] for name in sorted(TEXTS) if is_c(name)]
    assert text == b"".join(in_order) != expected_text(TEXTS)
    assert progress == sorted(progress) and progress[-1] == (len(data), len(data))


@pytest.mark.parametrize("kind", KINDS)
def test_names_are_never_paths(tmp_path, kind):
    path = (tmp_path / "was-here.c").as_posix()
    texts = {
        "../up.c": b"up\n",
        f"{'../' * 20}{path[1:]}": b"far up\n",
        path: b"absolute\n",
        "a\\..\\b.c": b"backwards\n",
        "new\nline.c": b"line\n",
        "\x1b[2J.c": b"escape\n",
        "x" * 3000 + ".c": b"long\n",
        "é→😀.c": b"far\n",
    }
    if kind != "zip":
        texts |= {f"\udcff{n}\udcfe.c": b"odd bytes %d\n" % n for n in range(6)}
    (tmp_path / "in").mkdir()
    text = join_text(tmp_path / "in", make_archive(kind, texts))
    assert text == expected_text(texts)
    assert set(tmp_path.iterdir()) == {tmp_path / "in"}


def test_names_beyond_ascii_have_one_order(folder):
    texts = {f"{name}.c": name.encode() for name in ("é", "→", "😀", "ж", "字")}
    archives = [make_zip(texts.items())]
    for form in (tarfile.GNU_FORMAT, tarfile.PAX_FORMAT):
        archives.append(make_tar(texts.items(), format=form, encoding="utf-8"))
    joined = {join_text(folder, archive) for archive in archives}
    assert joined == {expected_text(texts)}


def test_only_plain_files_are_read(folder, tmp_path):
    secret = tmp_path / "secret.c"
    secret.write_bytes(b"secret\n")
    special = [
        make_header("link.c", type=tarfile.SYMTYPE, linkname=str(secret)),
        make_header("hard.c", type=tarfile.LNKTYPE, linkname="plain.c"),
        make_header("out.c", type=tarfile.LNKTYPE, linkname=str(secret)),
        make_header("device.c", type=tarfile.CHRTYPE, devmajor=1, devminor=5),
        make_header("pipe.c", type=tarfile.FIFOTYPE),
        make_header("folder.c", type=tarfile.DIRTYPE),
    ]
    members = [(header, b"") for header in special]
    members.insert(2, (make_header("plain.c", mode=0o4777, uid=0), b"plain\n"))
    sparse = {"major": "0", "map": "0,4", "size": "999999"}  # and any number of zeros
    sparse = {f"GNU.sparse.{key}": value for key, value in sparse.items()}
    members.append((make_header("sparse.c", pax_headers=sparse), b"data"))
    assert join_text(folder, make_tar(members, format=tarfile.PAX_FORMAT)) == b"plain\n"
    members: list[Any] = [("plain.c", b"plain\n")]
    for name, mode in [("link.c", stat.S_IFLNK), ("device.c", stat.S_IFCHR)]:
        info = zipfile.ZipInfo(name)
        info.external_attr = (mode | 0o777) << 16
        members.append((info, str(secret).encode()))
    assert join_text(folder, make_zip(members)) == b"plain\n"


def test_the_last_file_of_a_name_counts(folder):
    members = [("a.c", b"first\n"), ("b.c", b"b\n"), ("a.c", b"second\n")]
    expected = expected_text(dict(members))
    assert join_text(folder, make_tar(members)) == expected
    with pytest.warns(UserWarning, match="Duplicate name"):
        archive = make_zip(members)
    assert join_text(folder, archive) == expected


def test_files_that_are_not_utf_8_are_left_out(folder):
    texts = {"a.c": b"a\n", "latin.c": "é\n".encode("latin-1"), "cut.c": b"b\xe2\x82"}
    assert join_text(folder, make_archive("tar", texts)) == b"a\n"


@pytest.mark.parametrize("kind", KINDS)
def test_an_archive_without_text_is_refused(folder, kind):
    assert_refused(folder, make_archive(kind, {"a.txt": b"a\n"}))
    assert_refused(folder, make_archive(kind, {"a.c": b""}))


@pytest.mark.parametrize("kind", KINDS)
def test_memory_and_disk_are_bounded(folder, kind):
    bombs = [make_archive(kind, {"first.c": b"first\n", "bomb.c": bytes(30_000_000)})]
    if kind != "zip":  # of which only what is kept is unpacked
        bombs.append(make_archive(kind, {"bomb": bytes(30_000_000)}))
        header = make_header("x", type=tarfile.GNUTYPE_LONGNAME, size=30_000_000)
        bombs.append(COMPRESS[kind](header.tobuf() + bytes(30_000_000)))
        # Many small files, and nothing but zeros after the end.
        small = {f"{n}": bytes(10_000) for n in range(110)}
        assert_refused(folder, make_archive(kind, small))
        padded = make_archive("tar", TEXTS) + bytes(2_000_000)
        assert_refused(folder, COMPRESS[kind](padded))
    for bomb in bombs:
        tracemalloc.start()
        assert_refused(folder, bomb)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 10_000_000 + len(bomb)
        assert (folder / "text").stat().st_size < MAX_BYTES


def test_the_bound_is_of_all_files_together_and_exact(folder):
    texts = {"a.c": b"a" * 700, "b.c": b"b" * 300}
    archive = make_archive("zip", texts)
    assert join_text(folder, archive, max_bytes=1000) == expected_text(texts)
    assert_refused(folder, archive, max_bytes=999)
    archive = make_archive("tar", texts)
    size = len(archive)
    assert join_text(folder, archive, max_bytes=size) == expected_text(texts)
    assert_refused(folder, archive, max_bytes=size - 1)


@pytest.mark.parametrize("size", [1 << 62, -512])
@pytest.mark.parametrize("type", [tarfile.REGTYPE, tarfile.GNUTYPE_LONGNAME])
def test_a_size_that_is_a_lie_ends_in_one_line(folder, type, size):
    header = make_header("a.c", type=type, size=size).tobuf(tarfile.GNU_FORMAT)
    assert_refused(folder, header + make_tar([("b.txt", b"b\n")]))


def test_zips_that_cannot_be_read_in_little_memory_are_refused(folder):
    for method in (zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA):
        info = zipfile.ZipInfo("a.c")
        info.compress_type = method
        assert_refused(folder, make_zip([(info, b"a\n")]))
    encrypted = bytearray(make_archive("zip", {"a.c": b"a\n"}))
    encrypted[6] |= 1
    encrypted[encrypted.index(b"PK\1\2") + 8] |= 1
    assert_refused(folder, bytes(encrypted))


@pytest.mark.parametrize("kind", KINDS)
def test_a_truncated_archive_is_refused(folder, kind):
    archive = make_archive(kind, TEXTS)
    # A tar ends in two blocks of zeros, and more up to a round size; one is enough.
    end = len(archive.rstrip(b"\0")) + 512 if kind == "tar" else len(archive)
    for n in [*range(0, end, max(1, end // 60)), end - 1]:
        assert_refused(folder, archive[:n])


@pytest.mark.parametrize("kind", KINDS)
def test_flipped_bits_are_refused_or_do_no_harm(folder, kind):
    archive = make_archive(kind, TEXTS)
    draw, refusals = random.Random(0), 0
    for _ in range(50):
        flipped = bytearray(archive)
        flipped[draw.randrange(len(archive))] ^= 1 << draw.randrange(8)
        try:
            text = join_text(folder, bytes(flipped))
        except UserError:
            refusals += 1
        else:  # neither a tar's contents nor a zip's directory have checksums
            assert text == expected_text(TEXTS) or kind in ("tar", "zip")
    assert refusals > {"tar": 2, "zip": 15}.get(kind, 40)


@pytest.mark.parametrize("kind", KINDS)
@given(data=st.data())
@settings(max_examples=40)
def test_any_bytes_end_in_a_text_or_in_one_line(folder, kind, data):
    archive = make_archive(kind, {"a.c": b"some text\n" * 9, "b.h": b"more\n"})
    start = data.draw(st.integers(0, len(archive)))
    end = data.draw(st.integers(start, len(archive)))
    changed = archive[:start] + data.draw(st.binary()) + archive[end:]
    try:
        join_text(folder, changed)
    except UserError as error:
        assert "\n" not in str(error)


@pytest.mark.parametrize("kind", ["gz", "xz", "zip"])
def test_a_large_file_takes_little_memory(folder, kind):
    text = b"the quick brown fox jumps over the lazy dog\n" * 1_000_000
    (folder / "archive").write_bytes(make_archive(kind, {"large.c": text}))
    tracemalloc.start()
    join(folder / "archive", folder / "text", keep=is_c, max_bytes=50_000_000)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert (folder / "text").read_bytes() == text
    assert peak < 20_000_000


def test_many_files_take_little_memory(folder):
    archive = make_header("not C").tobuf() * 8_000 + make_tar([("a.c", b"a\n")])
    tracemalloc.start()
    assert join_text(folder, archive, max_bytes=len(archive)) == b"a\n"
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2_000_000
