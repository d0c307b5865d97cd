"""Which openers of a text are closed by their own closers.

A text is a passage of something longer: it begins and ends anywhere. So an opener is
judged by what comes after it, and by nothing else:

* it is correct if its own closer comes and all that was opened inside it is closed;
* it is wrong if something comes that cannot come while it is open: the closer of what
  is around it, a closer of another name, or a mark at which nothing may be open;
* it is left out if the text ends before either.

A closer that closes nothing is wrong only after a mark at which nothing may be open:
before it, the opener may precede the text.
"""

from collections.abc import Iterable, Iterator
from typing import Literal, NamedTuple

from charlm.interpret.labels.brackets import MAX_NESTING

Side = Literal["open", "close", "cut", "reset", "if", "else", "end"]


class Mark(NamedTuple):
    """A place of a text that opens or closes something.

    Attributes:
      start: its first character.
      side: "open" and "close"; "cut": what `name` opened, if anything, is broken off
        here; "reset": nothing may be open here; "if", "else" and "end": of branches
        of which a program has one, each of which begins with what was open at the "if".
      name: which closer belongs to which opener.
      measure: the name of the measure that counts it.
    """

    start: int
    side: Side
    name: str = ""
    measure: str = ""


def make_mark(start: int, opens: bool, name: str, measure: str) -> Mark:
    """Returns the mark of an opener or a closer."""
    return Mark(start, "open" if opens else "close", name, measure)


def make_bracket(start: int, bracket: str, measure: str) -> Mark:
    """Returns the mark of a bracket, of any of the three kinds."""
    n = "([{)]}".index(bracket)
    return make_mark(start, n < 3, "([{"[n % 3], measure)


class Verdict(NamedTuple):
    """A verdict on one thing in a text.

    Attributes:
      measure: the name of the measure that counts it.
      correct: whether it is.
      distance: from an opener to the closer, right or mistaken, in characters; None for
        what is not nested, and for closers that closed nothing.
    """

    measure: str
    correct: bool
    distance: int | None = None


class Stack(NamedTuple):
    """What is open at a place. It never changes, so that branches can go back to it.

    Attributes:
      mark: the innermost opener.
      rest: what was open before it, if anything.
    """

    mark: Mark
    rest: "Stack | None"


def judge(marks: Iterable[Mark]) -> Iterator[Verdict]:
    """Yields verdicts on openers, and on closers of nothing, in the order of closing.

    The module's docstring has the rule.
    """
    top: Stack | None = None
    resets = 0
    branches: list[tuple[Stack | None, int]] = []
    for mark in marks:
        match mark.side:
            case "open":
                top = Stack(mark, top)
            case "close" | "cut" | "reset":
                stacks = find_ended(mark, top)
                for opener, rest in stacks:
                    is_own = rest is stacks[-1].rest and opener.name == mark.name
                    correct = is_own and mark.side == "close"
                    yield Verdict(opener.measure, correct, mark.start - opener.start)
                    top = rest
                if mark.side == "reset":
                    top, resets = None, resets + 1
                elif mark.side == "close" and resets and not stacks:
                    yield Verdict(mark.measure, False)
            case "if":
                branches.append((top, resets))
            case "else" if branches:
                top, resets_then = branches[-1]
                top = top if resets_then == resets else None
            case "end" if branches:
                branches.pop()


def find_ended(mark: Mark, top: Stack | None) -> list[Stack]:
    """Returns the stacks whose openers a mark ends, from the inside out.

    They are those down to the innermost opener of its name. If there is none, a closer
    is mistaken for that of the innermost opener of its measure.
    """
    inner = []
    while top is not None and len(inner) < MAX_NESTING:
        inner.append(top)
        top = top.rest
    if mark.side == "reset":
        return inner
    names = [stack.mark.name for stack in inner]
    if mark.name in names:
        return inner[: names.index(mark.name) + 1]
    measures = [stack.mark.measure for stack in inner]
    if mark.side == "close" and mark.measure in measures:
        return inner[: measures.index(mark.measure) + 1]
    return []
