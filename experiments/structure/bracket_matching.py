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


class Open(NamedTuple):
    """What is open at a place. It never changes, so that branches can go back to it.

    Attributes:
      mark: the innermost opening.
      around: what was open before it, if anything.
    """

    mark: Mark
    around: "Open | None"


def judge(marks: Iterable[Mark]) -> Iterator[Judged]:
    """Openings, and closers of nothing, as they are decided; see above for the rule."""
    top: Open | None = None
    fresh = 0  # marks so far at which nothing may be open
    branches: list[tuple[Open | None, int]] = []
    for mark in marks:
        match mark.side:
            case "open":
                top = Open(mark, top)
            case "close" | "cut" | "fresh":
                ended = ended_by(mark, top)
                for opening, around in ended:
                    own = around is ended[-1].around and opening.name == mark.name
                    right = own and mark.side == "close"
                    yield Judged(opening.row, right, mark.place - opening.place)
                    top = around
                if mark.side == "fresh":
                    top, fresh = None, fresh + 1
                elif mark.side == "close" and fresh and not ended:
                    yield Judged(mark.row, False)
            case "if":
                branches.append((top, fresh))
            case "else" if branches:
                top, then = branches[-1]
                top = top if then == fresh else None
            case "end" if branches:
                branches.pop()


def ended_by(mark: Mark, top: Open | None) -> list[Open]:
    """The openings that a mark ends, from the inside out.

    They are those down to the innermost one of its name. If there is none, a closer is
    mistaken for that of the innermost opening that is counted in its row.
    """
    inner = []
    while top is not None and len(inner) < REACH:
        inner.append(top)
        top = top.around
    if mark.side == "fresh":
        return inner
    names = [each.mark.name for each in inner]
    if mark.name in names:
        return inner[: names.index(mark.name) + 1]
    rows = [each.mark.row for each in inner]
    if mark.side == "close" and mark.row in rows:
        return inner[: rows.index(mark.row) + 1]
    return []
