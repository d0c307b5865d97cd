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
# # Training a model on a text
#
# Say below, in `TEXT`, what it learns from: a text file of yours, or the name of a
# corpus that `charlm corpora list` lists; and in `SIZE`, "full". The run lives in the
# folder `WORKDIR`; in Colab, one on Google Drive (`/content/drive/MyDrive/...`)
# outlives the session. As they are, a tiny model learns a tiny text in a few seconds.
#
# In Colab: choose a GPU (Runtime, Change runtime type), and set `REPOSITORY` to the
# address of charlm's repository. Or run `pip wheel --no-deps -w dist .` in charlm's
# folder on your own machine, and upload the wheel with the folder button on the left.

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
TEXT = ""  # @param {type: "string"}
WORKDIR = ""  # @param {type: "string"}
SIZE = "tiny"  # @param ["tiny", "full"]

# %%
import tempfile

import charlm

scratch = Path(tempfile.mkdtemp())
if any(path.startswith("/content/drive/") for path in (TEXT, WORKDIR)):
    from google.colab import drive

    drive.mount("/content/drive")
if not TEXT:
    TEXT = str(scratch / "cat.txt")
    Path(TEXT).write_text("the cat sat on a mat.\nthe dog ran to the sea.\n" * 200)
WORKDIR = WORKDIR or str(scratch / "run")

# %% [markdown]
# ## Training
#
# The stop button saves the run, and the cell ends with what it has learnt. Run again,
# the cell goes on from there, exactly. Any option that `charlm train --help` lists can
# be given to `fit`, as `features=512`.

# %%
OPTIONS = {
    "tiny": {
        **{"layers": 1, "features": 64, "embedding": 0, "dropout": 0.0},
        **{"batch_size": 8, "seq_length": 25, "steps": 300, "log_every": 10},
        **{"eval_every": 50, "sample_every": 100, "sample_length": 100},
    },
    "full": {},  # two layers of 256, twenty times through the text
}
model = charlm.fit(TEXT, WORKDIR, **OPTIONS[SIZE])

# %% [markdown]
# ## What it writes

# %%
PROMPT = ""  # @param {type: "string"}
TEMPERATURE = 0.8  # @param {type: "slider", min: 0, max: 1.5, step: 0.05}
LENGTH = 400  # @param {type: "integer"}
SEED = 1  # @param {type: "integer"}

print(
    PROMPT + model.generate(PROMPT, length=LENGTH, temperature=TEMPERATURE, seed=SEED)
)

# %% [markdown]
# ## To take with you
#
# A zip of the run: all that `sample.ipynb` needs, which also looks inside the model.

# %%
import shutil

folder = Path(WORKDIR).expanduser()
print(shutil.make_archive(str(folder), "zip", folder.parent, folder.name))
