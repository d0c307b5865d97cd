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
# Say below, in `WORKDIR`, which model writes: the folder of a run, a zip of one, or
# either on Google Drive (`/content/drive/MyDrive/...`). Left empty, the first zip
# beside this notebook is taken, and with none a tiny model is trained.
#
# In Colab: set `REPOSITORY` to the address of charlm's repository. Or run
# `pip wheel --no-deps -w dist .` in charlm's folder on your own machine, and upload the
# wheel with the folder button on the left. Then run all cells.

# %%
import importlib.util
from pathlib import Path

# Where pip finds charlm, such as "git+https://ADDRESS" of its repository. Left empty,
# the charlm that is installed is used, or its wheel beside this notebook.
REPOSITORY = ""  # @param {type: "string"}

if importlib.util.find_spec("charlm") is None:
    wheels = [str(path) for path in sorted(Path().glob("charlm_jax-*.whl"))]
    requirement = REPOSITORY or "".join(wheels[-1:])
    if not requirement:
        raise SystemExit("charlm is not installed: set REPOSITORY, or upload its wheel")
    # %pip install -q "{requirement}"

# %%
WORKDIR = ""  # @param {type: "string"}
PROMPT = ""  # @param {type: "string"}
TEMPERATURE = 0.8  # @param {type: "slider", min: 0, max: 1.5, step: 0.05}
LENGTH = 400  # @param {type: "integer"}
SEED = 1  # @param {type: "integer"}

# %%
import os
import tempfile
import zipfile

import charlm

scratch = Path(tempfile.mkdtemp())
WORKDIR = WORKDIR or os.environ.get("CHARLM_WORKDIR", "")
WORKDIR = WORKDIR or next(map(str, sorted(Path().glob("*.zip"))), "")
if WORKDIR.startswith("/content/drive/"):
    from google.colab import drive

    drive.mount("/content/drive")
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
# `train.ipynb` trains on a text of yours.

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
# ## Text as it is drawn

# %%
sampling = charlm.SamplingParams(temperature=TEMPERATURE)
stream = charlm.generate_stream(
    model, PROMPT, length=LENGTH, sampling=sampling, seed=SEED
)
print(PROMPT, end="")
for chunk in stream:
    print(chunk, end="", flush=True)

# %% [markdown]
# ## The same prompt at several temperatures
#
# Low temperatures repeat the likeliest text; high ones are more random and misspell.

# %%
for temperature in (0.2, 0.5, 0.8, 1.0, 1.2):
    text = model.generate(PROMPT, length=200, temperature=temperature, seed=SEED)
    print(f"--- temperature {temperature} ---\n{PROMPT}{text}\n")

# %% [markdown]
# ## Inside
#
# The page shows a text colored by what the model's units do at each character. It
# writes on, and can hold a unit at a value. On text of 6,000 characters or more that
# the model was not trained on, it also lists the units that mean something.

# %%
text = model.generate(PROMPT, length=2000, seed=SEED)
model.show(text, search=0)
