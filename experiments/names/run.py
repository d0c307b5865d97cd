"""Runs the experiment of the names: see README.md.

python -m experiments.names.run [--variant=small]
"""

from pathlib import Path

from experiments.corpus import (
    HELD_OUT,
    TrainedRun,
    sample_texts,
    score_ngrams,
    score_run,
    structure_table,
    train_from_command_line,
    write_corpus_report,
)
from experiments.report import quote
from experiments.structure.names import names_measures

NAMES = 1000  # samples at each temperature
README_NAMES, LINE_NAMES = 60, 10  # names in the README, and in a line of it
TEMPERATURES = (0.5, 0.8, 1.0, 1.1, 1.2)
MAX_LENGTH = 20  # characters of a sample: more than any name of the list has


def main() -> None:
    run = train_from_command_line("names")
    scores, ngrams = score_run(run, streams=1), score_ngrams(run)
    samples = {str(t): sample_names(run, t) for t in TEMPERATURES}
    train, valid, test = (run.vocab.decode(ids) for ids in run.text.values())
    known = set((train + valid + test).splitlines())
    measures = {
        column: names_measures(
            names, known=train.splitlines(), held_out=valid.splitlines()
        )
        | {"not in the whole list": sum(n not in known for n in names) / len(names)}
        for column, names in (samples | {HELD_OUT: test.splitlines()}).items()
    }
    blocks = [structure_table(measures), "The first names at each temperature."]
    blocks += [
        f"At temperature {temperature}:\n\n{quote_names(names)}"
        for temperature, names in samples.items()
    ]
    folder = Path(__file__).parent
    write_corpus_report(folder, run, scores, ngrams, {"names": measures}, blocks)


def sample_names(run: TrainedRun, temperature: float) -> list[str]:
    """Returns NAMES names; each follows the line end of the name before it."""
    return sample_texts(
        run,
        temperature=temperature,
        samples=NAMES,
        length=MAX_LENGTH,
        prompt="\n",
        stop="\n",
    )


def quote_names(names: list[str]) -> str:
    """Returns the first names in lines, as a block of Markdown."""
    starts = range(0, README_NAMES, LINE_NAMES)
    return quote("\n".join(", ".join(names[n : n + LINE_NAMES]) for n in starts))


if __name__ == "__main__":
    main()
