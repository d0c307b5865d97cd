"""python -m charlm.corpora list | fetch NAME | path NAME

The named corpora: which there are, getting one, and where it is.
"""

import sys

from absl import flags

from charlm.doors.command import run
from charlm.errors import UserError
from charlm.text import catalog

USE = "say what to do: list, fetch NAME or path NAME"


def main(words: list[str]) -> None:
    match words:
        case ["list"]:
            for name, source in catalog.SOURCES.items():
                here = catalog.find(name)
                print(f"{name}: {source.about} ({source.licence})")
                print(f"  {here or source.url or 'built when it is first used'}")
        case ["fetch", name]:
            print(catalog.fetch(name))
        case ["path", name]:
            path = catalog.find(name)
            if path is None:
                catalog.source_of(name)
                raise UserError(
                    f"{name} is not here yet; get it with"
                    f" python -m charlm.corpora fetch {name}"
                )
            print(path)
        case _:
            raise UserError(USE)


if __name__ == "__main__":
    given = [word for word in sys.argv[1:] if not word.startswith("-")]
    sys.argv = [word for word in sys.argv if word not in given]
    flags.FLAGS.mark_as_parsed()
    run(lambda: main(given), about=__doc__ or "")
