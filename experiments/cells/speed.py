"""Times the search for units: python -m experiments.cells.speed

It uses an untrained LSTM of 500 units, 200,000 characters of Python's own library, the
first 20 of its labels and 100 shifts.
"""

import json
import time
from collections.abc import Callable

import jax

from charlm import Vocab, make_language_model, open_corpus
from charlm.corpora import fetch
from charlm.interpret.activations import record_activations
from charlm.interpret.labels.labels import select_labels
from charlm.interpret.units.baselines import last_k_baseline
from charlm.interpret.units.selection import compute_best_scores, select_units
from charlm.model.jax_setup import configure_jax
from charlm.model.sharding import get_machine_name

TEXT_CHARS, UNITS, MAX_LABELS = 200_000, 500, 20


def main() -> None:
    configure_jax()
    corpus = open_corpus(fetch.fetch("python_stdlib"))
    text = corpus.vocab.decode(corpus.ids[:TEXT_CHARS])
    vocab = Vocab.of(text)
    lm = make_language_model(vocab_size=len(vocab), layers=1, features=UNITS)
    params = lm.init(jax.random.key(0))
    seconds = {}

    def measure(name: str, function: Callable):
        begin = time.perf_counter()
        result = function()
        seconds[name] = round(time.perf_counter() - begin, 1)
        return result

    activations = measure(
        "activations", lambda: record_activations((lm, params, vocab), text)
    )
    labels = measure("labels", lambda: select_labels(text))[:MAX_LABELS]
    signals = activations.signals
    states = {name: signals[f"layer_0/{name}"] for name in ("h", "c")}
    scored = {name: units for name, units in signals.items() if "tanh" not in name}
    measure("8 characters", lambda: last_k_baseline(activations.ids, labels))
    measure("untrained", lambda: compute_best_scores(scored, labels))
    measure("h and c", lambda: select_units(states, labels))
    measure("h, c and four gates", lambda: select_units(scored, labels))
    about = {"machine": get_machine_name(), "units": UNITS, "labels": len(labels)}
    print(json.dumps(about | {"characters": len(text), "seconds": seconds}, indent=1))


if __name__ == "__main__":
    main()
