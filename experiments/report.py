"""What an experiment leaves: results.json, and the measured part of its README.

A number in a README stands between two marks, where the experiment itself wrote it.
"""

import json
import platform
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import jax

from charlm.model.sharding import get_machine_name

BEGIN, END = "<!-- measured{}: begin -->\n", "<!-- measured{}: end -->"
WIDTH = 60  # characters of a table's cell
DASH = "–"  # in the place of what there is none of


def keep(
    folder: Path, results: dict[str, Any], measured: Iterable[str], *, part: str = ""
) -> None:
    """Writes results.json, and the blocks of Markdown between the README's marks.

    A part, as of another size, has its own file and its own marks, which are made at
    the README's end when they are not there.

    Raises:
      ValueError: the README lacks the marks.
    """
    about = {"machine": get_machine_name(), "jax": jax.__version__}
    about["python"] = platform.python_version()
    kept = json.dumps(about | results, indent=1)
    suffix = f"-{part}" if part else ""
    (folder / f"results{suffix}.json").write_text(kept + "\n")
    readme = folder / "README.md"
    first, last = BEGIN.format(suffix), END.format(suffix)
    text = readme.read_text()
    if part and first not in text:
        text = f"{text.rstrip()}\n\n## {part}\n\n{first}{last}\n"
    head, begin, rest = text.partition(first)
    _, end, tail = rest.partition(last)
    if not begin or not end:
        raise ValueError(f"{readme} has no place for what is measured: {first}{last}")
    where = f"On {about['machine']}, JAX {about['jax']}, Python {about['python']}."
    body = "\n".join(f"{block.rstrip()}\n" for block in (where, *measured))
    readme.write_text(f"{head}{begin}{body}{end}{tail}")


def table(head: Sequence[Any], rows: Iterable[Sequence[Any]]) -> str:
    """A table in Markdown; floats are shown with four digits, nan as a dash.

    A row of nothing but dashes is left out.
    """
    lines = ([shown(cell) for cell in row] for row in rows)
    told = [line for line in lines if set(line[1:]) != {DASH}]
    whole = [list(map(shown, head)), ["---"] * len(head), *told]
    return "\n".join("| " + " | ".join(line) + " |" for line in whole)


def shown(value: Any) -> str:
    if isinstance(value, float):
        return DASH if value != value else f"{value:.4f}"
    if isinstance(value, int):
        return f"{value:,}"
    text = str(value) if str(value).isprintable() else ascii(value)
    if len(text) > WIDTH:
        text = f"{text[:WIDTH]} ..."
    return text.replace("|", "\\|")


def quoted(text: str) -> str:
    """A sample as a block of Markdown, whatever it holds."""
    text = printable(text.replace("\r\n", "\n"))
    fence = "`" * max(3, 1 + longest_run(text, "`"))
    return f"{fence}text\n{text}\n{fence}"


def printable(text: str) -> str:
    """The text with a mark in the place of what no reader should meet unseen."""
    return "".join(c if c.isprintable() or c in "\n\t" else "�" for c in text)


def longest_run(text: str, character: str) -> int:
    longest = run = 0
    for c in text:
        run = run + 1 if c == character else 0
        longest = max(longest, run)
    return longest


def minutes(seconds: float) -> str:
    """As "8 min 44 s"."""
    whole = round(seconds)
    return f"{whole // 60} min {whole % 60} s" if whole >= 60 else f"{whole} s"
