"""What an option is: a field of a dataclass with a meaning, bounds and choices."""

import dataclasses
import operator
import sys
from collections.abc import Iterator, Mapping
from typing import Any

from charlm.errors import UserError

MAX_COUNT = 2**31 - 1  # what an int32 holds
CUSTOM = "custom"  # in config.json, an object that only its user has
BOUNDS = {
    "low": (operator.ge, "at least"),
    "above": (operator.gt, "above"),
    "high": (operator.le, "at most"),
    "below": (operator.lt, "below"),
}
DESCRIPTIONS = {
    str: "a string",
    int: "an integer",
    float: "a number",
    bool: "True or False",
    tuple: "a tuple of numbers",
}


def option(
    default: Any,
    about: str,
    *,
    choices: tuple[str, ...] = (),
    free: bool = False,
    **bounds: float,
) -> Any:
    """Returns a dataclass field that is an option.

    Args:
      default: the value of a run that does not set it; it tells the type as well.
      about: what it means, in a sentence.
      choices: of a string.
      free: whether it may change when a run is resumed.
      **bounds: of a number, by the names of BOUNDS; an integer's are 0 and MAX_COUNT
        where nothing else is said.
    """
    if type(default) is int:
        bounds = {"low": 0, "high": MAX_COUNT} | bounds
    rules = {"about": about, "choices": choices, "free": free, "bounds": bounds}
    return dataclasses.field(default=default, metadata=rules)


def options(section: Any) -> Iterator[dataclasses.Field]:
    """Yields the fields of a dataclass, or of an instance, that are options."""
    return (f for f in dataclasses.fields(section) if f.metadata)


def check_section(section: Any) -> None:
    """Checks each option of a dataclass when it is made."""
    values = {field.name: getattr(section, field.name) for field in options(section)}
    check_options(type(section), **values)


def check_options(section: type, **values: Any) -> None:
    """Raises UserError, which begins with the option's name, for an impossible value.

    The values are of some of the options of a dataclass.
    """
    fields = {field.name: field for field in options(section)}
    for name, value in values.items():
        field, choices = fields[name], fields[name].metadata["choices"]
        if not _has_type(value, field.type):
            problem = f"it must be {DESCRIPTIONS[type(field.default)]}"
            raise UserError(f"{name} is {value!r}; {problem}")
        if choices and isinstance(value, str) and value not in (*choices, CUSTOM):
            problem = f"choose one of {', '.join(choices)}"
            raise UserError(f"{name} is {value!r}; {problem}")
        if isinstance(value, int | float):
            check_number(name, value, **field.metadata["bounds"])


def _has_type(value: Any, expected: Any) -> bool:
    if type(value) is int and expected is float:
        return True
    return isinstance(value, expected) and (type(value) is bool) == (expected is bool)


def check_number(name: str, value: float, **bounds: float) -> None:
    """Raises UserError for a number that is not finite, or outside the BOUNDS."""
    finite = abs(value) <= sys.float_info.max  # also an int too large for a float
    rules = [(*BOUNDS[key], bounds[key]) for key in BOUNDS if key in bounds]
    if finite and all(holds(value, bound) for holds, _, bound in rules):
        return
    words = [f"{word} {bound:,}" for _, word, bound in rules]
    raise UserError(
        f"{name} is {value!r}; it must be {' and '.join(words) or 'finite'}"
    )


def flatten(config: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Returns {"model.layers": 2, ...} of a nested config."""
    leaves: dict[str, Any] = {}
    for key, value in config.items():
        nested = isinstance(value, Mapping)
        leaves |= flatten(value, f"{prefix}{key}.") if nested else {prefix + key: value}
    return leaves
