"""Counts the parameters of a stack, and finds the width that fits a budget of them."""

GATES = {"rnn": 1, "gru": 3, "lstm": 4}


def count_parameters(cell: str, *, layers: int, width: int, vocab_size: int) -> int:
    """Returns the parameters of a stack that reads one-hot characters, and its head.

    Args:
      cell: a key of GATES.
      layers: of the stack.
      width: units of a layer.
      vocab_size: symbols.
    """
    gates, above = GATES[cell] * width, layers - 1
    first = gates * (vocab_size + width + 1)
    return first + above * gates * (2 * width + 1) + (width + 1) * vocab_size


def find_width(cell: str, *, layers: int, budget: int, vocab_size: int) -> int:
    """Returns the width whose parameters are nearest to a budget.

    Args:
      cell: a key of GATES.
      layers: of the stack.
      budget: the width of the LSTM layer whose parameters are the budget.
      vocab_size: symbols.
    """
    target = count_parameters("lstm", layers=1, width=budget, vocab_size=vocab_size)

    def get_distance(width):
        size = count_parameters(cell, layers=layers, width=width, vocab_size=vocab_size)
        return abs(size - target)

    return min(range(1, 4 * budget + 1), key=get_distance)
