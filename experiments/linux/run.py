"""Runs the experiment of this corpus: python -m experiments.linux.run"""

from pathlib import Path

from experiments.corpus import run_corpus_experiment

if __name__ == "__main__":
    run_corpus_experiment(Path(__file__).parent, language="c", context=20)
