"""The configs that come with charlm, and a user's own, by name or by path."""

import dataclasses
import importlib
import importlib.util
import os
import sys
import traceback
import types
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import ml_collections

from charlm.errors import UserError
from charlm.files import local_path
from charlm.presets import fill_defaults
from charlm.synonyms import find_similar

PACKAGE = Path(__file__).parents[1]
# A wheel has them in the package; a checkout, at its top.
FOLDERS = (PACKAGE / "_configs", PACKAGE.parents[1] / "configs")


def get_folder() -> Path:
    """Returns the folder of the configs that came with charlm."""
    return next(folder for folder in FOLDERS if folder.is_dir())


def list_configs() -> dict[str, Path]:
    """Returns the configs that came with charlm, by name."""
    return {path.stem: path for path in sorted(get_folder().glob("*.py"))}


def find_config(word: str) -> tuple[Path, str]:
    """Returns the file and the variant of "linux:small" or "my/config.py:small".

    A word with no slash and no .py at its end is the name of a config that came with
    charlm. So is configs/NAME.py where there is no such file.
    """
    where, variant = word, ""
    if not Path(local_path(word)).is_file():
        drive, path = os.path.splitdrive(word)  # C: on Windows, elsewhere none
        where, _, variant = path.partition(":")
        where = drive + where
    path, ours = Path(local_path(where)), list_configs()
    is_name = path.name == where and path.suffix != ".py"
    if not path.exists() and (is_name or path.parent == Path("configs")):
        path = ours.get(path.stem, path)
    if is_name and path.name == where and not path.is_file():
        near = find_similar(where, ours)
        hint = f"did you mean {near}?" if near else f"choose one of {', '.join(ours)}"
        raise UserError(f"there is no config {where}; {hint}, or give a file's path")
    if not path.is_file():
        raise UserError(f"{path} cannot be read; is that the config's path?")
    return path, variant


def load_config(path: Path, variant: str = "") -> ml_collections.ConfigDict:
    """Returns the config of a file; what it leaves out has its default.

    The file is the user's own code and is run, with its `get_config()`, or with a
    variant `get_config(variant)`. Whatever it raises becomes a UserError.
    """
    module = load_module(path)
    try:
        values = module.get_config(variant) if variant else module.get_config()
    except Exception as error:
        raise _explain(error, path) from error
    if isinstance(values, ml_collections.ConfigDict):
        values = values.to_dict()
    elif dataclasses.is_dataclass(values) and not isinstance(values, type):
        values = dataclasses.asdict(values)
    if not isinstance(values, Mapping):
        raise UserError(f"{path}: get_config returns {values!r}; it must be a config")
    try:
        return fill_defaults(values)
    except UserError as error:
        raise UserError(f"{path}: {error}") from error


def load_module(path: Path) -> Any:
    """Returns the module of a config's file."""
    _make_configs_importable(path)
    spec = importlib.util.spec_from_file_location(f"_config_{path.stem}", path)
    if spec is None or spec.loader is None:
        raise UserError(f"{path} is no Python file; a config's name ends with .py")
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
        if not callable(getattr(module, "get_config", None)):
            raise UserError(f"{path} has no function get_config; write one")
    except Exception as error:
        raise _explain(error, path) from error
    return module


def _make_configs_importable(path: Path) -> None:
    """Lets a config import those beside it, and `from configs import default`."""
    folder = path.absolute().parent
    # Not the package's own: its rooms would be modules by their bare names.
    for place in () if folder == get_folder() else (folder, folder.parent):
        if str(place) not in sys.path:
            sys.path.append(str(place))
    try:
        package = importlib.import_module("configs")
    except ImportError:
        package = sys.modules["configs"] = types.ModuleType("configs")
        package.__path__ = []
    if str(get_folder()) not in getattr(package, "__path__", [str(get_folder())]):
        package.__path__ = [*package.__path__, str(get_folder())]


def _explain(error: Exception, path: Path) -> UserError:
    """Returns the error of a config's code, with the line that it came from."""
    if isinstance(error, UserError):
        return error
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if Path(frame.filename) == path]
    file, line = (own[-1].filename, own[-1].lineno) if own else (str(path), None)
    if isinstance(error, SyntaxError):
        file, line = error.filename or file, error.lineno
    where = f"{file}, line {line}" if line else file
    text = " ".join(str(error).split()).rstrip(".") or "no message"
    return UserError(f"{where}: {type(error).__name__}: {text}; mend that config")
