"""C: brackets, strings and comments that are closed, functions that parse."""

import re
from collections.abc import Iterator

from charlm.errors import UserError
from experiments.structure.bracket_matching import Judged, Mark, Side, bracket, judge

BRACKETS, STRINGS, COMMENTS, FUNCTIONS = ROWS = (
    "brackets closed in order",
    "strings closed",
    "comments closed",
    "functions that parse",
)
TOKEN = re.compile(
    r"""
    # No comment holds the beginning of another, except in a path such as kernel/*.c
    (?P<comment>/\*(?:(?!\*/|(?<=\s)/\*)[\s\S])*)(?P<comment_end>\*/|)
    | //[^\n]*
    | ^[ \t]*\#[ \t]*(?:error|warning|pragma|include)\b[^\n]*
    | ^[ \t]*\#[ \t]*(?P<branch>if|el|end)[a-z]*
    | "(?:[^"\\\n]|\\[\s\S])*(?P<string>"|\n|\\?\Z)
    | '(?:[^'\\\n]|\\[\s\S])*(?P<character>'|\n|\\?\Z)
    | (?P<body>(?<=\n)[{}])
    | (?P<bracket>[()\[\]{}])
    """,
    re.VERBOSE | re.MULTILINE,
)
BRANCHES: dict[str, Side] = {"if": "if", "el": "else", "end": "end"}
# A type, a name and a bracket: a macro that defines a function has no type.
HEAD = re.compile(
    r"(?!(?:do|else|for|if|return|switch|while)\b)[A-Za-z_][^=;{}\n]*[\s*]\w+\s*\("
)
# The kernel's macros that look like no C, spelt so that a parser can read them.
MACROS = [
    # for_each_cpu(...) and the like begin loops.
    (re.compile(r"\b\w{0,40}for_each\w{0,40}(?=[ ]?\()"), "while"),
    # Types among the arguments of macros.
    (re.compile(r"([(,]\s*)(?:struct|union|enum)\s+(?=\w+\s*[,)])"), r"\1"),
    # __releases(lock) and the like stand between a head and its body.
    (re.compile(r"^[ \t]+__\w+\((?:[^()\n]|\([^()\n]*\))*\)$", re.M), ""),
    # __init, __user, notrace and the like stand before a name, a type or a star.
    (
        re.compile(
            r"(?<!struct )\b(?:__(?![us]\d|[lb]e\d)[a-z_]+|noinstr|no\w*trace"
            r"|no\w*inline)\s+(?=[\w*])"
        ),
        "",
    ),
]


def read_c(text: str) -> Iterator[Judged]:
    """Each bracket, string, comment and function of a text.

    Nothing may be open at a brace { in the first column, nor once a brace } there has
    closed: so are functions written in the Linux kernel. Strings end with their line,
    and no comment holds the beginning of another. The branches of an #if each begin
    with what was open at it. A text whose first comment sign is */, or whose second
    line begins with a star, begins in a comment; the first line is left out.

    A function is a head in the first column (a type, a name, a bracket) with a body,
    to the brace } in the first column. It is refused if another begins before that, or
    if a parser (tree-sitter's) finds anything wrong with it or no function in it; it is
    left out if the text ends first. That parser knows no macros: those of the kernel
    that are most used are spelt as C for it, but some of real code is refused too.

    Raises:
      UserError: the parser is not installed.
    """
    parse = _parser()
    begins = _beginning(text)
    return _judged(text[begins:], parse)


def _judged(text: str, parse) -> Iterator[Judged]:
    yield from judge(_marks(text))
    bare = [*text]  # the text, blanks in place of its comments and strings
    for token in TOKEN.finditer(text):
        end = token.end()
        match token.lastgroup:
            case "comment_end":
                if token["comment_end"] or end < len(text):
                    yield Judged(COMMENTS, bool(token["comment_end"]))
            case "string" | "character" as kind:
                if end < len(text) or token[kind] in ('"', "'"):
                    yield Judged(STRINGS, token[kind] in ('"', "'"))
            case "body" | "bracket" | "branch":
                continue
        bare[token.start() : end] = re.sub(r"[^\n]", " ", token[0])
    for start, end in _functions("".join(bare)):
        yield Judged(FUNCTIONS, end > start and parse(text[start:end]))


def _beginning(text: str) -> int:
    """Where the comment or the line ends in which the text begins."""
    begins, ends = text.find("/*"), text.find("*/")
    if ends >= 0 and (begins < 0 or ends < begins):
        return ends + 2
    line = max(text.find("\n"), 0)
    return len(text) if re.match(r"\s*\*\s", text[line:]) else line


def _marks(text: str) -> Iterator[Mark]:
    for token in TOKEN.finditer(text):
        place = token.start()
        match token.lastgroup:
            case "bracket":
                yield bracket(place, token[0], BRACKETS)
            case "body" if token[0] == "{":
                yield Mark(place, "fresh")
                yield bracket(place, token[0], BRACKETS)
            case "body":
                yield bracket(place, token[0], BRACKETS)
                yield Mark(place, "fresh")
            case "branch":
                yield Mark(place, BRANCHES[token["branch"]])


def _functions(bare: str) -> Iterator[tuple[int, int]]:
    """(start, end) of each function; end is start for one that another interrupts.

    Args:
      bare: a text whose comments and strings are blanks.
    """
    head = body = None  # where the head began that is being read, and the function
    place = 0
    for line in bare.split("\n"):
        # The text's first line may be the end of one.
        begins = place > 0 and re.match("[A-Za-z_]", line) is not None
        if head is None and begins:
            head = place
        words = line.strip()
        if line.startswith("}") and body is not None:
            yield body, place + 1
            head = body = None
        elif words.endswith("{") and (begins or line == words) and head is not None:
            opened = bare[head : place + len(line)]
            if HEAD.match(opened) and "=" not in opened:
                if body is not None:
                    yield body, body
                body = head
            head = None
        elif not words or words[0] in "#}" or words[-1] in ";}":
            head = None
        place += len(line) + 1


def _parser():
    """Whether a text is one function of C, as a function of the text.

    Raises:
      UserError: the parser is not installed.
    """
    try:
        import tree_sitter
        import tree_sitter_c
    except ImportError as error:
        raise UserError(
            "to judge C, a parser is needed: pip install tree-sitter tree-sitter-c"
        ) from error
    parser = tree_sitter.Parser(tree_sitter.Language(tree_sitter_c.language()))

    def parse(function: str) -> bool:
        for macro, spelt in MACROS:
            function = macro.sub(spelt, function)
        root = parser.parse(function.encode(errors="replace")).root_node
        kinds = [child.type for child in root.children]
        return not root.has_error and kinds == ["function_definition"]

    return parse
