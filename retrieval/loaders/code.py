"""Source code: cut where classes and functions are defined.

Python's own parser finds them in Python, Pygments in some five hundred other languages.
"""

import ast
from collections.abc import Iterator
from itertools import takewhile
from typing import Any

from retrieval.documents import Section
from retrieval.loaders.extract import Extract, one_line
from retrieval.loaders.text import decode

_DEFINING = frozenset(
    """class def func function fn fun interface struct enum trait impl type module object namespace record protocol
    extension message service sub procedure macro_rules
    """.split()  # noqa: SIM905 - twenty quoted words are harder to read
)
_NOT_DEFINING = frozenset(
    """return if while for else elif throw await yield case new raise assert import from using include delete print not
    do try with let const var package goto switch match
    """.split()  # noqa: SIM905
)
_DEEPEST_INDENT = 8
_LEXED = 2**20
"""Characters beyond which a file is no longer searched for definitions: nobody wrote it by hand."""
_NO_CODE = frozenset(
    ["Text only", "reStructuredText", "Markdown", "TeX", "INI", "YAML", "TOML", "Properties"]
)


def code(raw: bytes, name: str) -> Extract | None:
    """Read source code; None when the name is not that of a language with definitions."""
    lexer = lexer_for(name)
    if lexer is None:
        return None
    text = decode(raw)
    return Extract(text, "code", sections=tuple(_sections(text, lexer)))


def lexer_for(name: str) -> Any:
    """Return Pygments' lexer for a file's name; None when it is no source code."""
    from pygments.lexers import get_lexer_for_filename
    from pygments.util import ClassNotFound

    try:
        lexer = get_lexer_for_filename(name)
    except ClassNotFound:
        return None
    return None if lexer.name in _NO_CODE else lexer


def _sections(text: str, lexer: Any) -> Iterator[Section]:
    found = _python(text) if lexer.name == "Python" else None
    if found is None:
        found = list(_definitions(text, lexer)) if len(text) <= _LEXED else []
    return _cut(text, found)


def _python(text: str) -> list[tuple[int, str]] | None:
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    found: list[tuple[int, str]] = []
    for node in tree.body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            found.append((node.lineno - 1, node.name))
        if isinstance(node, ast.ClassDef):
            inner = [one for one in node.body if isinstance(one, ast.FunctionDef | ast.AsyncFunctionDef)]
            found += [(one.lineno - 1, f"{node.name}.{one.name}") for one in inner]
    return found


def _cut(text: str, found: list[tuple[int, str]]) -> Iterator[Section]:
    if not found:
        return
    lines = text.split("\n")
    starts = [0]
    for line in lines:
        starts.append(starts[-1] + len(line) + 1)
    definitions = [(_above(lines, number), number, name) for number, name in found]
    if definitions[0][0] > 0:
        yield Section(0, starts[definitions[0][0]], "line 1")
    for (first, number, name), following in zip(definitions, [*definitions[1:], None], strict=True):
        end = starts[following[0]] if following else len(text)
        if end > starts[first]:
            yield Section(starts[first], end, one_line(f"{name}, line {number + 1}"))


def _definitions(text: str, lexer: Any) -> Iterator[tuple[int, str]]:
    """Yield the line number, from 0, and the name of every definition."""
    outer: list[tuple[int, str]] = []
    begins = lexer.name in ("C", "C++")  # where the type may stand on a line of its own
    for number, tokens in _by_line(text, lexer):
        indent = tokens[0][0]
        name = _defined([(kind, value) for _, kind, value in tokens], begins=begins and not indent)
        if name and indent <= _DEEPEST_INDENT:
            outer = [*takewhile(lambda one: one[0] < indent, outer), (indent, name)]  # noqa: B023 - used at once
            yield number, ".".join(one for _, one in outer)


def _by_line(text: str, lexer: Any) -> Iterator[tuple[int, list[tuple[int, Any, str]]]]:
    """Yield per line its telling tokens: column, kind and text."""
    from pygments.token import Comment, String, Whitespace

    number, column, line = 0, 0, list[tuple[int, Any, str]]()
    for _, kind, value in lexer.get_tokens_unprocessed(text):
        if value.strip() and kind not in Comment and kind not in String and kind not in Whitespace:
            line.append((column + len(value) - len(value.lstrip()), kind, value.strip()))
        breaks = value.count("\n")
        if breaks:
            if line:
                yield number, line
            number, column, line = number + breaks, 0, []
            column = len(value) - value.rfind("\n") - 1
        else:
            column += len(value)
    if line:
        yield number, line


def _defined(tokens: list[tuple[Any, str]], *, begins: bool) -> str:
    """Return the name that a line defines, with which it `begins` or not; empty when it defines none."""
    from pygments.token import Keyword, Name

    if tokens[0][1].lower() in _NOT_DEFINING:
        return ""
    for at, (kind, value) in enumerate(tokens):
        if value.lower() in _DEFINING and kind in Keyword:
            return _next_name(tokens[at + 1 :])
        if (at or begins) and (kind in Name.Function or kind in Name.Class):
            return value
        if value in ("(", "=", "{", ";"):
            break
    return ""


def _next_name(tokens: list[tuple[Any, str]]) -> str:
    from pygments.token import Name

    depth = 0
    for kind, value in tokens:
        depth += value.count("(") + value.count("<") - value.count(")") - value.count(">")
        if not depth and kind in Name:
            return value
    return ""


def _above(lines: list[str], number: int) -> int:
    """Return the first line of the comments and decorators that stand directly over a line."""
    while number and lines[number - 1].lstrip().startswith(
        ("@", "#", "//", "/*", "*", "--", ";;", '"""', "[")
    ):
        number -= 1
    return number
