"""Vocabularies, corpora, splits and streams."""

import json
import os
import subprocess
import sys

import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from charlm.data.corpus import open_corpus, split_slices
from charlm.data.streams import Streams
from charlm.data.vocab import Vocab
from charlm.errors import UserError
from charlm.files import get_cache_folder

characters = st.text(st.characters(exclude_categories=["Cs"]), min_size=1)


@given(characters)
def test_characters_survive_encoding_and_json(text):
    vocab = Vocab.of(text)
    assert vocab.decode(vocab.encode(text)) == text
    assert list(vocab.symbols) == sorted(set(text))
    assert Vocab.from_json(vocab.to_json()) == vocab


@given(st.binary(min_size=1))
def test_bytes_survive_encoding_and_json(data):
    vocab = Vocab.of(data, "byte")
    assert vocab.decode_bytes(vocab.encode(data)) == data
    assert Vocab.from_json(vocab.to_json()) == vocab


@pytest.mark.parametrize(
    "symbols, dtype", [(2, "uint8"), (256, "uint8"), (257, "uint16"), (70000, "uint32")]
)
def test_ids_have_the_smallest_type(symbols, dtype):
    codes = [n for n in range(80_000) if not 0xD800 <= n < 0xE000][:symbols]
    assert Vocab("char", tuple(codes)).dtype == dtype


def test_unseen_characters_are_named_with_their_places():
    with pytest.raises(UserError) as caught:
        Vocab.of("ab\n").encode("ab\nab→a→é", what="the prompt")
    message = str(caught.value)
    assert message.startswith("the prompt has characters that the model has never seen")
    assert "'→' (U+2192) at line 2, column 3" in message
    assert "'é' (U+00E9) at line 2, column 6" in message


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        '{"unit": "word", "symbols": ["a"]}',
        '{"unit": "char", "symbols": ["b", "a"]}',
        '{"unit": "char", "symbols": ["ab"]}',
        '{"unit": "char", "symbols": ["\\ud800"]}',
        '{"unit": "byte", "symbols": [256]}',
    ],
)
def test_what_is_no_vocabulary_is_refused(text):
    with pytest.raises(UserError):
        Vocab.from_json(text)


def test_translate_keeps_the_text():
    small, large = Vocab.of("abd"), Vocab.of("abcd")
    ids = large.translate(small.encode("dab"), small, what="it")
    assert large.decode(ids) == "dab"
    with pytest.raises(UserError, match="'c'"):
        small.translate(large.encode("abc"), large, what="it")


@pytest.mark.parametrize(
    "data, encoding, text",
    [
        (b"\xef\xbb\xbfab\r\nba", "utf-8", "ab\r\nba"),
        ("aé→😀".encode(), "utf-8", "aé→😀"),
        ("aé".encode("latin-1"), "latin-1", "aé"),
        ("中文字".encode("gb18030"), "gb18030", "中文字"),
        ("aé→".encode("utf-16"), "utf-16", "aé→"),
        ("\ufeffaé→\ufeff".encode("utf-16-le"), "utf-16-le", "aé→\ufeff"),
        ("\ufeff中文".encode("gb18030"), "gb18030", "中文"),
    ],
)
def test_encodings(tmp_path, data, encoding, text):
    path = tmp_path / "a.txt"
    path.write_bytes(data)
    corpus = open_corpus(path, encoding=encoding)
    assert corpus.vocab.decode(corpus.ids) == text


def test_a_character_across_two_pieces_is_one(tmp_path, monkeypatch):
    monkeypatch.setattr("charlm.data.corpus.CHUNK_BYTES", 3)
    path = tmp_path / "a.txt"
    path.write_text("aé→😀" * 5, encoding="utf-8")
    corpus = open_corpus(path)
    assert corpus.vocab.decode(corpus.ids) == "aé→😀" * 5


def test_all_256_bytes(tmp_path):
    path = tmp_path / "a.bin"
    path.write_bytes(bytes(range(256)) * 3)
    corpus = open_corpus(path, unit="byte")
    assert len(corpus.vocab) == 256 and corpus.ids.dtype == np.uint8
    assert corpus.vocab.decode_bytes(corpus.ids) == path.read_bytes()


def test_many_symbols(tmp_path):
    """As many as in a book of Chinese poems, made here."""
    text = "".join(map(chr, range(0x4E00, 0x4E00 + 2841)))
    path = tmp_path / "a.txt"
    path.write_text(text * 2, encoding="utf-8")
    corpus = open_corpus(path)
    assert len(corpus.vocab) == 2841 and corpus.ids.dtype == np.uint16


def test_chinese_poems(real_data):
    corpus = open_corpus(real_data / "unicode" / "chinese_poems.txt")
    assert len(corpus.vocab) == 2841 and len(corpus.ids) == 39_233


@pytest.mark.parametrize(
    "data, unit, message",
    [
        (b"", "char", "is empty"),
        (b"a", "char", "has only 1 character"),
        (b"\xef\xbb\xbf", "char", "has only 0 character"),
        (b"ab\xffcd", "char", "byte 2 cannot be decoded"),
        (b"ab\xe2\x82", "char", "byte 2 cannot be decoded"),
        (b"\xef\xbb\xbfab\xff", "char", "byte 5 cannot be decoded"),
        (b"a", "byte", "has only 1 character"),
    ],
)
def test_texts_that_are_none(tmp_path, data, unit, message):
    path = tmp_path / "a.txt"
    path.write_bytes(data)
    with pytest.raises(UserError, match=message):
        open_corpus(path, unit=unit)
    cache = get_cache_folder() / "encoded"
    assert not cache.exists() or not any(cache.iterdir())


def test_paths_that_are_none(tmp_path):
    with pytest.raises(UserError, match="is a folder"):
        open_corpus(tmp_path)
    with pytest.raises(UserError, match="there is no file"):
        open_corpus(tmp_path / "absent")
    path = tmp_path / "a.txt"
    path.write_text("ab")
    with pytest.raises(UserError, match="cannot be read"):
        open_corpus("a" * 5000)
    for name in ("klingon", "base64", "undefined"):
        with pytest.raises(UserError, match="Python does not know"):
            open_corpus(path, encoding=name)


def test_the_cache_is_used_and_remade_when_the_content_changes(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("abab")
    open_corpus(path)
    cache = get_cache_folder() / "encoded"
    [entry] = cache.iterdir()
    before = (entry / "ids.npy").stat()
    open_corpus(path)
    assert (entry / "ids.npy").stat().st_mtime_ns == before.st_mtime_ns
    path.write_text("baba")  # the same size
    corpus = open_corpus(path)
    assert corpus.vocab.decode(corpus.ids) == "baba"
    assert len(list(cache.iterdir())) == 2


def test_a_text_is_encoded_anew_only_for_symbols_that_it_has_not(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("abba")
    own = open_corpus(path)
    assert open_corpus(path, extra_symbols=Vocab.of("b")).vocab == own.vocab
    cache = get_cache_folder() / "encoded"
    assert len(list(cache.iterdir())) == 1
    more = open_corpus(path, extra_symbols=Vocab.of("Ab"))
    assert more.vocab == Vocab.of("Aab") and more.vocab.decode(more.ids) == "abba"
    assert len(list(cache.iterdir())) == 2


@pytest.mark.parametrize("size", [0, 100, 150, -1])
def test_a_damaged_entry_of_the_cache_is_remade(tmp_path, size):
    path = tmp_path / "a.txt"
    path.write_text("abab" * 100)
    open_corpus(path)
    [entry] = (get_cache_folder() / "encoded").iterdir()
    with (entry / "ids.npy").open("r+b") as file:
        if size < 0:
            file.seek(size, os.SEEK_END)
            file.write(b"\x02")  # the size stays
        else:
            file.truncate(size)
    assert open_corpus(path).ids.tolist() == [0, 1] * 200


def test_a_failed_encoding_leaves_nothing(tmp_path, monkeypatch):
    path = tmp_path / "a.txt"
    path.write_text("abab")

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(UserError, match="No space left"):
        open_corpus(path)
    assert not any((get_cache_folder() / "encoded").iterdir())


def test_a_cache_that_cannot_be_written(tmp_path):
    (tmp_path / "a.txt").write_text("abab")
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="CHARLM_CACHE"):
        open_corpus(tmp_path / "a.txt", cache=tmp_path / "file" / "cache")


ENCODE = """
import re, sys
from charlm.data.corpus import open_corpus
corpus = open_corpus(sys.argv[1])
# Not getrusage: its peak is inherited from the process that started this one.
peak = re.search(r"VmHWM:\\s+(\\d+) kB", open("/proc/self/status").read())
print(peak[1], len(corpus.ids))
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="reads the peak from /proc")
def test_a_text_of_500_mb_is_encoded_in_300_mb(tmp_path):
    path = tmp_path / "big.txt"
    line = ("the quick brown fox jumps over the lazy dog 0123456789 é\n" * 17000)[
        : 10**6
    ]
    with path.open("w", encoding="utf-8") as file:
        for _ in range(500):
            file.write(line)
    done = subprocess.run(
        [sys.executable, "-c", ENCODE, str(path)], capture_output=True, text=True
    )
    kilobytes, length = map(int, done.stdout.split())
    assert length == 500 * len(line)
    assert kilobytes / 1024 < 300


def test_split_by_shares_and_by_sizes():
    assert split_slices(1_115_394, (0.9, 0.1))["valid"] == slice(1_003_854, 1_115_394)
    assert split_slices(1000, (0.7, 0.2, 0.1)) == {
        "train": slice(0, 700),
        "valid": slice(700, 900),
        "test": slice(900, 1000),
    }
    assert split_slices(100, (90, 4, 5))["test"] == slice(94, 99)
    assert split_slices(100, (1.0,))["valid"] == slice(100, 100)


@pytest.mark.parametrize(
    "split", [(), (0.9, 0.2), (90, 20), (-1, 5), (0, 1), ("a",), (0.1,) * 4, (True,)]
)
def test_splits_that_do_not_fit(split):
    with pytest.raises(UserError, match="data.split"):
        split_slices(100, split)


@given(
    length=st.integers(3, 200),
    batch_size=st.integers(1, 4),
    seq_length=st.integers(1, 7),
)
def test_streams_are_contiguous_and_lose_only_the_tail(length, batch_size, seq_length):
    ids = np.arange(length, dtype=np.uint8)
    if length < batch_size * seq_length + 1:
        with pytest.raises(UserError, match="lower batch_size"):
            Streams(ids, batch_size=batch_size, seq_length=seq_length)
        return
    streams = Streams(ids, batch_size=batch_size, seq_length=seq_length)
    epoch = [streams[i] for i in range(streams.steps_per_epoch)]
    read = np.concatenate([batch.inputs for batch in epoch])
    told = np.concatenate([batch.targets for batch in epoch])
    np.testing.assert_array_equal(told, read + 1)
    used = streams.steps_per_epoch * seq_length * batch_size
    np.testing.assert_array_equal(read.T.reshape(-1), ids[:used])
    assert length - used <= batch_size * seq_length
    again = streams[streams.steps_per_epoch]
    np.testing.assert_array_equal(again.inputs, epoch[0].inputs)


@pytest.mark.parametrize("i", [0, 1, 6, 7, 8, 1000])
def test_cutting_on_the_device_equals_cutting_on_the_host(i):
    ids = np.random.default_rng(0).integers(0, 99, 300, np.uint8)
    streams = Streams(ids, batch_size=5, seq_length=8, reset_probability=0.3, seed=4)
    host, device = streams[i], streams.device_batch(jnp.asarray(ids), jnp.int32(i))
    for a, b in zip(host, device, strict=True):
        np.testing.assert_array_equal(a, b)


def test_fresh_at_an_epochs_start_and_now_and_then():
    ids = np.zeros(4001, np.uint8)
    streams = Streams(ids, batch_size=20, seq_length=10, reset_probability=0.1)
    fresh = np.stack([streams[i].reset for i in range(3 * streams.steps_per_epoch)])
    assert fresh[:: streams.steps_per_epoch].all()
    share = np.delete(fresh, np.s_[:: streams.steps_per_epoch], axis=0).mean()
    assert 0.05 < share < 0.15
    never = Streams(ids, batch_size=20, seq_length=10)
    assert not any(never[i].reset.any() for i in range(1, never.steps_per_epoch))


def test_vocab_json_is_readable():
    assert json.loads(Vocab.of("ba").to_json()) == {
        "unit": "char",
        "symbols": ["a", "b"],
    }
