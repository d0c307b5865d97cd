# ---
# jupyter:
#   jupytext:
#     formats: ipynb,py:percent
#     text_representation:
#       extension: .py
#       format_name: percent
#       format_version: '1.3'
#       jupytext_version: 1.19.6
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Sampling from a trained model, and a look inside
#
# Say below, in `WORKDIR`, which model writes: the folder of a run, or a zip of one.
# Left empty, the first zip beside this notebook is taken, and with none a tiny model is
# trained.
#
# In Colab: on your own machine, run `pip wheel --no-deps -w dist .` in charlm's folder
# and zip a workdir; upload the wheel and the zip with the folder button on the left;
# run all cells.

# %%
import importlib.util
import os
import subprocess
import sys
from pathlib import Path

WORKDIR = os.environ.get("CHARLM_WORKDIR", "")  # "runs/linux", or "linux.zip"

if importlib.util.find_spec("charlm") is None:
    # A file, so that no stranger's package of the same name is installed.
    wheels = sorted(Path().glob("charlm-*.whl"))
    if not wheels:
        raise SystemExit(
            "charlm is not installed: upload its wheel beside this notebook"
        )
    install = [sys.executable, "-m", "pip", "install", "-q", str(wheels[-1])]
    subprocess.run(install, check=True)

# %%
import tempfile
import zipfile

import charlm

scratch = Path(tempfile.mkdtemp())
WORKDIR = WORKDIR or next(map(str, sorted(Path().glob("*.zip"))), "")
if WORKDIR.endswith(".zip"):
    with zipfile.ZipFile(WORKDIR) as archive:
        archive.extractall(scratch)
    found = [path.parent for path in scratch.rglob("vocab.json")]
    if len(found) != 1:
        raise SystemExit(f"{WORKDIR} holds {len(found)} workdirs; zip one alone")
    WORKDIR = str(found[0])

# %% [markdown]
# ## No workdir? A tiny one
#
# The four functions of a model, the streams of a text, and `fit`: a few seconds.

# %%
if not WORKDIR:
    from charlm.workdir.model_files import write_bundle

    text = "the cat sat on a mat.\nthe dog ran to the sea.\n" * 200
    vocab = charlm.Vocab.of(text)
    model = {"cell": "lstm", "layers": 1, "features": 64}
    schedule = charlm.make_schedule(learning_rate=1e-2)
    WORKDIR = str(scratch / "tiny")
    write_bundle(WORKDIR, config={"model": model}, vocab=vocab)
    charlm.fit(
        lm=charlm.make_language_model(vocab_size=len(vocab), **model),
        vocab=vocab,
        optimizer=charlm.make_optimizer(learning_rate=schedule, name="adam"),
        learning_rate=schedule,
        streams=charlm.Streams(vocab.encode(text), batch_size=8, seq_length=25),
        steps=200,
        workdir=Path(WORKDIR),
    )

# %%
lm, params, vocab = charlm.load_model(WORKDIR)
print(len(vocab), "symbols:", "".join(vocab.symbols))

# %% [markdown]
# ## The same prompt at several temperatures
#
# Low temperatures are sure of themselves and repeat; high ones are bold and misspell.

# %%
prompt = "the " if set("the ") <= set(vocab.symbols) else ""
for temperature in (0.2, 0.5, 0.8, 1.0, 1.2):
    [text] = charlm.sample(
        lm, params, vocab, prompt=prompt, length=200, temperature=temperature, seed=1
    )
    print(f"--- temperature {temperature} ---\n{prompt}{text}\n")

# %% [markdown]
# ## Text as it is drawn

# %%
for [piece] in charlm.stream(lm, params, vocab, length=400, temperature=0.8):
    print(piece, end="", flush=True)

# %% [markdown]
# ## Inside
#
# What it has written last, by what its units do at each character; and it writes on,
# with a unit held where you like. On text that it was not trained on, of 6,000
# characters or more, the page also lists the units that mean something.

# %%
[text] = charlm.sample(lm, params, vocab, prompt=prompt, length=2000, seed=1)
charlm.show(lm, params, vocab, text, search=0)
