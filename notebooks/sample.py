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
# `charlm.fit` trains a model on a text file: here for a few seconds.

# %%
if not WORKDIR:
    text = scratch / "cat.txt"
    text.write_text("the cat sat on a mat.\nthe dog ran to the sea.\n" * 200)
    WORKDIR = str(scratch / "tiny")
    charlm.fit(
        text,
        WORKDIR,
        layers=1,
        features=64,
        embedding=0,
        batch_size=8,
        seq_length=25,
        steps=200,
    )

# %%
model = charlm.load_model(WORKDIR)
print(len(model.vocab), "symbols:", "".join(model.vocab.symbols))

# %% [markdown]
# ## The same prompt at several temperatures
#
# Low temperatures repeat the likeliest text; high ones are more random and misspell.

# %%
prompt = "the " if set("the ") <= set(model.vocab.symbols) else ""
for temperature in (0.2, 0.5, 0.8, 1.0, 1.2):
    text = model.generate(prompt, length=200, temperature=temperature, seed=1)
    print(f"--- temperature {temperature} ---\n{prompt}{text}\n")

# %% [markdown]
# ## Text as it is drawn

# %%
sampling = charlm.SamplingParams(temperature=0.8)
for chunk in charlm.generate_stream(model, length=400, sampling=sampling):
    print(chunk, end="", flush=True)

# %% [markdown]
# ## Inside
#
# The page shows a text colored by what the model's units do at each character. It
# writes on, and can hold a unit at a value. On text of 6,000 characters or more that
# the model was not trained on, it also lists the units that mean something.

# %%
text = model.generate(prompt, length=2000, seed=1)
model.show(text, search=0)
