"""What was mended for accelerators, so that a program can be compiled without it."""

import contextlib
from collections.abc import Iterator
from typing import Any
from unittest import mock

import optax

from charlm.model import cudnn, dropout, recurrence
from charlm.training import step


def _loss_by_index(logits, targets):
    return optax.softmax_cross_entropy_with_integer_labels(logits, targets).mean()


# By name: (module, attribute, as it was at commit 3877088).
MENDS: dict[str, tuple[Any, str, Any]] = {
    "layouts pinned around cuDNN": (cudnn, "_pin", lambda x: x),
    "masks of a window at once": (dropout, "get_platform", lambda: "cpu"),
    "loss without scatter": (step, "nats_per_char", _loss_by_index),
    "padded to whole registers": (recurrence, "get_platform", lambda: "cpu"),
}


@contextlib.contextmanager
def without(*names: str) -> Iterator[None]:
    """Traces programs as they were before the mends of these names."""
    with contextlib.ExitStack() as changed:
        for name in names:
            module, attribute, before = MENDS[name]
            changed.enter_context(mock.patch.object(module, attribute, before))
        yield
