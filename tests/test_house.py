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


def test_every_module_can_be_imported_on_windows():
    """There, these modules and this signal are missing."""
    code = (
        "import importlib, signal, sys\n"
        "for name in ('fcntl', 'pwd', 'resource', 'termios'):\n"
        "    sys.modules[name] = None\n"
        "del signal.SIGHUP\n"
        f"for module in {list_modules()}:\n"
        "    importlib.import_module(module.removesuffix('.__init__'))\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


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
