"""Gives random inputs to the functions that read files and configs.

Each input is read as what it is, or refused in one line.
"""

import io
import json
import random
import tarfile
import tempfile
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import hypothesis
from hypothesis import strategies as st

from charlm.errors import UserError
from experiments.faults.children import Child
from experiments.faults.outcome import BUG, IDENTICAL, REFUSED, Tally, copy_folder
from experiments.faults.plans import Plan, make_options, write_text

ODD_VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.sampled_from([-1, 0, 1, 2**31, 2**63, 10**30, -(10**30)]),
    st.floats(),
    st.text(max_size=8),
    st.just("x" * 10_000),
)
JSON = st.recursive(
    ODD_VALUES,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(max_size=6), inner, max_size=4)
    ),
    max_leaves=8,
)
# An input's strategy, and a function that reads an input: it raises UserError to refuse
# it; any other exception is a bug.
Target = tuple[st.SearchStrategy, Callable[[Any], None]]


def mutate(data: bytes) -> st.SearchStrategy[bytes]:
    """Returns `data` with a part of it replaced, removed or moved."""

    def change(place, length, insertion):
        start = place % (len(data) + 1)
        return data[:start] + insertion + data[start + length :]

    return st.builds(
        change, st.integers(0, 1 << 20), st.integers(0, 40), st.binary(max_size=12)
    )


def replace_value(record: dict[str, Any]) -> st.SearchStrategy[dict[str, Any]]:
    """Returns `record` with one value, at any depth, replaced or removed."""
    paths = list(_list_paths(record))

    def change(path, value, remove):
        copy = json.loads(json.dumps(record))
        inner = _get_value(copy, path[:-1])
        if remove and isinstance(inner, dict):
            del inner[path[-1]]
        else:
            inner[path[-1]] = value
        return copy

    return st.builds(change, st.sampled_from(paths), JSON, st.booleans())


def _list_paths(value, path=()):
    if path:
        yield path
    items = value.items() if isinstance(value, dict) else ()
    for key, inner in items or enumerate(value if isinstance(value, list) else ()):
        yield from _list_paths(inner, (*path, key))


def _get_value(record, path):
    for key in path:
        record = record[key]
    return record


def run_checks(
    times: int, seed: int, strategy: st.SearchStrategy, check: Callable[[Any], None]
) -> str:
    """Runs a check on random inputs.

    Args:
      times: how many inputs.
      seed: of their draws.
      strategy: of the inputs.
      check: see Target.

    Returns:
      JSON with the counts of outcomes, and the first failure in words or "".
    """
    counts = {IDENTICAL: 0, REFUSED: 0}

    @hypothesis.seed(seed)
    @hypothesis.settings(
        max_examples=times,
        database=None,
        deadline=None,
        phases=[hypothesis.Phase.generate, hypothesis.Phase.shrink],
        suppress_health_check=hypothesis.HealthCheck.all(),
    )
    @hypothesis.given(strategy)
    def check_all(value):
        try:
            check(value)
            counts[IDENTICAL] += 1
        except UserError as error:
            assert str(error).strip(), "the message is empty"
            counts[REFUSED] += 1

    failure = ""
    try:
        check_all()
    except Exception as error:  # any exception is a bug
        first = error.exceptions[0] if isinstance(error, ExceptionGroup) else error
        notes = " ".join(getattr(first, "__notes__", []))
        failure = f"{type(first).__name__}: {first} {notes}"[:600]
    return json.dumps({"counts": counts, "failed": failure})


def make_vocabularies(folder: Path) -> Target:
    from charlm.data.vocab import Vocab

    good = Vocab.of("the cat sat é").to_json().encode()

    def check(data):
        vocab = Vocab.from_json(data.decode("utf-8", "surrogateescape"))
        assert Vocab.from_json(vocab.to_json()) == vocab

    texts = JSON.map(lambda value: json.dumps(value).encode())
    return st.one_of(mutate(good), texts, st.binary(max_size=60)), check


def make_texts(folder: Path) -> Target:
    from charlm.data.corpus import open_corpus

    path = folder / "any.txt"

    def check(value):
        data, unit, encoding = value
        path.write_bytes(data)
        with tempfile.TemporaryDirectory(dir=folder) as cache:
            corpus = open_corpus(path, unit=unit, encoding=encoding, cache=cache)
            if unit == "byte":
                assert corpus.vocab.decode_bytes(corpus.ids) == data
            else:
                text = data.decode(encoding).removeprefix("\ufeff")
                assert corpus.vocab.decode(corpus.ids) == text

    encodings = st.sampled_from(
        ["utf-8", "latin-1", "utf-16", "gb18030", "base64", "", "utf-8\0", "idna"]
    )
    data = st.binary(max_size=60) | st.text(max_size=30).map(
        lambda text: text.encode("utf-8", "surrogatepass")
    )
    return st.tuples(data, st.sampled_from(["char", "byte"]), encodings), check


def make_metrics(folder: Path) -> Target:
    from charlm.workdir.metrics import FILE, read_metrics, truncate

    lines = [json.dumps({"step": n, "split": "train", "x": n / 7}) for n in range(6)]
    path = folder / FILE

    def check(data):
        path.write_bytes(data)
        records = read_metrics(folder)
        assert all(type(record["step"]) is int for record in records)
        truncate(path, 3)
        left = read_metrics(folder)
        later = [n for n, record in enumerate(records) if record["step"] > 3]
        kept = records[: later[0]] if later else records
        # A last line without its end goes too: it may be broken off.
        assert left in (kept, kept[:-1])

    good = "\n".join(lines).encode()
    return mutate(good) | st.binary(max_size=80), check


def make_configs(folder: Path) -> Target:
    from charlm.workdir import model_files

    path = folder / "run" / model_files.CONFIG
    good = json.loads(path.read_bytes())

    def check(value):
        data = value if isinstance(value, bytes) else json.dumps(value).encode()
        path.write_bytes(data)
        model_files.load(folder / "run", "best")

    return replace_value(good) | mutate(json.dumps(good).encode()) | JSON, check


def make_options_inputs(folder: Path) -> Target:
    from charlm.config import RunConfig
    from charlm.training.build import build_run

    good = json.loads((folder / "run" / "config.json").read_bytes())
    # Options, not the elements of their values.
    paths = [p for p in _list_paths(good) if all(isinstance(key, str) for key in p)]
    paths = [p for p in paths if not isinstance(_get_value(good, p), dict)]

    def get_same_type(value):
        match value:
            case bool():
                return st.booleans()
            case int():
                return st.integers() | st.sampled_from([-1, 0, 2**31, 2**63, 10**30])
            case float():
                return st.floats()
            case str():
                return st.text(max_size=8)
        return st.lists(st.floats() | st.integers(), max_size=4)

    def check(changes):
        copy = json.loads(json.dumps(good))
        for path, value in changes:
            _get_value(copy, path[:-1])[path[-1]] = value
        assert build_run(RunConfig.from_dict(copy)).steps > 0

    change = st.sampled_from(paths).flatmap(
        lambda path: st.tuples(st.just(path), get_same_type(_get_value(good, path)))
    )
    return st.lists(change, min_size=1, max_size=2), check


def make_notes(folder: Path) -> Target:
    """Returns the metadata of a checkpoint as a stranger may have written it."""
    from charlm.files import write_checksums
    from charlm.training.resume import check_resumable
    from charlm.workdir import model_files
    from charlm.workdir.metadata import FOLDER, METADATA, list_steps

    step = list_steps(folder / "run" / FOLDER)[-1]
    path = folder / "run" / FOLDER / str(step) / METADATA
    good = json.loads(path.read_bytes())

    def check(value):
        path.write_text(json.dumps(value))
        write_checksums(path.parent)
        model_files.load(folder / "run", "best")
        check_resumable(folder / "run", "")

    return replace_value(good), check


def make_archives(folder: Path) -> Target:
    from charlm.corpora.archive import join

    tar, packed = io.BytesIO(), io.BytesIO()
    with tarfile.open(fileobj=tar, mode="w:gz") as file:
        for name in ("a/b.c", "../c.c", "d.h"):
            info = tarfile.TarInfo(name)
            info.size = 300
            file.addfile(info, io.BytesIO(name.encode() * 100))
    with zipfile.ZipFile(packed, "w") as file:
        file.writestr("a.c", "int x;\n" * 40)
    path, target = folder / "archive", folder / "joined"

    def check(data):
        path.write_bytes(data)
        target.unlink(missing_ok=True)
        join(path, target, keep=lambda name: True, max_bytes=1 << 20)
        assert target.stat().st_size <= 1 << 20

    return mutate(tar.getvalue()) | mutate(packed.getvalue()), check


# The share of all inputs that each target has.
TARGETS = {
    "vocabularies": (make_vocabularies, 0.25),
    "texts": (make_texts, 0.2),
    "metrics": (make_metrics, 0.2),
    "configs": (make_configs, 0.1),
    "options": (make_options_inputs, 0.1),
    "notes": (make_notes, 0.05),
    "archives": (make_archives, 0.1),
}


def fuzz(times: int, rng: random.Random, folder: Path) -> Tally:
    """Gives random inputs to every target."""
    tally = Tally("fuzzed inputs")
    plan = Plan(write_text(folder / "text.txt", 2000), make_options(10, 20, 20))
    plan.train(folder / "trained")
    for name, (make_target, share) in TARGETS.items():
        target_folder = folder / name
        target_folder.mkdir()
        copy_folder(folder / "trained", target_folder / "run")

        def main(make_target=make_target, share=share, target_folder=target_folder):
            warnings.simplefilter("ignore")
            strategy, check = make_target(target_folder)
            seed = rng.randrange(1 << 30)
            print("\n" + run_checks(max(1, int(times * share)), seed, strategy, check))

        end = Child(main).wait(timeout=1800)
        try:
            report = json.loads(end.out.splitlines()[-1])
        except (ValueError, IndexError):
            tally.add(f"{BUG}: {end.status} {end.err[-400:]}", name)
            continue
        tally.counts.update(report["counts"])
        if report["failed"]:
            tally.add(f"{BUG}: {report['failed']}", name)
    return tally
