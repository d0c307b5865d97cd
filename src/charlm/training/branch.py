"""Runs that start from another run: from its best weights, or from its whole state."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import jax
import numpy as np
import optax

from charlm.config import RunConfig
from charlm.errors import UserError
from charlm.files import local_path
from charlm.model.cell import Cell
from charlm.model.init import expand_vocab
from charlm.options import CUSTOM, flatten
from charlm.training.build import Run, build_optimizer, init_run
from charlm.training.resume import check_resumable, has_checkpoint
from charlm.training.step import TrainState, init_state
from charlm.workdir import model_files
from charlm.workdir.checkpoints import restore_chosen

Optimizer = optax.GradientTransformation
SHAPE = ("cell", "layers", "features", "embedding")  # of a model's parameters


def make_initial_state(run: Run, optimizer: Optimizer | None = None) -> TrainState:
    """Returns the state before the first step of a run.

    It is random, or that of train.init_from or train.branch_from.

    Args:
      run: the run.
      optimizer: of fit; it was also that of train.branch_from, if that had one of its
        own.
    """
    train = run.config.train
    if train.branch_from:
        return _branch(run, init_run(run), optimizer)
    if train.init_from:
        return init_run(run, _transfer_params(_load_origin(run.config), run))
    return init_run(run)


def inherit_options(
    config: RunConfig, workdir: Path, given: Iterable[str], *, all_options: bool
) -> RunConfig:
    """Returns a config with what it does not give as in the run that it starts from.

    Args:
      config: with train.init_from or train.branch_from, or it is returned as it is.
      workdir: of the run; what a run has inherited, it keeps.
      given: the options, by full names, that the user has given.
      all_options: whether a branch inherits all other options; else, as one from best
        weights does, the shape of the model and the unit of the text.
    """
    origin = config.train.branch_from or config.train.init_from
    if not origin:
        return config
    source = workdir if has_checkpoint(workdir) else Path(local_path(origin))
    there = model_files.read_config(source).to_dict()
    names = {"data.unit", *(f"model.{name}" for name in SHAPE)}
    if config.train.branch_from and all_options:
        names = set(flatten(there)) - {"train.branch_from", "train.init_from"}
    values = config.to_dict()
    values["model"]["cell"] = config.model.cell  # may be an object
    if isinstance(config.model.cell, Cell):
        names.discard("model.cell")
    for name in names - {*given}:
        section, _, leaf = name.rpartition(".")
        part, source_part = (values, there)
        if section:
            part, source_part = values[section], there[section]
        part[leaf] = source_part[leaf]
    return RunConfig.from_dict(values)


def _load_origin(config: RunConfig) -> model_files.Model:
    """Returns the model of train.init_from."""
    cell = config.model.cell if isinstance(config.model.cell, Cell) else None
    return model_files.load(config.train.init_from, cell=cell)[0]


def _transfer_params(start: model_files.Model, run: Run) -> Any:
    """Returns the parameters of `start`, expanded to the vocabulary of a run."""
    init = run.lm.init(jax.random.key(run.config.seed))
    new_ids = run.vocab.translate(
        np.arange(len(start.vocab)), start.vocab, what="train.init_from"
    )
    return expand_vocab(start.params, init, new_ids.tolist())


def _branch(run: Run, state: TrainState, optimizer: Optimizer | None) -> TrainState:
    """Returns the newest state of the run of train.branch_from, for another run.

    The step, the weights and the optimizer's state go on; the parts of that state that
    the new optimizer does not have in the same shape start anew, and so does the carry
    with another batch size. The random numbers are those of the new run's seed.

    Args:
      run: the new run.
      state: its state before the first step.
      optimizer: that of the other run, if it had one of its own.
    """
    origin = Path(run.config.train.branch_from)
    there = model_files.read_config(origin)
    for name in SHAPE:
        if getattr(there.model, name) != getattr(run.config.model, name):
            raise UserError(
                f"model.{name} is {getattr(there.model, name)!r} in {origin}, whose"
                " state is to go on; give that value"
            )
    if model_files.read_vocab(origin) != run.vocab:
        raise UserError(
            f"the text has symbols that the run in {origin} does not know; start from"
            " its weights alone, with train.init_from"
        )
    check_resumable(origin, "")
    if there.optim.name != CUSTOM:
        optimizer, _ = build_optimizer(there.optim, steps_per_epoch=1, steps=1)
    like = jax.eval_shape(
        lambda: init_state(
            run.lm, optimizer or run.optimizer, batch_size=there.train.batch_size
        )
    )
    trees = {"params": like.params, "run": like._replace(params=())}
    restored = restore_chosen(origin, "latest", trees)
    old = TrainState(*restored.trees["run"])._replace(params=restored.trees["params"])
    same = _get_shapes(old.carry) == _get_shapes(state.carry)
    return state._replace(
        step=old.step,
        params=old.params,
        opt_state=_transfer(old.opt_state, state.opt_state),
        carry=old.carry if same else state.carry,
    )


def _transfer(old: Any, new: Any) -> Any:
    """Returns an optimizer's new state with the parts that an old one has as well."""
    if _get_shapes(old) == _get_shapes(new):
        return old
    if type(new) is not tuple or type(old) is not tuple:
        return new
    rest = [part for part in old if jax.tree.leaves(part)]
    parts = []
    for part in new:  # of a chain, in the same order
        found = [n for n, other in enumerate(rest) if type(other) is type(part)]
        parts.append(_transfer(rest.pop(found[0]), part) if found else part)
    return tuple(parts)


def _get_shapes(tree: Any) -> tuple[Any, list[tuple[int, ...]]]:
    return jax.tree.structure(tree), [leaf.shape for leaf in jax.tree.leaves(tree)]
