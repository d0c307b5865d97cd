"""Wikipedia's dumps: pages of XML that hold wiki markup that holds escaped HTML."""

import itertools
import re
from collections.abc import Iterator
from xml.parsers import expat

from experiments.structure.bracket_matching import Judged, Mark, either, judge

PAGES, TAGS, INNER, LINKS, TEMPLATES, TABLES, ADDRESSES, HEADINGS = ROWS = (
    "pages well formed",
    "tags closed in order",
    "inner tags closed in order",
    "links [[ ]] closed",
    "templates {{ }} closed",
    "tables {| |} closed",
    "addresses [http ] closed",
    "headings == == closed",
)
# Of HTML: those without an end, and those whose end may be left out.
SINGLE = {
    "br", "dd", "dt", "hr", "img", "li", "p", "references", "td", "th", "tr",
}  # fmt: skip
# No repetition is unbounded that could begin again at the next character, so that the
# work is linear in the text.
TOKEN = re.compile(
    r"""
    <(?P<end>/?)(?P<tag>[A-Za-z][\w:.-]{0,40})(?P<rest>[^<>]{0,300})>
    | &lt;!--(?:(?!--&gt;|</text>)[\s\S])*(?P<comment>--&gt;|)
    # No markup stands in these.
    | &lt;(?P<plain>nowiki|math|pre)[ ]*&gt;
      (?:(?!&lt;/(?:nowiki|math|pre)&gt;|</text>)[\s\S])*
      (?P<plain_end>&lt;/(?:nowiki|math|pre)&gt;|</text>|\Z)
    | &lt;(?P<inner_end>/?)(?P<inner>[A-Za-z][A-Za-z0-9]{0,20})
      (?P<inner_rest>(?:[ /](?:(?!&[lg]t;)[^\n<>]){0,300})?)&gt;
    | (?P<link>\[\[|\]\])
    | (?P<template>\{\{|\}\})
    | (?P<table>^[:*\ ]*\{\||^[:\ ]*\|\}(?!\}))
    | \[(?:https?|ftp|mailto):[^\]\n<]*(?P<address>\]|(?=[\n<])|\Z)
    | ^(?P<signs>={2,6})[^=\n<][^\n<]*(?P<heading>$)
    | (?P<paragraph>\n(?=[ ]*\n|[*\#:;=|!]))
    """,
    re.VERBOSE | re.MULTILINE,
)


def read_wiki(text: str) -> Iterator[Judged]:
    """Each page, tag, link, template, table, address and heading of a text.

    Two levels of tags are told apart: those of the dump, and those that pages hold,
    whose signs the dump writes as &lt; and &gt;. A page that another interrupts is not
    well formed. Nothing may be open where a page begins, and no link where a paragraph,
    an item of a list or a cell of a table does; addresses and headings end with their
    line. What stands in a comment, <nowiki>, <math> or <pre> is no markup.
    """
    yield from judge(_marks(text))
    yield from _lines(text)
    yield from _pages(text)


def _marks(text: str) -> Iterator[Mark]:
    """The tags of both levels, links, templates and tables."""
    for token in TOKEN.finditer(text):
        place = token.start()
        match token.lastgroup:
            case "rest":
                if token["tag"] == "page" and not token["end"]:
                    yield Mark(place, "fresh")
                if not token["rest"].endswith("/"):
                    yield either(place, not token["end"], "<" + token["tag"], TAGS)
            case "plain_end":
                yield Mark(place, "open", token["plain"], INNER)
                at = token.start("plain_end")
                if token["plain_end"] == "</text>":
                    yield Mark(at, "close", "<text", TAGS)
                elif token["plain_end"]:
                    yield Mark(at, "close", token["plain_end"][5:-4], INNER)
            case "inner_rest":
                name = token["inner"].lower()
                if name not in SINGLE and not token["inner_rest"].endswith("/"):
                    yield either(place, not token["inner_end"], name, INNER)
            case "link":
                yield either(place, token["link"] == "[[", "[[", LINKS)
            case "template":
                yield either(place, token["template"] == "{{", "{{", TEMPLATES)
            case "table":
                yield either(place, token["table"].endswith("{|"), "{|", TABLES)
            case "paragraph":
                yield Mark(place, "cut", "[[", LINKS)


def _lines(text: str) -> Iterator[Judged]:
    """The addresses and headings of a text, which end with their line."""
    for token in TOKEN.finditer(text):
        if token.end() == len(text):
            return
        if token.lastgroup == "address":
            yield Judged(ADDRESSES, token["address"] == "]")
        elif token.lastgroup == "heading":
            line = token[0].rstrip()
            signs = token["signs"]
            yield Judged(
                HEADINGS, line.endswith(signs) and line[: -len(signs)][-1] != "="
            )


def _pages(text: str) -> Iterator[Judged]:
    """The pages that begin in a text, but the last if the text ends before it does."""
    starts = [found.start() for found in re.finditer("<page>", text)]
    for start, end in itertools.pairwise([*starts, len(text)]):
        closed = text.find("</page>", start, end)
        if closed >= 0:
            yield Judged(PAGES, _well_formed(text[start : closed + len("</page>")]))
        elif end < len(text):
            yield Judged(PAGES, False)


def _well_formed(page: str) -> bool:
    """Whether a parser of XML accepts a page; it declares no entities, so none grow."""
    try:
        expat.ParserCreate().Parse(page.encode(errors="replace"), True)
    except expat.ExpatError:
        return False
    return True
