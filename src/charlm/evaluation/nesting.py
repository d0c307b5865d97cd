"""What is opened and closed in a text: which openings came to their own closers.

A text is a stretch cut out of something longer: it begins and ends anywhere. So an
opening is judged by what comes after it, and by nothing else:

* right, if its own closer comes and all that was opened inside it is closed;
* wrong, if something comes that cannot come while it is open: the closer of what stands
  around it, a closer of another name, or a mark at which nothing may be open;
* left out, if the text ends before either.

A closer that closes nothing is wrong only after a mark at which nothing may be open:
before it, what it closes may stand before the text.
"""

from collections.abc import Iterable, Iterator
from typing import Literal, NamedTuple

# Closers look no further down for their opening. Real texts nest less than half as
# deep; so the work is linear in the marks, whatever the text.
REACH = 50


Side = Literal["open", "close", "cut", "fresh", "if", "else", "end"]


class Mark(NamedTuple):
    """A place of a text that opens or closes something.

    Attributes:
      place: the character at which it begins.
      side: "open" and "close"; "cut": what `name` opened, if anything, is broken off
        here; "fresh": nothing may be open here; "if", "else" and "end": of branches
        of which a program has one, each of which begins with what was open at the "if".
      name: which closer belongs to which opening.
      row: what it is counted as.
    """

    place: int
    side: Side
    name: str = ""
    row: str = ""


def either(place: int, opens: bool, name: str, row: str) -> Mark:
    """The mark of what opens, or else closes."""
    return Mark(place, "open" if opens else "close", name, row)


def bracket(place: int, sign: str, row: str) -> Mark:
    """The mark of a bracket, of any of the three kinds."""
    n = "([{)]}".index(sign)
    return either(place, n < 3, "([{"[n % 3], row)


class Judged(NamedTuple):
    """One thing of a text that is right or wrong.

    Attributes:
      row: what it is counted as.
      right: whether it is.
      distance: from an opening to the closer, right or mistaken, in characters; None of
        what is not nested, and of closers that closed nothing.
    """

    row: str
    right: bool
    distance: int | None = None


# What is open: the innermost opening and what is open around it. Never changed, so that
# branches can go back to it.
Open = tuple[Mark, "Open"] | None


def judge(marks: Iterable[Mark]) -> Iterator[Judged]:
    """Openings, and closers of nothing, as they are decided; see above for the rule."""
    top: Open = None
    count = 0  # of marks at which nothing may be open
    branches: list[tuple[Open, int]] = []
    for mark in marks:
        match mark.side:
            case "open":
                top = mark, top
            case "close":
                depth = depth_of(top, mark)
                if depth is None and count:
                    yield Judged(mark.row, False)
                for n in range(depth or 0):
                    opening, top = top  # pyright: ignore[reportGeneralTypeIssues]
                    own = n + 1 == depth and opening.name == mark.name
                    yield Judged(opening.row, own, mark.place - opening.place)
            case "cut":
                for _ in range(depth_named(top, mark.name) or 0):
                    opening, top = top  # pyright: ignore[reportGeneralTypeIssues]
                    yield Judged(opening.row, False, mark.place - opening.place)
            case "fresh":
                for opening in innermost(top):
                    yield Judged(opening.row, False, mark.place - opening.place)
                top, count = None, count + 1
            case "if":
                branches.append((top, count))
            case "else" if branches:
                saved, then = branches[-1]
                top = saved if then == count else None
            case "end" if branches:
                branches.pop()


def depth_of(top: Open, closer: Mark) -> int | None:
    """How many openings end at a closer; None if it closes nothing.

    They are those down to the innermost one of its name. If there is none, the closer
    is mistaken for that of the innermost opening that is counted in the same row.
    """
    depth = depth_named(top, closer.name)
    if depth is None:
        rows = [opening.row for opening in innermost(top)]
        depth = rows.index(closer.row) + 1 if closer.row in rows else None
    return depth


def depth_named(top: Open, name: str) -> int | None:
    """How many openings there are down to the innermost one of a name; None: no one."""
    for depth, opening in enumerate(innermost(top), 1):
        if opening.name == name:
            return depth
    return None


def innermost(top: Open) -> Iterator[Mark]:
    """The innermost openings, as many as a closer looks at, from the inside out."""
    for _ in range(REACH):
        if top is None:
            return
        mark, top = top
        yield mark
