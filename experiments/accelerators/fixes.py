"""charlm's fixes for accelerators, each of which a program can be compiled without."""

import contextlib
from collections.abc import Iterator
from typing import Any
from unittest import mock

import optax

from charlm.model import cudnn, dropout, recurrence
from charlm.training import step


def _compute_loss_by_index(logits, targets):
    return optax.softmax_cross_entropy_with_integer_labels(logits, targets).mean()


PINS = "layouts pinned around cuDNN"
MASKS = "masks of a window at once"
LOSS = "loss without scatter"
PADDING = "padded to whole registers"
# By name: a module, an attribute, and its value without the fix.
FIXES: dict[str, tuple[Any, str, Any]] = {
    PINS: (cudnn, "_pin", lambda x: x),
    MASKS: (dropout, "get_platform", lambda: "cpu"),
    LOSS: (step, "nats_per_char", _compute_loss_by_index),
    PADDING: (recurrence, "get_platform", lambda: "cpu"),
}


@contextlib.contextmanager
def without_fixes(*names: str) -> Iterator[None]:
    """Traces programs without the fixes of these names."""
    with contextlib.ExitStack() as stack:
        for name in names:
            module, attribute, value = FIXES[name]
            stack.enter_context(mock.patch.object(module, attribute, value))
        yield
