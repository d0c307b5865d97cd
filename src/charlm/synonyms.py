"""What is meant by the name of an option that does not exist."""

import difflib
from collections.abc import Iterable

# What other frameworks call our options, where no name of ours is similar.
NAMES_ELSEWHERE = {
    "optim.learning_rate": "lr",
    "optim.rms_decay": "decay_rate",
    "optim.decay": "lr_decay",
    "optim.name": "optimizer",
    "optim.weight_decay": "wd",
    "model.features": "hidden_units rnn_size width units",
    "model.layers": "depth",
    "model.cell": "rnn_type model",
    "model.embedding": "wordvec_size",
    "train.seq_length": "bptt context",
    "train.batch_size": "batch bs",
    "train.steps": "max_iters iterations",
    "train.checkpoint_every": "save_every",
    "data.path": "file input text",
    "data.corpus": "dataset",
    "seed": "random_seed",
}
SYNONYMS = {
    word: name for name in NAMES_ELSEWHERE for word in NAMES_ELSEWHERE[name].split()
}


def find_similar(word: str, words: Iterable[str]) -> str:
    """Returns the one of some words that is most like `word`, or ""."""
    return (difflib.get_close_matches(word.lower(), [*words], n=1) or [""])[0]


def describe_unknown(name: str, names: Iterable[str]) -> str:
    """Returns the message for an option that is none of `names`, with a likely one."""
    words = SYNONYMS | {full.rpartition(".")[2]: full for full in names}
    near = find_similar(name.rpartition(".")[2], words)
    hint = f"did you mean {words[near]}?" if near else "--help lists the options"
    return f"the config has no {name}; {hint}"
