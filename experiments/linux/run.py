"""python -m experiments.linux.run [--variant=small]: see README.md."""

from pathlib import Path

from experiments.corpus import corpus_experiment

if __name__ == "__main__":
    corpus_experiment(Path(__file__).parent, kind="c", context=20)
