"""The room `evaluation`: what is closed, what parses, what is copied, what is a name."""

import math
import random
import sys

import numpy as np
import pytest
from conftest import MADE_TEXT
from hypothesis import given, settings
from hypothesis import strategies as st

from charlm.errors import UserError
from charlm.evaluation.copying import grams_known, hashes_of, longest_copies
from charlm.evaluation.kneser_ney import kneser_ney, nats_of_each, score
from charlm.evaluation.nesting import REACH, Mark, judge
from charlm.evaluation.structure import (
    KINDS,
    closing_by_distance,
    copying,
    measure,
    names_measures,
    words_known,
)

NAN = math.nan


def of(kind, text):
    """What there was to judge in a text: {first word of the row: share}."""
    found = measure([text], kind=kind)
    return {row.split()[0]: n for row, n in found.items() if not math.isnan(n)}


def marks(text):
    """Brackets of three names, in one row; | is a mark at which nothing may be open."""
    for place, sign in enumerate(text):
        if sign in "([{":
            yield Mark(place, "open", sign, "row")
        elif sign in ")]}":
            yield Mark(place, "close", "([{"[")]}".index(sign)], "row")
        elif sign == "|":
            yield Mark(place, "fresh")
        elif sign in "?:;":
            yield Mark(place, {"?": "if", ":": "else", ";": "end"}[sign])


@pytest.mark.parametrize(
    "text, right, wrong",
    [
        ("([])", 2, 0),
        ("([", 0, 0),  # the text ends: who knows
        (")]", 0, 0),  # opened before the text, perhaps
        ("|)]", 0, 2),
        ("([)", 1, 1),  # the bracket ] is missing
        ("([)]|]", 1, 2),
        ("(]", 0, 1),  # ] is mistaken for )
        ("(])", 0, 1),
        ("((|", 0, 2),
        ("{?(}:(};", 2, 2),
        ("{?(){:(){;}", 3, 0),  # two branches that open the same brace
        ("{?:?;;;:;}", 1, 0),
        ("?(|:)", 0, 2),  # what was open before a fresh mark stays closed
    ],
)
def test_an_opening_is_judged_by_what_comes_after_it(text, right, wrong):
    judged = [each.right for each in judge(marks(text))]
    assert (sum(judged), len(judged) - sum(judged)) == (right, wrong)


def test_closers_look_no_further_than_their_reach():
    deep = "{" + "(" * (REACH - 1) + "}"
    assert [each.right for each in judge(marks(deep))][-1]
    deep = "{" + "(" * REACH + "}"
    assert [each.right for each in judge(marks(deep))] == [False]


LATEX = [
    (r"\begin{a}\begin{b}\end{b}\end{a}", {"environments": 1}),
    (r"\begin{a}\begin{b}\end{a}", {"environments": 0.5}),
    (r"\begin{lemma}\end{proof}", {"environments": 0}),
    (r"\begin{lemma} \begin{proof} \end{proof}", {"environments": 0.5}),
    (r"\end{proof}", {}),
    ("\\section{A}\n\\end{proof}", {"environments": 0, "braces": 1}),
    (r"\begin{itemize}", {}),
    (r"\begin{document} \begin{a} \end{document}", {"environments": 0}),
    (r"{a {b} \} }", {"braces": 1}),
    (r"\begin{a} { \end{a}", {"braces": 0, "environments": 1}),
    ("{a % }\n}", {"braces": 1}),
    (r"\{ \verb|{| {}", {"braces": 1}),
    (r"\begin{verbatim} { $ \end{verbatim}", {"environments": 1}),
    ("a $ b\n\n$x$ $$y$$ $z$$w$", {"formulas": 1}),
    ("\n\n$x\n\n$$y$$", {"formulas": 0.5}),
    ("\n\n$x {$ a} $y$", {"formulas": 1, "braces": 0}),
    ("\n\n$\\$$ \\\\[2pt]", {"formulas": 1}),
    (r"\[ x \] \( y \) \[ \)", {"formulas": 2 / 3}),
]
PAGE = "<page>\n<title>A</title>\n<text>{}</text>\n</page>\n"
WIKI = [
    (PAGE.format("a"), {"pages": 1, "tags": 1}),
    ("x</b></page><page></page>", {"pages": 1, "tags": 1}),
    ("<page></b></page>", {"pages": 0, "tags": 0}),
    ("<page><b><page></b>", {"pages": 0, "tags": 0}),
    ("<page>&lt;a&b</page>", {"pages": 0, "tags": 1}),
    (PAGE.format("[[a]] [[b|c]]"), {"pages": 1, "tags": 1, "links": 1}),
    ("[[a] b\n\n[[c]]", {"links": 0.5}),
    ("[[a\n* [[c]]", {"links": 0.5}),
    ("[[Image:a|b [[c]]\nd]] [[e", {"links": 1}),
    ("{{a\n| b = [[c]]\n}}", {"templates": 1, "links": 1}),
    ("<text>{{a</text>", {"templates": 0, "tags": 1}),
    ("{|\n| a\n|}\n", {"tables": 1}),
    ("&lt;ref&gt;a&lt;/ref&gt; &lt;br&gt; &lt;b /&gt;", {"inner": 1}),
    ("&lt;sup&gt;2&lt;/sub&gt; a &lt; b", {"inner": 0}),
    ("&lt;div style=&quot;a&quot;&gt;&lt;/div&gt;", {"inner": 1}),
    ("&lt;nowiki&gt;[[ {{&lt;/nowiki&gt; [[a]]", {"inner": 1, "links": 1}),
    ("&lt;math&gt;{{a</text>", {}),
    ("<text>&lt;math&gt;{{a</text>", {"tags": 1, "inner": 0}),
    ("&lt;!-- [[ --&gt; [[a]]", {"links": 1}),
    ("[http://a.b c] [http://d\n e]", {"addresses": 0.5}),
    ("== A ==\n== B =\n==C===\n=====", {"headings": 1 / 3}),
    ("[http://a.b", {}),
]
C_BODY = "\nint f(int a)\n{{\n\t{}\n}}\n"
C = [
    (C_BODY.format("return a;"), {"brackets": 1, "functions": 1}),
    (C_BODY.format("return (a;"), {"brackets": 2 / 3, "functions": 0}),
    (C_BODY.format("if (a) {"), {"brackets": 3 / 4, "functions": 0}),
    (C_BODY.format("}"), {"brackets": 2 / 3, "functions": 0}),
    (C_BODY.format("a b c;"), {"brackets": 1, "functions": 0}),
    ("\nint f(int a)\n{\n\tret" + C_BODY.format(";"), {"brackets": 3 / 4, "functions": 0.5}),
    ("\nint f(int a)\n{\n\treturn", {"brackets": 1}),
    ("\nEXPORT_SYMBOL(f)\n" + C_BODY.format(";"), {"brackets": 1, "functions": 1}),
    ("\nSYSCALL_DEFINE1(f, int, a)\n{\n}\n", {"brackets": 1}),
    ("\nstruct a b = {\n\t1,\n};\n", {"brackets": 1}),
    ("\nstatic int __init f(char __user *a)\n{\n}\n", {"brackets": 1, "functions": 1}),
    ("\nvoid f(void)\n\t__releases(a->b)\n{\n}\n", {"brackets": 1, "functions": 1}),
    (C_BODY.format("list_for_each_entry(a, b, c) { g(d, struct e, f); }"),
     {"brackets": 1, "functions": 1}),
    ("\n__u32 f(__u32 *a) {\n}\n", {"brackets": 1, "functions": 1}),
    ("\n/* ( */ // (\nint a[2];", {"comments": 1, "brackets": 1}),
    ("\n/* a\n/* b */", {"comments": 0.5}),
    ("\n/* kernel/*.c */", {"comments": 1}),
    ("\n/* a", {}),
    ("it's\n * the end */ (a)", {"brackets": 1}),
    ("ab\n * it's\n /* a */", {}),
    ("\n\"a\\\"b(\" '\\'' 'a", {"strings": 1}),
    ("\n\"a\\\nb\"", {"strings": 1}),
    ("\n\"a\nb\"; \n", {"strings": 0}),
    ("\n#error don't (\n#include <a>\n(1)", {"brackets": 1}),
    ("\n{\n#if A\n if (a) {\n#else\n if (b) {\n#endif\n }\n}\n", {"brackets": 1}),
]  # fmt: skip
DEF = "\ndef f(a):\n    {}\n\n\nx = 1\n"
PYTHON = [
    (DEF.format("return a"), {"brackets": 1, "functions": 1}),
    (DEF.format("return a +"), {"brackets": 1, "functions": 0}),
    (DEF.format("return (a"), {"brackets": 1, "functions": 0}),
    (DEF.format("b = (a\n    return b"), {"brackets": 0.5, "functions": 0}),
    (DEF.format("    b\n  c"), {"brackets": 1, "functions": 0}),
    ("\ndef f(a):\n    return a", {"brackets": 1}),
    ("\n  async def f(\n    a,\n  ) -> int:\n    pass\n  x\n",
     {"brackets": 1, "functions": 1}),
    ("\ndef f():\n  def g(:\n    pass\nx", {"brackets": 0.5, "functions": 0}),
    ("\n def f():\n  pass\n def g(:\n  pass\n x", {"brackets": 0.5, "functions": 0.5}),
    (DEF.format('"""A\n(b"""'), {"brackets": 1, "strings": 1, "functions": 1}),
    (DEF.format("# it's (\n# a\n    pass"), {"brackets": 1, "functions": 1}),
    (DEF.format("'\\'' + \"(\""), {"brackets": 1, "strings": 1, "functions": 1}),
    (DEF.format("'a"), {"brackets": 1, "strings": 0, "functions": 0}),
    ("import a\n'''b\n'''c'''\n'", {"strings": 0.5}),
    ("import a\n'''b", {}),
    ('a" ( """\nimport a\n()', {"brackets": 1}),
    (DEF.format("\0"), {"brackets": 1, "functions": 0}),
    (DEF.format("(" * 5000), {"brackets": 1, "functions": 0}),
    (DEF.format("-" * 50_000 + "1"), {"brackets": 1, "functions": 0}),
    (DEF.format("1 is 1, '\\d'"), {"brackets": 1, "strings": 1, "functions": 1}),
]  # fmt: skip
PROSE = [
    ('He said, "Go." It\'s "so".', {"quotes": 1}),
    ('"Go.\n\nHe "went."', {"quotes": 0.5}),
    ('"Go.\n\n"Then come back."', {"quotes": 1}),
    ('"Go and "come."', {"quotes": 0.5}),
    ('a" b\n\nc" d', {"quotes": 0}),
    ("\"so called'' men", {"quotes": 1}),
    ("“Go.” (a [b] c)", {"quotes": 1, "brackets": 1}),
    ("(a [b) c", {"brackets": 0.5}),
    ("It ended. Later. it began; Mr. x came. \"So it", {"sentences": 0.5}),
    ("a\n\nANNA:\nGo.\n\nBOB:\nI go.\n\nHe is.\n\nb", {"speeches": 2 / 3}),
    ("a\n\nOne:\nb\n\nc\n\nd", {}),
]  # fmt: skip
NAMES = [("xx\nAnna\nbob\nAnna Bob\ny", {"names": 2 / 3}), ("Anna", {"names": 1})]
CASES = {"latex": LATEX, "wiki": WIKI, "c": C, "python": PYTHON, "prose": PROSE}


@pytest.mark.parametrize(
    "kind, text, expected",
    [(kind, *case) for kind, cases in CASES.items() for case in cases],
)
def test_each_rule_on_a_tiny_text(kind, text, expected):
    assert of(kind, text) == pytest.approx(expected)


@pytest.mark.parametrize("text, expected", NAMES)
def test_names_are_read_by_the_line_without_the_cut_ones(text, expected):
    assert of("names", text) == pytest.approx(expected)


def test_kinds_are_those_that_were_promised():
    assert KINDS == ("latex", "wiki", "c", "python", "prose", "names")
    assert {*KINDS} == {*CASES, "names"}
