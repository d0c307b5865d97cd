"""What an option is: a field of a dataclass with a meaning, bounds and choices."""

import dataclasses
import sys
from collections.abc import Iterator, Mapping
from typing import Any

from charlm.errors import UserError

MAX_COUNT = 2**31 - 1  # what an int32 holds
CUSTOM = "custom"  # in config.json, an object that only its user has


def option(
    default: Any,
    about: str,
    *,
    low: float | None = None,
    high: float | None = None,
    above: float | None = None,
    below: float | None = None,
    choices: tuple[str, ...] = (),
    free: bool = False,
) -> Any:
    """Returns a dataclass field that is an option.

    Args:
      default: the value of a run that does not set it; it tells the type as well.
      about: what it means, in a sentence.
      low: the smallest value; a count's is 0 where nothing else is said.
      high: the largest value.
      above: a number below all values.
      below: a number above all values.
      choices: of a string.
      free: whether it may change when a run is resumed.
    """
    if type(default) is int:
        low, high = (
            low if low is not None else 0,
            high if high is not None else MAX_COUNT,
        )
    bounds = {"low": low, "high": high, "above": above, "below": below}
    return dataclasses.field(
        default=default,
        metadata={"about": about, "choices": choices, "free": free, **bounds},
    )


def options(section: Any) -> Iterator[dataclasses.Field]:
    """Yields the fields of a dataclass, or of an instance, that are options."""
    return (f for f in dataclasses.fields(section) if f.metadata)


def check_section(section: Any) -> None:
    """Checks each option of a dataclass when it is made."""
    values = {field.name: getattr(section, field.name) for field in options(section)}
    check_options(type(section), **values)


def check_options(section: type, **values: Any) -> None:
    """Raises UserError, which begins with the option's name, for an impossible value.

    Args:
      section: the dataclass that defines the options.
      **values: of some of them.
    """
    fields = {field.name: field for field in options(section)}
    for name, value in values.items():
        problem = _find_problem(fields[name], value)
        if problem:
            raise UserError(f"{name} is {value!r}; {problem}")


def _find_problem(field: dataclasses.Field, value: Any) -> str:
    """Returns what is wrong with a value, or ""."""
    rules = field.metadata
    expected: Any = field.type
    if not isinstance(value, expected) or (type(value) is bool) != (field.type is bool):
        if not (field.type is float and type(value) is int):
            return f"it must be {DESCRIPTIONS[type(field.default)]}"
    if rules["choices"] and isinstance(value, str) and value != CUSTOM:
        if value not in rules["choices"]:
            return f"choose one of {', '.join(rules['choices'])}"
    if isinstance(value, int | float):
        return _find_bound(rules, value)
    return ""


DESCRIPTIONS = {
    str: "a string",
    int: "an integer",
    float: "a number",
    bool: "True or False",
    tuple: "a tuple of numbers",
}


def _find_bound(rules: Mapping[str, Any], value: float) -> str:
    """Returns which bounds a number exceeds, or ""."""
    low, high, above, below = (rules[n] for n in ("low", "high", "above", "below"))
    inside = (
        abs(value) <= sys.float_info.max  # also of an integer too large for a float
        and (low is None or value >= low)
        and (high is None or value <= high)
        and (above is None or value > above)
        and (below is None or value < below)
    )
    if inside:
        return ""
    words = [
        *([f"at least {low:,}"] if low is not None else []),
        *([f"above {above:,}"] if above is not None else []),
        *([f"at most {high:,}"] if high is not None else []),
        *([f"below {below:,}"] if below is not None else []),
    ]
    return f"it must be {' and '.join(words) or 'finite'}"
