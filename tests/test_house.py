"""The house: which room may import which, and what is imported where."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

SOURCE = Path(__file__).parent.parent / "src" / "charlm"
# From the ground up; a room may import those on lower floors, and itself.
FLOORS = [
    {"errors", "version", "files"},
    {"data", "model"},
    {"corpora", "workdir"},
    {"generation", "evaluation"},
    {"interpret"},
    {"training"},
    {"cli"},
    {"train", "sample", "evaluate", "visualize", "corpora/__main__"},
]
FLOOR_OF = {room: floor for floor, rooms in enumerate(FLOORS) for room in rooms}
DOORS = {door.partition("/")[0] for door in FLOORS[-1]}
ALONE = {
    "flax": {"model/init.py"},
    "orbax": {"workdir/checkpoints.py"},
    "optax": {"training"},
    "absl": {"cli/app.py", *(f"{door}.py" for door in FLOORS[-1])},
    "ml_collections": {"train.py"},
    "requests": {"corpora/download.py", "corpora/essays.py"},
    "resiliparse": {"corpora/essays.py"},
    "h5py": {"interpret/viewer/lstmvis.py"},
}
FILES = sorted(SOURCE.rglob("*.py"))


def imports(path):
    """The module of every import in a file."""
    tree = ast.parse(path.read_text())
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
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


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(SOURCE)))
def test_files_are_one_idea(path):
    assert len(path.read_text().splitlines()) <= 270


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


def test_importing_charlm_is_cheap_and_opens_no_front_door():
    """No JAX, no front door; each public name is there when it is asked for."""
    code = (
        "import sys, charlm\n"
        "assert 'jax' not in sys.modules\n"
        "for name in charlm.__all__: assert getattr(charlm, name) is not None\n"
        f"doors = {{'charlm.' + n for n in {sorted(DOORS - {'corpora'})}}}\n"
        "assert not doors & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_every_module_can_be_imported_on_windows():
    """There, these modules and this signal are missing."""
    code = (
        "import importlib, pkgutil, signal, sys, charlm\n"
        "for name in ('fcntl', 'pwd', 'resource', 'termios'):\n"
        "    sys.modules[name] = None\n"
        "del signal.SIGHUP\n"
        "for module in pkgutil.walk_packages(charlm.__path__, 'charlm.'):\n"
        "    importlib.import_module(module.name)\n"
        "print(len([name for name in sys.modules if name.startswith('charlm')]))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)
    assert int(done.stdout) == len(FILES)


def test_public_names_are_sorted_and_few():
    import charlm

    assert charlm.__all__ == sorted(charlm.__all__, key=str)
    assert len(charlm.__all__) <= 24
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        charlm.nothing  # noqa: B018
