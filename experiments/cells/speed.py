"""How long discovery takes: python -m experiments.cells.speed

Of an LSTM of 500 units that never learnt, on 200,000 characters of Python's own
library, with the first 20 of its labels and 100 shifts.
"""

import json
import time
from collections.abc import Callable

import jax

from charlm import Vocab, make_language_model, open_corpus
from charlm.corpora import fetch
from charlm.interpret.activations import trace
from charlm.interpret.labels.selection import labels
from charlm.interpret.units.baselines import context_controls
from charlm.interpret.units.selection import best_scores, find
from charlm.model.jax_setup import configure_jax
from charlm.model.sharding import get_machine_name

CHARACTERS, UNITS, LABELS = 200_000, 500, 20


def main() -> None:
    configure_jax()
    corpus = open_corpus(fetch.fetch("python_stdlib"))
    text = corpus.vocab.decode(corpus.ids[:CHARACTERS])
    vocab = Vocab.of(text)
    lm = make_language_model(vocab_size=len(vocab), layers=1, features=UNITS)
    params = lm.init(jax.random.key(0))
    seconds = {}

    def timed(name: str, work: Callable):
        begin = time.perf_counter()
        done = work()
        seconds[name] = round(time.perf_counter() - begin, 1)
        return done

    seen = timed("trace, all signals", lambda: trace(lm, params, vocab, text))
    chosen = timed("labels", lambda: labels(text))[:LABELS]
    states = {name: seen.signals[f"layer_0/{name}"] for name in ("h", "c")}
    every = {name: u for name, u in seen.signals.items() if "tanh" not in name}
    timed("8 characters", lambda: context_controls(seen.ids, chosen))
    timed("untrained", lambda: best_scores(every, chosen))
    timed("find in h and c", lambda: find(states, chosen))
    timed("find in h, c and four gates", lambda: find(every, chosen))
    about = {"machine": get_machine_name(), "units": UNITS, "labels": len(chosen)}
    print(json.dumps(about | {"characters": len(text), "seconds": seconds}, indent=1))


if __name__ == "__main__":
    main()
