"""Wikipedia's dumps: pages of XML that hold wiki markup that holds escaped HTML."""

import itertools
import re
from collections.abc import Iterator
from xml.parsers import expat

from experiments.structure.bracket_matching import Mark, Verdict, judge, make_mark

PAGES, TAGS, INNER, LINKS, TEMPLATES, TABLES, ADDRESSES, HEADINGS = MEASURES = (
    "pages well formed",
    "tags closed in order",
    "inner tags closed in order",
    "links [[ ]] closed",
    "templates {{ }} closed",
    "tables {| |} closed",
    "addresses [http ] closed",
    "headings == == closed",
)
# HTML's tags without an end, and those whose end is optional.
UNPAIRED = {
    "br", "dd", "dt", "hr", "img", "li", "p", "references", "td", "th", "tr",
}  # fmt: skip
# No repetition is unbounded that could begin again at the next character, so that the
# work is linear in the text.
TOKEN = re.compile(
    r"""
    <(?P<end>/?)(?P<tag>[A-Za-z][\w:.-]{0,40})(?P<rest>[^<>]{0,300})>
    | &lt;!--(?:(?!--&gt;|</text>)[\s\S])*(?P<comment>--&gt;|)
    # No markup is in these.
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


def read_wiki(text: str) -> Iterator[Verdict]:
    """Yields verdicts on each page, tag, link, template, table, address and heading.

    Two levels of tags are told apart: those of the dump, and those that pages hold,
    whose signs the dump writes as &lt; and &gt;. A page that another interrupts is not
    well formed. Nothing may be open where a page begins, and no link where a paragraph,
    an item of a list or a cell of a table does; addresses and headings end with their
    line. What is in a comment, <nowiki>, <math> or <pre> is no markup.
    """
    yield from judge(_find_marks(text))
    for token in TOKEN.finditer(text):
        if token.end() == len(text):
            break
        if token.lastgroup == "address":
            yield Verdict(ADDRESSES, token["address"] == "]")
        elif token.lastgroup == "heading":
            signs, line = token["signs"], token[0].rstrip()
            title = line.removesuffix(signs)
            yield Verdict(HEADINGS, "" < title < line and title[-1] != "=")
    starts = [match.start() for match in re.finditer("<page>", text)]
    for start, end in itertools.pairwise([*starts, len(text)]):
        closer = text.find("</page>", start, end)
        if closer >= 0:
            yield Verdict(PAGES, _is_xml(text[start : closer + len("</page>")]))
        elif end < len(text):
            yield Verdict(PAGES, False)


def _find_marks(text: str) -> Iterator[Mark]:
    """Yields the marks of the tags of both levels, links, templates and tables."""
    for token in TOKEN.finditer(text):
        start = token.start()
        match token.lastgroup:
            case "rest":
                if token["tag"] == "page" and not token["end"]:
                    yield Mark(start, "reset")
                if not token["rest"].endswith("/"):
                    yield make_mark(start, not token["end"], "<" + token["tag"], TAGS)
            case "plain_end":
                yield Mark(start, "open", token["plain"], INNER)
                end = token.start("plain_end")
                if token["plain_end"] == "</text>":
                    yield Mark(end, "close", "<text", TAGS)
                elif token["plain_end"]:
                    yield Mark(end, "close", token["plain_end"][5:-4], INNER)
            case "inner_rest":
                name = token["inner"].lower()
                if name not in UNPAIRED and not token["inner_rest"].endswith("/"):
                    yield make_mark(start, not token["inner_end"], name, INNER)
            case "link":
                yield make_mark(start, token["link"] == "[[", "[[", LINKS)
            case "template":
                yield make_mark(start, token["template"] == "{{", "{{", TEMPLATES)
            case "table":
                yield make_mark(start, token["table"].endswith("{|"), "{|", TABLES)
            case "paragraph":
                yield Mark(start, "cut", "[[", LINKS)


def _is_xml(page: str) -> bool:
    """Returns whether a parser of XML accepts a page.

    A page declares no entities, so that none expand.
    """
    try:
        expat.ParserCreate().Parse(page.encode(errors="replace"), True)
    except expat.ExpatError:
        return False
    return True
