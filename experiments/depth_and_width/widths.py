"""How wide a stack is that has as many parameters as a budget."""

GATES = {"rnn": 1, "gru": 3, "lstm": 4}


def parameters(cell: str, *, layers: int, width: int, vocab_size: int) -> int:
    """Of a stack that reads one-hot characters, its softmax included."""
    gates, above = GATES[cell] * width, layers - 1
    first = gates * (vocab_size + width + 1)
    return first + above * gates * (2 * width + 1) + (width + 1) * vocab_size


def width_of(cell: str, *, layers: int, budget: int, vocab_size: int) -> int:
    """The width whose parameters come nearest to those of an LSTM layer of `budget`."""
    aim = parameters("lstm", layers=1, width=budget, vocab_size=vocab_size)

    def off(width):
        found = parameters(cell, layers=layers, width=width, vocab_size=vocab_size)
        return abs(found - aim)

    return min(range(1, 4 * budget + 1), key=off)
