"""The notebooks and the live display of a run.

That the notebooks run as they are, in a clean kernel, is seen by
`pytest --nbmake notebooks`.
"""

import ast
import contextlib
import shutil
import sys
import types
import xml.etree.ElementTree as ElementTree

import jupyter_client.manager
import jupytext
import pytest
from conftest import ROOT, door, train_flags
from IPython.core.inputtransformer2 import TransformerManager

from charlm.api import load_model
from charlm.training import notebook
from charlm.training.notebook import Display, draw_curves

NOTEBOOKS = [ROOT / "notebooks" / f"{name}.ipynb" for name in ("sample", "train")]
SAMPLE, TRAIN = NOTEBOOKS
each = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


def cells(path):
    return [(cell.cell_type, cell.source) for cell in jupytext.read(path).cells]


@each
def test_the_two_forms_agree(path):
    assert cells(path) == cells(path.with_suffix(".py"))


@each
def test_it_holds_no_output(path):
    assert not any(cell.get("outputs") for cell in jupytext.read(path).cells)


def run_cells(path, **form):
    """Runs the code of a notebook, and returns the value that its last cell shows.

    A form is what a reader sets in its fields.
    """
    code = "\n".join(source for kind, source in cells(path) if kind == "code")
    *body, last = ast.parse(TransformerManager().transform_cell(code)).body
    for node in body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            name = node.targets[0].id
            if name in form:
                node.value = ast.copy_location(ast.Constant(form.pop(name)), node.value)
    assert isinstance(last, ast.Expr) and not form
    names = {}
    exec(compile(ast.Module(body, []), str(path), "exec"), names)
    return eval(compile(ast.Expression(last.value), str(path), "eval"), names)


def test_a_zipped_workdir(tmp_path, text_file, monkeypatch, capsys):
    done = door("train", *train_flags(text_file, tmp_path / "run"))
    assert done.returncode == 0, done.stderr
    shutil.make_archive(str(tmp_path / "run"), "zip", tmp_path, "run")
    monkeypatch.delenv("CHARLM_WORKDIR", raising=False)  # the zip beside it is found
    with contextlib.chdir(tmp_path):
        page = run_cells(SAMPLE, PROMPT="the ", TEMPERATURE=0, LENGTH=30, SEED=3)
    printed = capsys.readouterr().out
    model = load_model(tmp_path / "run")
    symbols = model.vocab.symbols
    text = "the " + model.generate("the ", length=30, temperature=0)
    assert f"{len(symbols)} symbols: {''.join(symbols)}\n{text}--- temp" in printed
    assert printed.count("--- temperature") == 5
    assert page._repr_html_().startswith("<iframe srcdoc=")


FIELDS = [(SAMPLE, "WORKDIR"), (TRAIN, "WORKDIR"), (TRAIN, "TEXT")]


@pytest.mark.parametrize("path, field", FIELDS)
def test_drive_is_mounted_for_a_path_on_it(monkeypatch, path, field):
    class Mounted(Exception):
        pass

    def mount(folder):
        raise Mounted(folder)  # the rest would write to it

    colab = types.ModuleType("google.colab")
    monkeypatch.setattr(
        colab, "drive", types.SimpleNamespace(mount=mount), raising=False
    )
    monkeypatch.setitem(sys.modules, "google.colab", colab)
    with pytest.raises(Mounted, match="^/content/drive$"):
        run_cells(path, **{field: "/content/drive/MyDrive/mine"})


@each
@pytest.mark.parametrize("wheels", [0, 2])
def test_where_charlm_comes_from(tmp_path, monkeypatch, path, wheels):
    """Without an address it is the newest wheel beside the notebook."""
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    for number in range(wheels):
        (tmp_path / f"charlm_jax-0.{number}.0-py3-none-any.whl").touch()
    kind, source = cells(path)[1]
    assert kind == "code" and source.endswith('\n    %pip install -q "{requirement}"')
    names = {}
    with contextlib.chdir(tmp_path):
        if not wheels:
            with pytest.raises(SystemExit, match="set REPOSITORY, or upload its wheel"):
                exec(source[: source.index("    %pip")], names)
            source = source.replace('REPOSITORY = ""', 'REPOSITORY = "git+address"')
        exec(source[: source.index("    %pip")], names)
    expected = "charlm_jax-0.1.0-py3-none-any.whl" if wheels else "git+address"
    assert names["requirement"] == expected


def make_record(step, nats, split: object = "train"):
    return {"step": step, "split": split, "nats_per_char": nats}


@pytest.fixture
def clock(monkeypatch):
    """What time.perf_counter returns in a display: clock[0]."""
    now = [0.0]
    monkeypatch.setattr(notebook.time, "perf_counter", lambda: now[0])
    return now


@pytest.fixture
def shown():
    """The (text, HTML) that a display has shown."""
    return []


@pytest.fixture
def display(shown, clock):
    return Display(lambda *page: shown.append(page), [])


def parse(page):
    """The HTML as XML, which it also is."""
    return ElementTree.fromstring(f"<body>{page}</body>")


def test_it_shows_progress_curves_and_the_latest_sample(display, shown, clock):
    display.tick(10, 1000, 2.0, 81_000.0)
    clock[0] += 1
    display.record(make_record(10, 2.25))
    display.record(make_record(10, 2.5, "valid"))
    display.sample("=== step 10 ===", "an old one")
    display.sample("=== step 10 ===", "if a<b & b>c:\n    <script>x</script>")
    clock[0] += 9
    display.tick(20, 1000, 1.5, 81_000.0)
    text, page = shown[-1]
    line = "1.500 nats/char  2.164 bits/char  81.0k chars/s  16:20 left"
    sample = "if a<b & b>c:\n    <script>x</script>"
    assert text.splitlines()[:2] == [
        f"step 20/1,000  {line}",
        "validation 2.5000 nats/char at step 10",
    ]
    assert text.endswith(f"=== step 10 ===\n{sample}")
    body = parse(page)
    assert body.findtext("pre") == sample and body.find(".//script") is None
    assert [div.text for div in body.findall("div")] == [
        f"step 20/1,000  {line}",
        "=== step 10 ===",
    ]
    labels = [label.text for label in body.iterfind("svg//text")]
    assert {"train 2.2500", "valid 2.5000", "2.25", "2.50", "1,000"} <= set(labels)


def test_it_is_updated_a_few_times_a_second_and_at_the_end(display, shown, clock):
    for step in range(1, 1001):  # of a millisecond each
        clock[0] = step / 1000
        display.tick(step, 1000, 2.0, 1.0)
        display.record(make_record(step, 2.0))
        display.sample(f"{step}", "text")
    assert 3 <= len(shown) <= 5
    display.close()
    assert shown[-1][0].startswith("step 1,000/1,000") and "1000\ntext" in shown[-1][0]
    count = len(shown)
    display.close()
    assert len(shown) == count


def test_nothing_is_shown_of_a_run_that_does_nothing(shown):
    display = Display(lambda *page: shown.append(page), [make_record(10, 2.0)])
    display.close()
    assert not shown


def read_points(page, split):
    """The points of a curve in a page; [] where it has none."""
    color = notebook.COLORS[split]
    found = parse(page).findall(f"svg/g[@stroke='{color}']/polyline")
    pairs = " ".join(line.get("points", "") for line in found).split()
    return [tuple(map(float, pair.split(","))) for pair in pairs]


def test_a_resumed_run_goes_on_with_its_curves(shown, clock):
    """A record of a step that is done again takes the old one's place."""
    before = [make_record(step, 4.0 - step / 100) for step in (100, 200, 300)]
    others = [{"step": 3}, make_record(3, None), make_record(3, "x"), make_record(3, 1)]
    others += [make_record(3, 1.0, split) for split in ("skipped", ["train"], None)]
    display = Display(lambda *page: shown.append(page), [*before, *others])
    display.tick(200, 400, 2.0, 1.0)
    clock[0] += 1
    display.record(make_record(200, 1.0))
    middle = (notebook.LEFT + notebook.RIGHT) / 2
    points = read_points(shown[-1][1], "train")
    assert len(points) == 2 and points[-1] == (middle, notebook.BOTTOM)
    clock[0] += 1
    display.record(make_record(300, float("nan")))
    assert "train 1.0000" in shown[-1][1] and "nan" not in shown[-1][1]


def test_long_and_short_curves_fit_in_the_picture():
    assert draw_curves({"train": [], "valid": []}, 10) == ""
    long = [(step, 5.0 - step / 5000) for step in range(1, 20_001)]
    svg = draw_curves({"train": long, "valid": [(20_000, 7.0)]}, 10)
    points = read_points(svg, "train")
    assert len(points) <= notebook.MAX_POINTS + 1 and len(svg) < 10_000
    assert points[-1] == (notebook.RIGHT, notebook.BOTTOM)
    assert read_points(svg, "valid") == [(notebook.RIGHT, notebook.TOP)]
    for x, y in points:
        assert notebook.LEFT <= x <= notebook.RIGHT
        assert notebook.TOP <= y <= notebook.BOTTOM
    assert read_points(draw_curves({"train": [(5, 2.0)]}, 10), "train")


CELL = """
import charlm
model = charlm.fit(
    "text.txt", "run", layers=1, features=16, batch_size=4, seq_length=10,
    steps=1_000_000, log_every=20, eval_every=50, sample_every=50, sample_length=30,
)
"""


@pytest.fixture
def kernel(tmp_path):
    """A kernel in a folder with a text: (manager, client)."""
    manager, client = jupyter_client.manager.start_new_kernel(cwd=str(tmp_path))
    yield manager, client
    client.stop_channels()
    manager.shutdown_kernel(now=True)


def run_until_sampled(kernel, code):
    """Runs a cell, interrupts it once it shows a sample; returns its messages."""
    manager, client = kernel
    parent, messages, is_stopped = client.execute(code), [], False
    for _ in range(1000):
        message = client.get_iopub_msg(timeout=120)
        if message["parent_header"].get("msg_id") != parent:
            continue
        messages.append(message)
        content = message["content"]
        if content.get("execution_state") == "idle":
            return messages
        text = content.get("data", {}).get("text/plain", "")
        if "=== step" in text and not is_stopped:
            manager.interrupt_kernel()
            is_stopped = True
    pytest.fail("the cell does not end")


def test_in_a_kernel_one_display_is_updated_and_an_interrupted_cell_goes_on(
    kernel, tmp_path, text_file
):
    for run in range(2):
        messages = run_until_sampled(kernel, CELL)
        assert not [m for m in messages if m["msg_type"] == "error"]
        shown = [m["content"] for m in messages if "display" in m["msg_type"]]
        kinds = [m["msg_type"] for m in messages if "display" in m["msg_type"]]
        assert kinds[0] == "display_data" and len(kinds) > 1
        assert set(kinds[1:]) == {"update_display_data"}
        assert len({content["transient"]["display_id"] for content in shown}) == 1
        # The losses of before are in it from the beginning.
        first, last = shown[0]["data"], shown[-1]["data"]
        assert (parse(first["text/html"]).find("svg") is not None) == bool(run)
        samples = (tmp_path / "run" / "samples.txt").read_text()
        title, sample = last["text/plain"].partition("=== step")[1:]
        assert (title + sample).rstrip() in samples
        body = parse(last["text/html"])
        assert body.findtext("pre") in samples
        assert body.find("svg//polyline") is not None
        printed = "".join(
            m["content"]["text"] for m in messages if m["msg_type"] == "stream"
        )
        assert "the same call" in printed
        assert ("resumed from step" in printed) == bool(run)
