"""Labels of a text: their values, and that only those ahead depend on what follows."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from charlm.interpret.labels.labels import (
    Label,
    compute_labels,
    is_frequent,
    select_labels,
)

# A label, a text, and the label's values under its characters. ⏎ is a newline, → a tab.
EXAMPLES = r'''
position in line
ab⏎c⏎⏎de
12010012

left in line
abc⏎de⏎
2102100

line of paragraph
a⏎b⏎⏎c
011200

line of paragraph
a⏎b⏎ ⏎c
0112200

indentation
  a b⏎→c⏎d
1222208800

in indentation
  a b⏎ c⏎d
1100001000

in word
a b2_c, d
101111001

position in word
it's a cat
1201010123

capitalized word
The cat Sat
11100000111

in capitals
AB_C Ab ABc A
0111000001000

in number
a12 3
01101

position in sentence
Hi. Yes! No
12301234012

position in sentence
"Hi." So⏎⏎x
12345012301

position in sentence
Mr. A. B
12345678

sentence end within 5
abcdefg.hi
0011111000

line end within 5
abcdefg⏎hi
0011111000

line end within 10
abcdefghijklm⏎
00011111111110

# line
#if a⏎#b⏎a#
11111011000

list line
*a⏎ *⏎⏎:b
110000011

table line
|a⏎b|⏎!c
11000011

heading
== a ==⏎=b⏎==
0111111000001

speaker's line
A B:⏎Hi⏎⏎C:⏎D
1111000001100

speaker's line
a⏎⏎Ab, c; d⏎E
0001111100000

inside quotes
a "bc" d "e
00111000011

inside quotes
"b⏎c⏎⏎d "e" f
1111100011000

inside quotes
“a” ``b'' «c»
1100011100110

inside quotes
&quot;a&quot;b
00000111111100

inside quotes
&quot;a⏎b
000001100

inside quotes
c == '"' \" a
0000000000000

length of quotation
a "bcd" ""
0001230000

inside single quotes
f('a', 'b c')
0011000111100

inside single quotes
don't 'tis⏎a
000000111100

inside single quotes
''a'' 'b'
100000110

inside [[ ]]
a [[b]] [c] [[d⏎e
00011100000001100

inside [[ ]]
[[a [[b]] c]] d
011111111111000

position in [[ ]]
[[abc]] [[d
00123400001

inside {{ }}
{{a{{b}}⏎c}} {d}
0111111111100000

inside {{ }}
{{a⏎⏎b}}
01110000

in URL
a http://b.c d
00000000111100

in URL
[www.b.c]
000011110

in URL
ftp://b&amp;c&lt;d
000001111111111100

inside < >
a<b c>d</e> <
0011100011000

inside < >
&lt;b&gt;c
0000111100

italic or bold
''a'b'' it's ''c⏎d
011111000000001100

inside string
f("a\"b", 'c')
00111110000000

inside string
a "b⏎c" d
001100000

inside string
'"' "(" rb"a"
0000110000110

inside string
"a\⏎b" c
11111000

inside string
(char *)"a" "b"
000000001100110

inside string
""  """a"b"""
1000100000000

inside docstring
""" """ ""
0011110000

inside docstring
""  """a"b"""
0000001111110

inside comment
a /* b */ c
00011111000

inside comment
"/*" /*"*/ "a"
00000011100000

inside comment
a; // b⏎c // d
00001110000000

inside comment
http://a ⏎//b
0000000000011

inside comment
a # b⏎#c #d
00011000000

inside comment
a <!--b--> c
000001111000

inside comment
&lt;!--b--&gt;
00000011111110

inside comment
% a⏎5% b\%
1110000000

inside comment
a/*.c b
0000000

inside block comment
/*a*/ // b
0111000000

inside line comment
/*a*/;// b
0000000111

comment or string
/*a*/ "b" c
01110011000

depth of brackets
f(a[b]) {c}
01122100110

depth of brackets
f("(", '(') /*(*/
01111111110000000

depth of ( )
(a{(b)}c)
111221110

depth of ( )
(a⏎⏎b)
111000

depth of ( )
(a]) ) (
11100001

depth of { }
a {(b} c
00111000

depth of { }
a { {⏎} b
001122000

depth of { }
a { ⏎{b
0011111

depth of { }
a {⏎⏎b⏎⏎⏎c
0011111100

depth of { }
a {⏎⏎ /* b */⏎ "c"⏎⏎d}
0011111111111111111110

inside ( )
{(a} b)
0110000

inside [ ]
[a) (b]
1111110

inside { }
{a}} {
110001

condition of if
if (a(b)) c
00011111000

condition of if
iffy (a) if(b
0000000000011

condition of if
x⏎ elif a[b:c]:d
0000000011111100

condition of if
if (a⏎⏎b)
000111000

condition of if
if a⏎if b: c
000100001000
'''
PIECES = [
    *" \t\n\r\nabIf01_.!?,:;=#%&*|$\"'`(){}[]<>/\\-“”\ufffdé漢",
    *['"""', "''", "``", "/*", "*/", "//", "<!--", "-->", "&lt;", "&gt;", "&quot;"],
    *["if (", "if a", "elif ", "[[", "]]", "{{", "}}", "http://", "www.", "\r\n"],
    *["\n\n", "\n \n", "\n{", "\n}", "\n==", "\nA B:", "\\begin{a}", "\\end{a}"],
    *[
        "\\section{",
        "$$",
        "\\$",
        "\\[",
        "\\]",
        "\\\n",
        "'x'",
        "Mr.",
        "\n#",
        " # ",
        "AB",
    ],
]
RANDOM_TEXTS = st.lists(st.sampled_from(PIECES), max_size=40).map("".join)
AHEAD = {
    "left in line",
    "line end within 5",
    "line end within 10",
    "sentence end within 5",
}


def get_labels(text):
    """Returns all labels of a text by their names, rare or not."""
    return {label.name: label for label, _ in compute_labels(text)}


def get_examples():
    return [block.split("\n") for block in EXAMPLES.strip("\n").split("\n\n")]


@pytest.mark.parametrize("name, text, expected", get_examples())
def test_a_label_has_the_values_of_its_example(name, text, expected):
    label = get_labels(text.replace("⏎", "\n").replace("→", "\t"))[name]
    assert "".join(f"{value:.0f}" for value in label.values) == expected


def test_every_label_has_an_example():
    assert set(get_labels("")) == {name for name, _, _ in get_examples()}


@given(RANDOM_TEXTS | st.text(max_size=40), st.data())
@settings(max_examples=150)
def test_of_any_text_only_labels_that_are_ahead_depend_on_what_follows(text, data):
    whole = get_labels(text)
    n = data.draw(st.integers(0, len(text)))
    for name, part in get_labels(text[:n]).items():
        label = whole[name]
        assert label.values.dtype == np.float32
        assert label.values.shape == (len(text),)
        assert np.isfinite(label.values).all()
        if not label.graded:
            assert set(label.values) <= {0, 1}
        if name not in AHEAD:
            assert np.array_equal(label.values[:n], part.values), name
            if label.where is not None:
                assert part.where is not None, name
                assert np.array_equal(label.where[:n], part.where), name


def test_labels_that_are_ahead_do():
    for name, label in get_labels("a b.\nc").items():
        short = get_labels("a b")[name].values
        assert name not in AHEAD or not np.array_equal(label.values[:3], short)


def test_a_label_is_defined_where_it_can_be():
    labels = get_labels("a [[b]] c")
    where = labels["position in [[ ]]"].where
    assert where is not None and where.tolist() == [0] * 3 + [1] * 3 + [0] * 3
    assert labels["inside [[ ]]"].where is None


def test_a_carriage_return_belongs_to_its_line():
    labels = get_labels("ab\r\n\r\ncd\r\n")
    assert labels["position in line"].values.tolist() == [1, 2, 3, 0, 1, 0, 1, 2, 3, 0]
    assert labels["line of paragraph"].values[-2:].tolist() == [0, 1]
    windows = PLAY.replace("\n", "\r\n")
    index = [n for n, char in enumerate(PLAY) for _ in range(1 + (char == "\n"))]
    for name in ("speaker's line", "inside quotes", "line of paragraph"):
        same = get_labels(PLAY)[name].values[index]
        differ = np.flatnonzero(get_labels(windows)[name].values != same)
        assert {windows[n] for n in differ} <= {"\r"}, name


C = """\
/* Says "%d", 100% of it. */
static int say(int n[4])
{
\tif (n[0] > (1)) {
\t\tprintk("(%d\\n", n[0]); // aloud
\t}
}

"""
PROSE = """\
"Why," said Ann, "do you ask me that? I
gave 100% of it" -- and, if not all, she laughed --
"to him who asked, and that's $5 or
$10 more."

"""
PLAY = "First Citizen:\nSpeak, speak.\n\nALL:\nResolved? To die, my lord!\n\n"
PYTHON = '''\
def f(a):
    """Some text."""
    if a == [1, 2]:  # yes
        return {"a": "b (c"}
    return 1 if a else 0
'''
TEX = """\
\\section{A}
\\begin{lemma} % here
Let $x \\in A$, ``so'' $$f(x) = 5$$
\\end{lemma}

"""
WIKI = """\
== Head ==
* [[A|b]] {{c|d}} ''e'' &lt;ref&gt;http://a.b c&lt;/ref&gt; &quot;f&quot;
{| class=&quot;g&quot;
| h &lt;!-- i --&gt;
|}

"""
TEXTS_BY_LABEL = {
    "inside string": (C, PYTHON),
    "inside comment": (C, PYTHON, TEX, WIKI),
    "inside block comment": (C,),
    "inside docstring": (PYTHON,),
    "comment or string": (C, PYTHON),
    "condition of if": (C, PYTHON),
    "inside quotes": (C, PROSE, PYTHON, TEX, WIKI),
    "inside single quotes": (),
    "speaker's line": (PLAY,),
    "inside [[ ]]": (WIKI,),
    "inside {{ }}": (WIKI,),
    "in URL": (WIKI,),
    "inside < >": (WIKI,),
    "italic or bold": (WIKI,),
    "heading": (WIKI,),
    "list line": (WIKI,),
    "table line": (WIKI,),
    "position in line": (C, PROSE, PLAY, PYTHON, TEX, WIKI),
}


@pytest.mark.parametrize("text", [C, PROSE, PLAY, PYTHON, TEX, WIKI])
def test_a_text_has_its_own_labels_and_no_others(text):
    names = {label.name for label in select_labels(text * 30)}
    for name, texts in TEXTS_BY_LABEL.items():
        assert (name in names) == (text in texts), name


def test_of_equal_labels_the_first_is_selected():
    labels = select_labels(C.replace("// aloud", "") * 30)
    names = [label.name for label in labels]
    assert "inside comment" in names and "inside block comment" not in names
    assert len(names) == len(set(names))
    for n, label in enumerate(labels):
        assert not any(np.array_equal(label.values, o.values) for o in labels[:n])


def test_a_label_must_hold_often_and_change_often():
    def is_frequent_with(values, where=None):
        return is_frequent(Label("a", np.asarray(values, np.float32), False, where))

    often = np.arange(20_000) % 1000 < 10
    assert is_frequent_with(often) and is_frequent_with(~often)
    assert not is_frequent_with(often * (np.arange(20_000) < 9000))  # nine times
    assert not is_frequent_with(
        np.arange(20_000) % 1000 < 1
    )  # at one place of a thousand
    assert not is_frequent_with(np.arange(20_000))  # falls never
    assert not is_frequent_with([]) and not is_frequent_with(np.ones(100))
    where = np.arange(20_000) < 5000
    assert not is_frequent_with(often, where) and is_frequent_with(
        np.arange(20_000) % 50 < 1, where
    )
    assert not is_frequent_with(often, np.zeros(20_000, bool))


@pytest.mark.parametrize(
    "text", ["", "\n", "(" * 9000, ")" * 9000, "([{" * 3000 + ")" * 9000, "{" * 9000]
)
def test_texts_of_nothing_or_of_brackets_have_no_labels(text):
    assert select_labels(text) == []


def test_a_comment_without_a_closer_ends():
    inside = get_labels("/* a" + 3 * 10_000 * "b ")["inside comment"].values
    assert inside[5000] and not inside[20_000]


def test_surrogates_and_what_replaces_bytes_are_characters():
    assert len(get_labels("a\ud800\ufffd b")["in word"].values) == 5
