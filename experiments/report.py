"""Writes results.json and the measured part of an experiment's README.

The numbers of a README stand between two marks. The program that measured them writes
them there.
"""

import json
import math
import platform
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import jax

from charlm.model.sharding import get_machine_name

BEGIN, END = "<!-- measured{}: begin -->\n", "<!-- measured{}: end -->"
DIGITS = 4  # significant digits of a float in results.json
SOURCE_DIGITS = 8  # of a float from which the README derives others
LINE_LENGTH = 88  # characters: longer lines of results.json are divided
TEXT_LENGTH = 60  # characters of a text in a table
DASH = "–"  # stands for a missing value


def write_report(
    folder: Path,
    results: Mapping[str, Any],
    blocks: Iterable[str],
    *,
    part: str = "",
    sources: Collection[str] = (),
) -> None:
    """Writes results.json, and blocks of Markdown between the marks of README.md.

    Args:
      folder: the experiment's folder.
      results: the measured values.
      blocks: the Markdown; the README names the machine above them.
      part: a variant of the experiment, such as another size. It has a results file
        and marks of its own, which are appended to the README when it lacks them.
      sources: keys of results from whose values the README derives other numbers;
        these values keep SOURCE_DIGITS digits.

    Raises:
      ValueError: the README lacks the marks.
    """
    versions = {"jax": jax.__version__, "python": platform.python_version()}
    header = {"machine": get_machine_name(), **versions}
    suffix = f"-{part}" if part else ""
    write_results(folder / f"results{suffix}.json", {**header, **results}, sources)
    readme = folder / "README.md"
    first, last = BEGIN.format(suffix), END.format(suffix)
    text = readme.read_text()
    if part and first not in text:
        text = f"{text.rstrip()}\n\n## {part}\n\n{first}{last}\n"
    head, begin, rest = text.partition(first)
    _, end, tail = rest.partition(last)
    if not begin or not end:
        raise ValueError(f"{readme} lacks the marks {first}{last}")
    where = f"On {header['machine']}, JAX {versions['jax']}, Python "
    where += f"{versions['python']}."
    body = "\n".join(f"{block.rstrip()}\n" for block in (where, *blocks))
    readme.write_text(f"{head}{begin}{body}{end}{tail}")


def write_results(
    path: Path, results: Mapping[str, Any], sources: Collection[str] = ()
) -> None:
    """Writes results as JSON, one record a line, with floats of few digits."""
    path.write_text(format_json(round_floats(results, sources)) + "\n")


def round_floats(
    value: Any, sources: Collection[str] = (), digits: int = DIGITS
) -> Any:
    """Returns a value with each float in it rounded.

    A float keeps its significant digits, every digit before the point, and, below 10,
    the four decimals that a table shows.

    Args:
      value: any value that JSON can hold.
      sources: keys below which a float keeps SOURCE_DIGITS significant digits.
      digits: significant digits of the other floats.
    """
    if isinstance(value, Mapping):
        return {
            key: round_floats(
                inner, sources, SOURCE_DIGITS if key in sources else digits
            )
            for key, inner in value.items()
        }
    if isinstance(value, list | tuple):
        return [round_floats(inner, sources, digits) for inner in value]
    if not isinstance(value, float) or not value or not math.isfinite(value):
        return value
    decimals = max(digits - 1 - math.floor(math.log10(abs(value))), 0)
    while abs(value) < 10 and f"{round(value, decimals):.4f}" != f"{value:.4f}":
        decimals += 1
    return round(value, decimals)


def format_json(value: Any, depth: int = 0) -> str:
    """Returns JSON with one record a line.

    A value that fits on a line, or that holds no list and no dictionary, is one line.
    A longer dictionary has a line or more for each key, a longer list one line for each
    element.

    Args:
      value: any value that JSON can hold.
      depth: the spaces before each line of it.
    """
    line = json.dumps(value)
    inner = value.values() if isinstance(value, dict) else value
    nested = isinstance(value, dict | list) and any(
        isinstance(each, dict | list) for each in inner
    )
    if not nested or depth + len(line) <= LINE_LENGTH:
        return line
    if isinstance(value, dict):
        rows = [
            f"{json.dumps(str(key))}: {format_json(each, depth + 1)}"
            for key, each in value.items()
        ]
    else:
        rows = [json.dumps(each) for each in value]
    margin = "\n" + " " * depth
    body = "".join(f"{margin} {row}," for row in rows).removesuffix(",")
    return f"{line[0]}{body}{margin}{line[-1]}"


def table(head: Sequence[Any], rows: Iterable[Sequence[Any]]) -> str:
    """Returns a table in Markdown, without the rows that hold only dashes.

    Args:
      head: the names of the columns.
      rows: the values. Floats have four decimals; nan is a dash.
    """
    lines = ([format_value(value) for value in row] for row in rows)
    lines = [line for line in lines if set(line[1:]) != {DASH}]
    whole = [list(map(format_value, head)), ["---"] * len(head), *lines]
    return "\n".join("| " + " | ".join(line) + " |" for line in whole)


def format_value(value: Any) -> str:
    """Returns a value as it stands in a table."""
    if isinstance(value, float):
        return DASH if math.isnan(value) else f"{value:.4f}"
    if isinstance(value, int):
        return f"{value:,}"
    text = str(value) if str(value).isprintable() else ascii(value)
    if len(text) > TEXT_LENGTH:
        text = f"{text[:TEXT_LENGTH]} ..."
    return text.replace("|", "\\|")


def quote(text: str) -> str:
    """Returns any text as a block of Markdown."""
    text = replace_controls(text.replace("\r\n", "\n"))
    fence = "`" * max(3, 1 + get_longest_run(text, "`"))
    return f"{fence}text\n{text}\n{fence}"


def replace_controls(text: str) -> str:
    """Returns a text with U+FFFD for each character that cannot be printed.

    Line ends and tabs stay. An escape sequence could control a reader's terminal.
    """
    return "".join(c if c.isprintable() or c in "\n\t" else "�" for c in text)


def get_longest_run(text: str, character: str) -> int:
    """Returns how often a character stands in a row in a text, at most."""
    longest = run = 0
    for c in text:
        run = run + 1 if c == character else 0
        longest = max(longest, run)
    return longest


def format_duration(seconds: float) -> str:
    """Returns a duration such as "8 min 44 s"."""
    whole = round(seconds)
    return f"{whole // 60} min {whole % 60} s" if whole >= 60 else f"{whole} s"
