"""C: brackets, strings and comments that are closed, functions that parse."""

import re
from collections.abc import Callable, Iterator

from charlm.errors import UserError
from charlm.interpret.labels.spans import DOUBLE_QUOTED, SINGLE_QUOTED
from experiments.structure.bracket_matching import (
    Mark,
    Side,
    Verdict,
    judge,
    make_bracket,
)

BRACKETS, STRINGS, COMMENTS, FUNCTIONS = MEASURES = (
    "brackets closed in order",
    "strings closed",
    "comments closed",
    "functions that parse",
)
TOKEN = re.compile(
    rf"""
    # No comment holds the beginning of another, except in a path such as kernel/*.c
    (?P<comment>/\*(?:(?!\*/|(?<=\s)/\*)[\s\S])*)(?P<comment_end>\*/|)
    | //[^\n]*
    | ^[ \t]*\#[ \t]*(?:error|warning|pragma|include)\b[^\n]*
    | ^[ \t]*\#[ \t]*(?P<branch>if|el|end)[a-z]*
    | "{DOUBLE_QUOTED}(?P<string>"|\n|\Z)
    | '{SINGLE_QUOTED}(?P<character>'|\n|\Z)
    | (?P<body>(?<=\n)[{{}}])
    | (?P<bracket>[()\[\]{{}}])
    """,
    re.VERBOSE | re.MULTILINE,
)
BRANCHES: dict[str, Side] = {"if": "if", "el": "else", "end": "end"}
# A type, a name and a bracket: a macro that defines a function has no type.
HEAD = re.compile(
    r"(?!(?:do|else|for|if|return|switch|while)\b)[A-Za-z_][^=;{}\n]*[\s*]\w+\s*\("
)
# The kernel's macros that look like no C, and C that a parser can read.
MACROS = [
    # for_each_cpu(...) and the like begin loops.
    (re.compile(r"\b\w{0,40}for_each\w{0,40}(?=[ ]?\()"), "while"),
    # Types among the arguments of macros.
    (re.compile(r"([(,]\s*)(?:struct|union|enum)\s+(?=\w+\s*[,)])"), r"\1"),
    # __releases(lock) and the like are between a head and its body.
    (re.compile(r"^[ \t]+__\w+\((?:[^()\n]|\([^()\n]*\))*\)$", re.M), ""),
    # __init, __user, notrace and the like precede a name, a type or a star.
    (
        re.compile(
            r"(?<!struct )\b(?:__(?![us]\d|[lb]e\d)[a-z_]+|noinstr|no\w*trace"
            r"|no\w*inline)\s+(?=[\w*])"
        ),
        "",
    ),
]


def read_c(text: str) -> Iterator[Verdict]:
    """Yields a verdict on each bracket, string, comment and function of a text.

    Nothing may be open at a brace { in the first column, nor once a brace } there has
    closed: so are functions written in the Linux kernel. Strings end with their line,
    and no comment holds the beginning of another. The branches of an #if each begin
    with what was open at it. A text whose first comment sign is */, or whose second
    line begins with a star, begins in a comment; the first line is left out.

    A function is a head in the first column (a type, a name, a bracket) with a body,
    to the brace } in the first column. It is wrong if another begins before that, or if
    a parser (tree-sitter's) finds anything wrong with it or no function in it; it is
    left out if the text ends first. That parser knows no macros: the kernel's commonest
    are replaced by C, but it refuses some of real code too.

    Raises:
      UserError: the parser is not installed.
    """
    parses = _make_parser()
    text = text[_find_beginning(text) :]
    yield from judge(_find_marks(text))
    for token in TOKEN.finditer(text):
        closer = token[token.lastgroup] if token.lastgroup else ""
        if token.end() < len(text) or closer in ("*/", '"', "'"):
            if token.lastgroup == "comment_end":
                yield Verdict(COMMENTS, closer == "*/")
            elif token.lastgroup in ("string", "character"):
                yield Verdict(STRINGS, closer != "\n")
    for start, end in _find_functions(TOKEN.sub(_blank, text)):
        yield Verdict(FUNCTIONS, end > start and parses(text[start:end]))


def _blank(token: re.Match[str]) -> str:
    """Returns a token, or blanks in place of a comment, a string or a directive."""
    is_code = token.lastgroup in ("body", "bracket", "branch")
    return token[0] if is_code else re.sub(r"[^\n]", " ", token[0])


def _find_beginning(text: str) -> int:
    """Returns where the comment or the line ends in which the text begins."""
    opener, closer = text.find("/*"), text.find("*/")
    if closer >= 0 and (opener < 0 or closer < opener):
        return closer + 2
    line = max(text.find("\n"), 0)
    return len(text) if re.match(r"\s*\*\s", text[line:]) else line


def _find_marks(text: str) -> Iterator[Mark]:
    for token in TOKEN.finditer(text):
        start = token.start()
        match token.lastgroup:
            case "bracket":
                yield make_bracket(start, token[0], BRACKETS)
            case "body" if token[0] == "{":
                yield Mark(start, "reset")
                yield make_bracket(start, token[0], BRACKETS)
            case "body":
                yield make_bracket(start, token[0], BRACKETS)
                yield Mark(start, "reset")
            case "branch":
                yield Mark(start, BRANCHES[token["branch"]])


def _find_functions(code: str) -> Iterator[tuple[int, int]]:
    """Yields (start, end) of each function; end is start if another interrupts it.

    Args:
      code: a text whose comments and strings are blanks.
    """
    head = function = None  # where each begins
    start = 0
    for line in code.split("\n"):
        # The text's first line may be the end of one.
        is_head = start > 0 and re.match("[A-Za-z_]", line) is not None
        if head is None and is_head:
            head = start
        words = line.strip()
        if line.startswith("}") and function is not None:
            yield function, start + 1
            head = function = None
        elif words.endswith("{") and (is_head or line == words) and head is not None:
            lines = code[head : start + len(line)]
            if HEAD.match(lines) and "=" not in lines:
                if function is not None:
                    yield function, function
                function = head
            head = None
        elif not words or words[0] in "#}" or words[-1] in ";}":
            head = None
        start += len(line) + 1


def _make_parser() -> Callable[[str], bool]:
    """Returns the function of a text that says whether it is one function of C.

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

    def parses(function: str) -> bool:
        for macro, replacement in MACROS:
            function = macro.sub(replacement, function)
        root = parser.parse(function.encode(errors="replace")).root_node
        types = [child.type for child in root.children]
        return not root.has_error and types == ["function_definition"]

    return parses
