"""python -m charlm.corpora list | fetch NAME | path NAME | join NAME ARCHIVE FILE

The named corpora: which there are, getting one, and where it is. `join` makes FILE of
another release's archive by the rule of a corpus: train on it with --config.data.path.
"""

import sys
from collections.abc import Sequence
from pathlib import Path

from charlm.cli.app import run_app
from charlm.corpora import fetch
from charlm.corpora.builders import Crawled, FromArchive, FromCorpus, FromUrl
from charlm.corpora.registry import SOURCES, Source
from charlm.errors import UserError

USE = "say what to do: list, fetch NAME, path NAME or join NAME ARCHIVE FILE"


def run(words: list[str]) -> None:
    match words:
        case ["list"]:
            print("\n\n".join(_entry(name, SOURCES[name]) for name in SOURCES))
        case ["fetch", name]:
            print(fetch.fetch(name))
        case ["path", name]:
            path = fetch.find(name)
            if path is None:
                raise UserError(
                    fetch.another(name)
                    or f"{name} is not here yet; get it with"
                    f" python -m charlm.corpora fetch {name}"
                )
            print(path)
        case ["join", name, archive, target]:
            fetch.join_archive(name, Path(archive), Path(target))
            print(target)
        case _:
            raise UserError(USE)


def _entry(name: str, source: Source) -> str:
    """All there is to say of a corpus: a line for each."""
    here = fetch.find(name)
    size = here.stat().st_size if here else source.size
    match source.how:
        case FromUrl(url) | Crawled(url):
            origin = url
        case FromArchive() as how:
            sha256 = f", SHA-256 {how.sha256}" if how.sha256 else ""
            origin = (how.url or Path(how.file).name) + sha256
        case FromCorpus(of, _):
            origin = f"the corpus {of}"
        case _:
            origin = ""
    lines = {
        "licence": source.licence,
        "size": f"{size:,} bytes" if size else "not known before it is made",
        "sha256": source.sha256,
        "from": origin,
        "rule": source.rule,
        "here": str(here or fetch.another(name)),
    }
    told = (f"  {key:<8}{value}" for key, value in lines.items() if value)
    return "\n".join([f"{name}: {source.about}", *told])


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the front door and returns its exit status."""
    argv = list(sys.argv[1:] if argv is None else argv)
    words = [word for word in argv if not word.startswith("-")]
    rest = [word for word in argv if word not in words]
    return run_app(__doc__ or "", {}, lambda _: run(words), rest)


if __name__ == "__main__":
    sys.exit(main())
