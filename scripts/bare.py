"""Python sources as a router needs them; used by build-ipk."""

import ast
import io
import itertools
import tokenize
from collections.abc import Iterator
from typing import TypeGuard

_DOCSTRING = "."
_NO_FIELDS = {"ClassVar", "InitVar", "KW_ONLY"}


def bare(source: bytes) -> bytes:
    """The source without comments, docstrings and annotations, every line where it was: tracebacks stay true.

    Its dataclasses are those of openwrt/files/usr/lib/remsim/slim_dataclasses.py, each with a docstring
    of one character, or it would be given its signature. Annotations stay where they say what a function
    is called for (functools.singledispatch); a field's is 0. Protocols, which annotations alone name,
    are plain classes.
    """
    source = source.replace(b"\nfrom dataclasses import", b"\nfrom slim_dataclasses import")
    source = source.replace(b"(Protocol):", b":")
    lines = source.decode().splitlines(keepends=True)
    starts = True
    tokens = [token for token in tokenize.tokenize(io.BytesIO(source).readline) if token.type != tokenize.NL]
    edits = []
    for token, following in itertools.pairwise(tokens):
        if token.type == tokenize.COMMENT:
            edits.append((token.start, token.end, ""))
        elif (
            token.type == tokenize.STRING
            and starts
            and following.type in (tokenize.NEWLINE, tokenize.COMMENT)
        ):
            edits.append((token.start, token.end, f'"{_DOCSTRING}"' + "\n" * (token.end[0] - token.start[0])))
        starts = token.type in (tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENCODING)
    for (first, left), (last, right), text in reversed(edits):
        lines[first - 1 : last] = [lines[first - 1][:left] + text + lines[last - 1][right:]]
    slim = _documented(_unannotated("".join(lines)))
    return "\n".join(line.rstrip() for line in slim.split("\n")).encode()


def _unannotated(source: str) -> str:
    """The source without the annotations of functions, and with 0 for those of fields."""
    places = _Places(source)
    edits: list[tuple[int, int, str]] = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            if not any(_registers(decorator) for decorator in node.decorator_list):
                edits += _annotations(node, source, places)
        elif isinstance(node, ast.ClassDef) and _is_dataclass_definition(node):
            for field in filter(_is_field, node.body):
                edits.append((places.start(field.annotation), places.end(field.annotation), "0"))
    for start, end, text in sorted(edits, reverse=True):
        source = source[:start] + text + "\n" * source.count("\n", start, end) + source[end:]
    return source


def _annotations(
    function: ast.FunctionDef | ast.AsyncFunctionDef, source: str, places: "_Places"
) -> Iterator[tuple[int, int, str]]:
    arguments = function.args
    every = [
        *arguments.posonlyargs,
        *arguments.args,
        *arguments.kwonlyargs,
        arguments.vararg,
        arguments.kwarg,
    ]
    for argument in every:
        if argument is not None and argument.annotation is not None:
            yield places.start(argument) + len(argument.arg), places.end(argument.annotation), ""
    if function.returns is not None:
        end = places.end(function.returns)
        start = source.rindex("->", 0, places.start(function.returns))
        # In brackets it may go over several lines, which end the statement where the brackets are gone.
        if (
            source[start:end].strip("-> ") == source[places.start(function.returns) : end]
            and "\n" not in source[start:end]
        ):
            yield start, end, ""


class _Places:
    """Where nodes are in the text; the parser counts lines and bytes."""

    def __init__(self, source: str) -> None:
        self._lines = source.splitlines(keepends=True)
        self._starts = [0, *itertools.accumulate(map(len, self._lines))]

    def start(self, node: ast.expr | ast.arg) -> int:
        return self._offset(node.lineno, node.col_offset)

    def end(self, node: ast.expr) -> int:
        assert node.end_lineno is not None
        assert node.end_col_offset is not None
        return self._offset(node.end_lineno, node.end_col_offset)

    def _offset(self, line: int, column: int) -> int:
        text = self._lines[line - 1]
        return self._starts[line - 1] + len(text.encode()[:column].decode())


def _documented(source: str) -> str:
    """The source with a docstring in each dataclass that begins with a field."""
    lines = source.split("\n")
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.ClassDef) or ast.get_docstring(node, clean=False) is not None:
            continue
        first = node.body[0]
        if _is_dataclass_definition(node) and _is_field(first):
            line = lines[first.lineno - 1]
            lines[first.lineno - 1] = f'{line[: first.col_offset]}"{_DOCSTRING}"; {line[first.col_offset :]}'
    return "\n".join(lines)


def _is_dataclass_definition(node: ast.ClassDef) -> bool:
    return any(_is_dataclass(decorator) for decorator in node.decorator_list)


def _registers(decorator: ast.expr) -> bool:
    return isinstance(decorator, ast.Attribute) and decorator.attr == "register"


def _is_dataclass(decorator: ast.expr) -> bool:
    name = decorator.func if isinstance(decorator, ast.Call) else decorator
    return isinstance(name, ast.Name) and name.id == "dataclass"


def _is_field(statement: ast.stmt) -> TypeGuard[ast.AnnAssign]:
    if not isinstance(statement, ast.AnnAssign):
        return False
    annotation = statement.annotation
    name = annotation.value if isinstance(annotation, ast.Subscript) else annotation
    return not (isinstance(name, ast.Name) and name.id in _NO_FIELDS)
