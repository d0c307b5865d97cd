"""charlm corpora list | fetch NAME | path NAME | join NAME ARCHIVE FILE

The named corpora: which there are, getting one, and where it is. `join` makes FILE of
another release's archive by the rule of a corpus: train on it with --config.data.path.
"""

import sys
from collections.abc import Sequence
from pathlib import Path

from charlm.cli.app import run_app
from charlm.corpora import fetch
from charlm.corpora.builders import FromArchive, Generated
from charlm.corpora.registry import SOURCES, Source
from charlm.errors import UserError

FLAGS = {"words": ([], "what to do, and with what")}
POSITIONAL = ["words"]


def run(words: list[str]) -> None:
    match words:
        case ["list"]:
            print("\n\n".join(_describe(name, SOURCES[name]) for name in SOURCES))
        case ["fetch", name]:
            print(fetch.fetch(name))
        case ["path", name]:
            path = fetch.find(name)
            if path is None:
                raise UserError(
                    f"{name} is not here yet; get it with charlm corpora fetch {name}"
                )
            print(path)
        case ["join", name, archive, target]:
            fetch.join_archive(name, Path(archive), Path(target))
            print(target)
        case _:
            raise UserError(
                "say what to do: list, fetch NAME, path NAME or join NAME ARCHIVE FILE"
            )


def _describe(name: str, source: Source) -> str:
    """Returns a line for each fact about a corpus."""
    origin, size = source.origin, source.size
    try:
        path = fetch.find(name)
        size = path.stat().st_size if path else size
    except UserError as error:
        path = error
    address = getattr(origin, "url", "")
    if isinstance(origin, FromArchive):
        address = address or Path(origin.file).name
        address += f", SHA-256 {origin.sha256}" if origin.sha256 else ""
    elif isinstance(origin, Generated) and origin.corpus:
        address = f"the corpus {origin.corpus}"
    facts = {
        "license": source.license,
        "size": f"{size:,} bytes" if size else "not known before it is made",
        "sha256": source.sha256,
        "from": address,
        "rule": source.rule,
        "here": path,
    }
    lines = (f"  {key:<8}{value}" for key, value in facts.items() if value)
    return "\n".join([f"{name}: {source.about}", *lines])


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the front door and returns its exit status."""
    return run_app(
        __doc__ or "",
        FLAGS,
        lambda values: run(values.words),
        argv,
        positional=POSITIONAL,
    )


if __name__ == "__main__":
    sys.exit(main())
