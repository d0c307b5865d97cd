"""The house: which room may import which, and what is imported where."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

SOURCE = Path(__file__).parent.parent / "src" / "charlm"
# From the ground up; a room may import those on lower floors, and itself.
FLOORS = [
    {"errors", "version"},
    {"files"},
    {"options", "synonyms"},
    {"config"},
    {"presets"},
    {"data", "model"},
    {"corpora", "workdir"},
    {"generation", "evaluation"},
    {"interpret"},
    {"training"},
    {"api"},
    {"cli"},
    {
        *("train", "sample", "write", "evaluate", "visualize", "curve", "configs"),
        *("completion", "corpora/__main__", "__main__"),
    },
]
FLOOR_OF = {room: floor for floor, rooms in enumerate(FLOORS) for room in rooms}
DOORS = {door.partition("/")[0] for door in FLOORS[-1]}
ALONE = {
    "flax": {"model/parameters.py", "model/flax.py"},
    "orbax": {"workdir/checkpoints.py"},
    "optax": {"training", "api"},
    "absl": {"cli/app.py", *(f"{door}.py" for door in FLOORS[-1])},
    "ml_collections": {"config", "presets", "api", "train.py", "cli/configs.py"},
    "prompt_toolkit": {"cli"},
    "requests": {"corpora/download.py", "corpora/essays.py"},
    "resiliparse": {"corpora/essays.py"},
}
FILES = sorted(SOURCE.rglob("*.py"))


def imports(path):
    """The module of every import in a file."""
    tree = ast.parse(path.read_text())
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            assert node.module, f"{path}: import by the full name"
            yield node.module
        elif isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name


def room_of(path):
    parts = path.relative_to(SOURCE).with_suffix("").parts
    return "/".join(parts) if parts[-1] == "__main__" else parts[0]


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(SOURCE)))
def test_rooms_import_downward_only(path):
    room = room_of(path)
    if room == "__init__":
        return
    assert room in FLOOR_OF, f"say in FLOORS where {room} stands"
    for module in imports(path):
        top, *rest = module.split(".")
        assert module != "charlm", f"{path.name}: import from the room, not the house"
        if top == "charlm":
            other = rest[0]
            lower = FLOOR_OF[other] < FLOOR_OF[room] or other == room
            assert lower, f"{path.name} imports {module}, which is not below {room}"
        if top in ALONE:
            here = str(path.relative_to(SOURCE))
            assert {here, room} & ALONE[top], f"{here} imports {top}"


def list_functions():
    """Yields (file, the names around it, the node) of every function."""
    for path in FILES:
        tree = ast.parse(path.read_text())
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef):
                yield path.relative_to(SOURCE), node


def test_functions_fit_on_a_screen_and_take_few_parameters():
    for path, node in list_functions():
        lines = (node.end_lineno or 0) - node.lineno + 1
        assert lines <= 100, f"{path}: {node.name} has {lines} lines"
        names = [a.arg for a in (*node.args.args, *node.args.kwonlyargs)]
        count = len([name for name in names if name not in ("self", "cls")])
        public = not node.name.startswith("_")
        assert count <= 10 or not public, f"{path}: {node.name} takes {count}"


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(SOURCE)))
def test_nothing_that_is_read_is_run(path):
    """No pickle, and no code made of text: a workdir may come from a stranger."""
    assert not {"pickle", "marshal", "shelve", "dill", "joblib"} & set(imports(path))
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call):
            name = getattr(node.func, "id", getattr(node.func, "attr", ""))
            assert name not in {"eval", "exec", "__import__"}, f"line {node.lineno}"
            if name == "load":  # NumPy's unpickles unless it is told not to
                given = {word.arg: ast.unparse(word.value) for word in node.keywords}
                numpy = ast.unparse(node.func).startswith("np.")
                assert not numpy or given.get("allow_pickle") == "False"


def test_importing_charlm_is_cheap():
    """Neither JAX nor a front door is imported, and yet the names can be listed."""
    code = (
        "import sys, charlm\n"
        "assert 'jax' not in sys.modules\n"
        "assert set(charlm.__all__) <= set(dir(charlm)) and 'fit' in dir(charlm)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("system", ["windows", "macos"])
def test_every_module_can_be_imported_on(system):
    code = (
        "import importlib, sys\n"
        "sys.path.insert(0, sys.argv[1])\n"
        "import other_systems\n"
        f"other_systems.become_{system}()\n"
        f"for module in {list_modules()}:\n"
        "    importlib.import_module(module.removesuffix('.__init__'))\n"
    )
    subprocess.run([sys.executable, "-c", code, Path(__file__).parent], check=True)


# What opens no text: a descriptor, archives; functions of ours, which read bytes.
NOT_TEXT = {"os.open", "tarfile.open", "packed.open", "read_text", "write_text"}
NOT_TEXT |= {"trained.read_text"}


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(SOURCE)))
def test_every_text_file_names_its_encoding_and_its_line_ends(path):
    """Where nothing is said, Windows has cp1252, and writes \\r\\n for \\n."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if not isinstance(node, ast.Call):
            continue
        name = ast.unparse(node.func)
        if name not in NOT_TEXT and not is_text_call_complete(name, node):
            pytest.fail(f"line {node.lineno}: name the encoding, and newline=")


def is_text_call_complete(name, node):
    """Returns whether a call that may open a text says all that it has to."""
    kind = name.rpartition(".")[2]
    if kind not in ("open", "fdopen", "read_text", "write_text"):
        return True
    given = {word.arg for word in node.keywords}
    words = [ast.unparse(word) for word in node.args]
    if kind in ("open", "fdopen"):
        place = 0 if "." in name else 1
        mode = (words[place : place + 1] or ["'r'"])[0]
        if "b" in mode:
            return True
    else:
        mode = "w" if kind == "write_text" else "r"
    is_named = "encoding" in given or (kind == "read_text" and bool(words))
    is_written = set(mode) & set("wax") and "os.devnull" not in words
    return is_named and (not is_written or "newline" in given)


@pytest.mark.parametrize(
    "code, complete",
    [
        ("path.read_text()", False),
        ("path.read_text('utf-8')", True),
        ("path.write_text(text, encoding='utf-8')", False),
        ("path.write_text(text, encoding='utf-8', newline='')", True),
        ("open(path)", False),
        ("open(path, 'rb')", True),
        ("path.open('ab')", True),
        ("path.open('a', encoding='utf-8')", False),
        ("path.open(encoding='utf-8')", True),
    ],
)
def test_the_rule_for_text_files_sees_what_is_missing(code, complete):
    node = ast.parse(code, mode="eval").body
    assert isinstance(node, ast.Call)
    assert is_text_call_complete(ast.unparse(node.func), node) == complete


def list_modules():
    """Returns every module of the package by its name."""
    names = (path.relative_to(SOURCE).with_suffix("").parts for path in FILES)
    return sorted(".".join(("charlm", *parts)) for parts in names)


def test_public_names_stay_what_they_are_after_every_submodule_is_imported():
    """Python sets a submodule as an attribute of its package, over any other name."""
    code = (
        "import importlib, types, charlm\n"
        "before = {name: getattr(charlm, name) for name in charlm.__all__}\n"
        f"for module in {list_modules()}:\n"
        "    importlib.import_module(module.removesuffix('.__init__'))\n"
        "for name, value in before.items():\n"
        "    assert getattr(charlm, name) is value, name\n"
        "    assert not isinstance(value, types.ModuleType), name\n"
        "    module = isinstance(value, tuple) or callable(value)\n"
        "    assert module, name\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_each_public_name_is_written_once():
    import charlm

    stub = (SOURCE / "__init__.pyi").read_text()
    names = re.findall(r"import \w+ as (\w+)$", stub, re.MULTILINE)
    assert sorted(names) == sorted(dir(charlm)) and len(set(names)) == len(names)
    assert (SOURCE / "py.typed").exists()
    with pytest.raises(AttributeError, match="nothing"):
        getattr(charlm, "nothing")  # noqa: B009
