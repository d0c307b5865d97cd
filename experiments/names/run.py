"""python -m experiments.names.run [--variant=small]: see README.md."""

from pathlib import Path

from experiments.corpus import (
    TEXT,
    Trained,
    counted,
    finish,
    of_command_line,
    scored,
    structure_table,
    texts,
)
from experiments.report import quoted
from experiments.structure.names import names_measures

NAMES, SHOWN, LINE = 1000, 60, 10
TEMPERATURES = (0.5, 0.8, 1.0, 1.1, 1.2)
LONGEST = 20  # characters of a name are drawn: more than any in the list


def main() -> None:
    run = of_command_line("names")
    scores, grams = scored(run, streams=1), counted(run)
    written = {str(t): drawn(run, t) for t in TEMPERATURES}
    train, valid, test = (run.vocab.decode(ids) for ids in run.text.values())
    listed = set((train + valid + test).splitlines())
    measured = {
        name: names_measures(
            names, known=train.splitlines(), held_out=valid.splitlines()
        )
        | {"not in the whole list": sum(n not in listed for n in names) / len(names)}
        for name, names in (written | {TEXT: test.splitlines()}).items()
    }
    blocks = [structure_table(measured), "The first at each temperature."]
    blocks += [f"At {t}:\n\n{lines_of(names)}" for t, names in written.items()]
    folder = Path(__file__).parent
    finish(folder, run, scores, grams, {"names": measured}, blocks)


def drawn(run: Trained, temperature: float) -> list[str]:
    """1,000 names, each after the line end of another."""
    more = {"samples": NAMES, "length": LONGEST, "stop": "\n"}
    return texts(run, temperature=temperature, prompt="\n", **more)


def lines_of(names: list[str]) -> str:
    lines = (names[n : n + LINE] for n in range(0, SHOWN, LINE))
    return quoted("\n".join(", ".join(line) for line in lines))


if __name__ == "__main__":
    main()
