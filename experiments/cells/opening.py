"""Times how a browser opens a large page: python -m experiments.cells.opening

The page is of 20,000 characters and an LSTM of 3 x 512 with random weights. Times are
medians of RUNS, each in a new window, from the navigation to what they name.
"""

import json
import shutil
import tempfile
from pathlib import Path
from statistics import median

import jax
import numpy as np

from charlm.data.vocab import Vocab
from charlm.interpret.activations import Activations
from charlm.interpret.viewer.html import make_html, read_sizes
from charlm.interpret.viewer.quantize import quantize
from charlm.model.lm import make_language_model
from charlm.model.sharding import get_machine_name

LENGTH, LAYERS, FEATURES = 20_000, 3, 512
RUNS = 5
LINE = "The cat sat on a mat, and ran to the sea.\n"
# Stores the milliseconds to the first frame with rows of the text.
WATCH = """
new MutationObserver((_, watch) => {
  if (!document.querySelector(".row")) return;
  watch.disconnect();
  requestAnimationFrame(() => setTimeout(() => { window.rows = performance.now(); }));
}).observe(document, { childList: true, subtree: true });"""
# Returns the milliseconds that a change takes, until it can be painted.
CHANGE = """(changes) => {
  const begin = performance.now();
  App.set(changes);
  document.body.offsetHeight;
  return performance.now() - begin;
}"""
GATE = {"layer": LAYERS - 1, "unit": 0}
CHANGES = {
    "another unit": {"layer": 0, "unit": FEATURES - 1, "signal": "tanh_c"},
    "a first gate, the weights read": {**GATE, "signal": "i"},
    "another gate": {**GATE, "signal": "f"},
    "what fires in a stretch": {"from": 100, "to": 900},
}


def main() -> None:
    html = make_page()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "page.html"
        path.write_text(html, encoding="utf-8")
        milliseconds = measure_page(path)
    sizes_by_part = {"file": len(html.encode())} | read_sizes(html)
    results = {"bytes": sizes_by_part, "milliseconds": milliseconds}
    print(json.dumps({"machine": get_machine_name()} | results, indent=1))


def make_page() -> str:
    """Returns the page of random activations of a network with random weights."""
    vocab = Vocab.of("\n" + "".join(map(chr, range(32, 127))))
    lm = make_language_model(
        vocab_size=len(vocab), cell="lstm", layers=LAYERS, features=FEATURES
    )
    random = np.random.default_rng(0)
    types = {"h": (np.int8, 127), "c": (np.int16, 256)}
    signals, scales = {}, {}
    for layer in range(LAYERS):
        for name, (dtype, one) in types.items():
            values = random.integers(-one, one, (LENGTH, FEATURES), dtype)
            signals[f"layer_{layer}/{name}"] = values
            scales[f"layer_{layer}/{name}"] = 1 / one
    activations = Activations(
        vocab=vocab,
        cell="lstm",
        layers=LAYERS,
        features=FEATURES,
        ids=vocab.encode((LINE * (LENGTH // len(LINE) + 1))[:LENGTH]),
        signals=signals,
        scales=scales,
        top_k_ids=random.integers(0, len(vocab), (LENGTH, 5), np.uint8),
        top_k_probs=random.integers(0, 13_000, (LENGTH, 5), np.uint16),
        nats=random.exponential(1.5, LENGTH).astype(np.float32),
    )
    model = quantize(lm.init(jax.random.key(0)), cell="lstm")
    return make_html(activations, model=model, title="A large page", start=0)


def measure_page(path: Path) -> dict[str, int]:
    """Returns milliseconds, by what they lead to."""
    from playwright.sync_api import sync_playwright

    paths = [shutil.which(name) for name in ("chromium", "chromium-browser")]
    rows = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=next(filter(None, paths), None), args=["--no-sandbox"]
        )
        for _ in range(RUNS):
            window = browser.new_page(viewport={"width": 1280, "height": 860})
            window.add_init_script(WATCH)
            window.goto(path.as_uri())
            times = window.evaluate(
                """() => {
                  const [all] = performance.getEntriesByType("navigation");
                  return {"first rows": window.rows,
                          "whole page": all.domContentLoadedEventEnd};
                }"""
            )
            for name, changes in CHANGES.items():
                times[name] = window.evaluate(CHANGE, changes)
            rows.append(times)
            window.close()
        browser.close()
    return {name: round(median(row[name] for row in rows)) for name in rows[0]}


if __name__ == "__main__":
    main()
