"""Inputs that nobody meant: each is taken for what it is, or refused in one line."""

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
from doors import Child, run
from hypothesis import strategies as st
from outcome import BUG, IDENTICAL, REFUSED, Tally, is_one_line
from plans import Plan, every, made_text

from charlm.errors import UserError

ODD = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.sampled_from([-1, 0, 1, 2**31, 2**63, 10**30, -(10**30)]),
    st.floats(),
    st.text(max_size=8),
    st.just("x" * 10_000),
)
JSON = st.recursive(
    ODD,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(max_size=6), inner, max_size=4)
    ),
    max_leaves=8,
)


def mutated(data: bytes) -> st.SearchStrategy[bytes]:
    """`data` with a stretch of it replaced, taken out, or said twice."""

    def change(place, length, what):
        start = place % (len(data) + 1)
        return data[:start] + what + data[start + length :]

    return st.builds(
        change, st.integers(0, 1 << 20), st.integers(0, 40), st.binary(max_size=12)
    )


def replaced(record: dict[str, Any]) -> st.SearchStrategy[dict[str, Any]]:
    """`record` with one value, at any depth, replaced by an odd one, or gone."""
    paths = list(_paths(record))

    def change(path, value, gone):
        copy = json.loads(json.dumps(record))
        inner = copy
        for key in path[:-1]:
            inner = inner[key]
        if gone and isinstance(inner, dict):
            del inner[path[-1]]
        else:
            inner[path[-1]] = value
        return copy

    return st.builds(change, st.sampled_from(paths), JSON, st.booleans())


def _paths(value, path=()):
    if path:
        yield path
    items = value.items() if isinstance(value, dict) else ()
    for key, inner in items or enumerate(value if isinstance(value, list) else ()):
        yield from _paths(inner, (*path, key))


def tried(times: int, seed: int, strategy, check: Callable[[Any], None]) -> str:
    """Runs `check` on `times` inputs: "" or how the first that failed did, as JSON."""
    counts = {IDENTICAL: 0, REFUSED: 0}

    @hypothesis.seed(seed)
    @hypothesis.settings(
        max_examples=times,
        database=None,
        deadline=None,
        phases=[hypothesis.Phase.generate, hypothesis.Phase.shrink],
        suppress_health_check=list(hypothesis.HealthCheck),
    )
    @hypothesis.given(strategy)
    def one(value):
        try:
            check(value)
            counts[IDENTICAL] += 1
        except UserError as error:
            assert str(error).strip(), "it says nothing"
            counts[REFUSED] += 1

    failed = ""
    try:
        one()
    except Exception as error:  # whatever it is, it is a bug
        first = error.exceptions[0] if isinstance(error, ExceptionGroup) else error
        told = " ".join(getattr(first, "__notes__", []))
        failed = f"{type(first).__name__}: {first} {told}"[:600]
    return json.dumps({"counts": counts, "failed": failed})


def vocabularies(folder: Path):
    from charlm.data.vocab import Vocab

    good = Vocab.of("the cat sat é").to_json().encode()

    def check(data):
        vocab = Vocab.from_json(data.decode("utf-8", "surrogateescape"))
        assert Vocab.from_json(vocab.to_json()) == vocab

    texts = JSON.map(lambda value: json.dumps(value).encode())
    return st.one_of(mutated(good), texts, st.binary(max_size=60)), check


def texts(folder: Path):
    from charlm.data.corpus import open_corpus

    path = folder / "any.txt"

    def check(given):
        data, unit, encoding = given
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


def metrics(folder: Path):
    from charlm.workdir.metrics import FILE, cut_back, read_metrics

    lines = [json.dumps({"step": n, "split": "train", "x": n / 7}) for n in range(6)]
    path = folder / FILE

    def check(data):
        path.write_bytes(data)
        records = read_metrics(folder)
        assert all(type(record["step"]) is int for record in records)
        cut_back(path, 3)
        left = read_metrics(folder)
        assert left == [record for record in records if record["step"] <= 3]

    good = "\n".join(lines).encode()
    return mutated(good) | st.binary(max_size=80), check


def configs(folder: Path):
    from charlm.workdir import model_files

    good = json.loads((folder / "run" / model_files.CONFIG).read_bytes())
    good.pop("sha256")  # as of a stranger, who seals what they like
    path = folder / "run" / model_files.CONFIG

    def check(value):
        data = value if isinstance(value, bytes) else json.dumps(value).encode()
        path.write_bytes(data)
        model_files.load(folder / "run", "best")

    return replaced(good) | mutated(json.dumps(good).encode()) | JSON, check


def knobs(folder: Path):
    from charlm.training.build import assemble

    good = json.loads((folder / "run" / "config.json").read_bytes())
    good.pop("sha256")
    typed = [path for path in _paths(good) if not isinstance(_at(good, path), dict)]

    def like(value):
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

    def check(given):
        copy = json.loads(json.dumps(good))
        for path, value in given:
            _at(copy, path[:-1])[path[-1]] = value
        made = assemble(copy)
        assert made.steps > 0

    one = st.sampled_from(typed).flatmap(
        lambda path: st.tuples(st.just(path), like(_at(good, path)))
    )
    return st.lists(one, min_size=1, max_size=2), check


def _at(record, path):
    for key in path:
        record = record[key]
    return record


def notes(folder: Path):
    """What is kept beside the arrays, as a stranger may have written it."""
    from charlm.files import write_checksums
    from charlm.training.loop import check_resumable
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

    return replaced(good), check


def archives(folder: Path):
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

    return mutated(tar.getvalue()) | mutated(packed.getvalue()), check


TARGETS = {
    "vocabularies": (vocabularies, 0.25),
    "texts": (texts, 0.2),
    "metrics": (metrics, 0.2),
    "configs": (configs, 0.1),
    "knobs": (knobs, 0.1),
    "notes": (notes, 0.05),
    "archives": (archives, 0.1),
}


def fuzz(times: int, draw: random.Random, folder: Path) -> Tally:
    """Inputs to what reads files and configs."""
    tally = Tally("fuzzed inputs")
    plan = Plan(made_text(folder / "text.txt", 2000), every(10, 20, 20))
    for name, (target, share) in TARGETS.items():
        here = folder / name
        here.mkdir()
        plan.train(here / "run")

        def main(target=target, share=share, here=here):
            warnings.simplefilter("ignore")
            strategy, check = target(here)
            seed = draw.randrange(1 << 30)
            print("\n" + tried(max(1, int(times * share)), seed, strategy, check))

        done = Child(main).wait(patience=1800)
        try:
            told = json.loads(done.out.splitlines()[-1])
        except (ValueError, IndexError):
            tally.add(f"{BUG}: {done.status} {done.err[-400:]}", name)
            continue
        tally.counts.update(told["counts"])
        if told["failed"]:
            tally.add(f"{BUG}: {told['failed']}", name)
    return tally


FLAGS = [
    "--config={}", "--workdir={}", "--config.model.features={}",
    "--config.model.layers={}", "--config.model.cell={}", "--config.model.dropout={}",
    "--config.train.steps={}", "--config.train.batch_size={}",
    "--config.train.seq_length={}", "--config.train.log_every={}",
    "--config.data.path={}", "--config.data.split={}", "--config.data.encoding={}",
    "--config.optim.learning_rate={}", "--config.optim.clip={}", "--config.seed={}",
    "--config.{}=1", "--{}", "{}", "--other_text={}", "--nothing={}",
]  # fmt: skip
READING = [
    "--workdir={}", "--checkpoint={}", "--length={}", "--temperature={}", "--top_k={}",
    "--top_p={}", "--prompt={}", "--prompt_file={}", "--seed={}", "--samples={}",
    "--stop={}", "--json={}", "--split={}", "--text={}", "--streams={}", "--window={}",
    "--{}", "{}",
]  # fmt: skip
WORDS = [
    "", "0", "1", "-1", "3", "nan", "inf", "-inf", "1e999", "0.5", "true", "None", "é",
    "\ud83d", "a b", "=", "--", "/", "/dev/null", ".", "..", "(0.5,0.5)", "()", "[1]",
    "list", "fetch", "path", "best", "latest", "1" + "0" * 20, "\x01", "x" * 999,
]  # fmt: skip


def fuzz_doors(times: int, draw: random.Random, folder: Path) -> Tally:
    """Odd flags to every front door."""
    tally = Tally("odd flags")
    plan = Plan(made_text(folder / "text.txt", 2000), every(10, 20, 20))
    source = folder / "run"
    plan.train(source)
    for n in range(times):
        name = draw.choice(["train", "sample", "evaluate", "corpora"])
        base = {
            "train": plan.flags(folder / f"run-{n}"),
            "sample": [f"--workdir={source}", "--length=20"],
            "evaluate": [f"--workdir={source}"],
            "corpora": [],
        }[name]
        forms = FLAGS if name == "train" else READING
        count = draw.choice([1, 1, 2])
        odd = [draw.choice(forms).format(draw.choice(WORDS)) for _ in range(count)]
        odd = [flag.encode("utf-8", "surrogatepass").decode("utf-8", "surrogateescape")
               for flag in odd]  # fmt: skip
        done = run(name, *base, *odd)
        what = f"{name} {' '.join(odd)!r}"
        if done.status == 0 and "Traceback" not in done.err:
            tally.add(IDENTICAL)
        else:
            good = is_one_line(done)
            tally.add(
                REFUSED if good else f"{BUG}: {done.status} {done.err[-400:]}", what
            )
    return tally
