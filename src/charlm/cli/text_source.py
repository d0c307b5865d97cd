"""The text that a run is looked at with: a file, or a part of the run's own."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from charlm.data.corpus import SPLITS, split_slices
from charlm.data.vocab import Vocab
from charlm.errors import UserError
from charlm.training.build import corpus_of


def read_text(
    config: Mapping[str, Any],
    vocab: Vocab,
    notes: Mapping[str, Any],
    *,
    text: str,
    split: str,
) -> np.ndarray:
    """ids[n] of a file, or of a part of the text that a run was trained on.

    Args:
      config: of the run.
      vocab: of its model.
      notes: of its checkpoint, which know the text.
      text: the file; "" reads the part.
      split: "train", "valid" or "test".

    Raises:
      UserError: there is no such text, or the model has never seen its characters.
    """
    anything = {"path": "", "corpus": "", "encoding": "utf-8", "unit": vocab.unit}
    data = {**anything, **config.get("data", {})}
    if text:
        corpus = corpus_of({**data, "path": text})
        return vocab.translate(corpus.ids, corpus.vocab, what=text)
    if split not in SPLITS:
        raise UserError(f"--split={split}: choose one of {', '.join(SPLITS)}")
    if "split" not in data:
        raise UserError("this run's config names no text; name a file with --text=FILE")
    if data["path"] and not Path(data["path"]).exists():
        raise UserError(
            f"the text of this run, {data['path']}, is not there; put it back, or name"
            " another with --text=FILE"
        )
    corpus = corpus_of(data)
    if notes.get("text_sha256") not in ("", corpus.sha256):
        raise UserError(
            "the text has changed since this run, and so have its parts; put it back as"
            " it was, or name a whole file with --text=FILE"
        )
    part = split_slices(len(corpus.ids), data["split"])[split]
    if part.stop - part.start < 2:
        raise UserError(
            f"this run's {split} part has {part.stop - part.start} characters"
            f" (data.split is {tuple(data['split'])}); choose another --split, or"
            " --text=FILE"
        )
    return vocab.translate(corpus.ids[part], corpus.vocab, what=split)
