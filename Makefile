# Every target sets itself up in .venv, and is quick when nothing changed.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: setup torch web demo test lint docs linkcheck bench gpu bench-gpu faults experiment \
  experiments-gpu gpu-parcel accelerators clean

setup: .venv/dev

.venv/bin/python:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "charlm needs Python 3.11 or later; say which with PYTHON=")'
	$(PYTHON) -m venv .venv

.venv/run: pyproject.toml .venv/bin/python
	$(BIN)/pip install --quiet --editable '.[viz]'
	touch $@

.venv/dev: .venv/run
	$(BIN)/pip install --quiet --editable '.[dev]'
	touch $@

# PyTorch, which tests and the bench compare with.
TORCH ?= 2.13.0
torch: .venv/torch
.venv/torch: .venv/dev
	$(BIN)/pip install --quiet --editable '.[torch]' 'torch==$(TORCH)'
	touch $@

# Playwright, by which tests look at pages in a browser that is on the machine.
web: .venv/web
.venv/web: .venv/dev
	$(BIN)/pip install --quiet --editable '.[web]'
	touch $@

demo: .venv/run
	rm -rf runs/demo
	$(BIN)/charlm train --config=demo
	$(BIN)/charlm curve runs/demo
	@echo && echo 'Two samples of what it has learnt, from "def ":'
	$(BIN)/charlm sample runs/demo "def " --length=400 --temperature=0.8 --top_p=0.9 --samples=2

# A worker for each core, each with one thread for its products.
test: .venv/dev
	JAX_PLATFORMS=cpu OPENBLAS_NUM_THREADS=1 $(BIN)/pytest -n auto --dist worksteal -q --nbmake tests notebooks

lint: .venv/dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright
	$(BIN)/jupytext --test --to py:percent notebooks/*.ipynb

.venv/docs: .venv/run
	$(BIN)/pip install --quiet --editable '.[docs]'
	touch $@

# The site, in docs/_build/html. Its notebooks run at the first build; links to its own
# pages are checked.
SPHINX = JAX_PLATFORMS=cpu $(BIN)/sphinx-build -W --keep-going --quiet
docs: .venv/docs
	$(SPHINX) -b html docs docs/_build/html
	$(BIN)/python docs/check_links.py docs/_build/html

# The links to other sites too, which needs a network.
linkcheck: .venv/docs
	$(SPHINX) -b linkcheck docs docs/_build/linkcheck

bench: .venv/torch
	$(BIN)/python -m experiments.speed.run
	$(BIN)/python -m experiments.speed.plot

# A campaign of faults and bad inputs; SCALE=0.1 is a tenth of it.
SCALE ?= 1.0
SEED ?= 0
faults: .venv/dev
	$(BIN)/python -m experiments.faults.run --scale=$(SCALE) --seed=$(SEED)
	$(BIN)/python -m experiments.faults.memory

gpu: .venv/run
	$(BIN)/pip install --quiet --editable '.[cuda]'
	@$(BIN)/python -c 'import sys, jax; jax.default_backend() == "gpu" or sys.exit("error: JAX finds no GPU here")'
	$(BIN)/pip install --quiet pytest hypothesis beartype
	$(BIN)/pytest -q tests/test_accelerators.py -k on_a_gpu

# Parts of experiments/gpu. They install nothing, since a machine with a GPU may have no
# network: `make gpu torch` first where it has one.
ON_GPU = $(or $(wildcard $(BIN)/python),$(PYTHON)) -m experiments.gpu.run
bench-gpu:
	$(ON_GPU) --output=runs/gpu-bench --stages=machine,correctness,bench

# The corpora at the post's sizes, where the texts are here, for so many seconds; the same
# command goes on.
GPU_SECONDS ?= 540
experiments-gpu:
	$(ON_GPU) --output=runs/gpu-experiments --stages=machine,correctness,train,scores,collect --seconds=$(GPU_SECONDS)

# What a machine without network lacks, beside the tree: wheels and texts.
gpu-parcel: .venv/run
	PYTHONPATH=src:. $(BIN)/python -m experiments.gpu.pack

.venv/experiment: .venv/run
	$(BIN)/pip install --quiet --editable '.[experiments]'
	touch $@

# One of the folders of experiments/ whose README names this command.
experiment: .venv/experiment
	@test -f experiments/$(NAME)/run.py || { echo 'error: say which of experiments/ with NAME='; exit 2; }
	PYTHONPATH=. $(BIN)/python experiments/$(NAME)/run.py

# The compilers for GPUs and TPUs that are not here, 2 GB; some ten minutes.
.accelerators/run: pyproject.toml
	$(PYTHON) -m venv .accelerators
	.accelerators/bin/pip install --quiet --editable '.[tpu]'
	.accelerators/bin/pip install --quiet "jax-cuda13-plugin==$$(.accelerators/bin/python -c 'import jaxlib; print(jaxlib.__version__)')"
	touch $@

accelerators: .accelerators/run
	.accelerators/bin/python -m experiments.accelerators.run

clean:  # but not runs/, where models are kept
	rm -rf .venv .accelerators runs/demo docs/_build docs/experiments .pytest_cache .ruff_cache .hypothesis
