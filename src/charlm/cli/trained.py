"""read_text: resolves --text and --split to token ids."""

import dataclasses
import os
from collections.abc import Mapping
from typing import Any

import numpy as np

from charlm.config import DataConfig
from charlm.data.corpus import SPLITS, split_slices
from charlm.data.vocab import Vocab
from charlm.errors import UserError
from charlm.training.build import open_text


def read_text(
    data: DataConfig, vocab: Vocab, notes: Mapping[str, Any], text: str, split: str
) -> np.ndarray:
    """Returns ids[n] of a file, or of a part of the text that a run was trained on.

    Args:
      data: of the run's config.
      vocab: of its model.
      notes: of its checkpoint, with the text's SHA-256.
      text: the file; "" reads the part.
      split: "train", "valid" or "test".

    Raises:
      UserError: there is no such text, or the model has never seen its characters.
    """
    if text:
        corpus = open_text(dataclasses.replace(data, path=text, unit=vocab.unit))
        return vocab.translate(corpus.ids, corpus.vocab, what=text)
    if split not in SPLITS:
        raise UserError(f"--split={split}: choose one of {', '.join(SPLITS)}")
    if (data.path or not data.corpus) and not os.path.exists(data.path):
        raise UserError(
            f"the text of this run, {data.path!r}, is not there; put it back, or name"
            " another with --text=FILE"
        )
    corpus = open_text(data)
    if notes.get("text_sha256") not in ("", corpus.sha256):
        raise UserError(
            "the text has changed since this run, and so have its parts; restore it, or"
            " name a whole file with --text=FILE"
        )
    part = split_slices(len(corpus.ids), data.split)[split]
    count = part.stop - part.start
    if count < 2:
        raise UserError(
            f"this run's {split} part has {count} characters (data.split is"
            f" {data.split}); choose another --split, or --text=FILE"
        )
    return vocab.translate(corpus.ids[part], corpus.vocab, what=split)
